import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { hasCode } from "@millwright/contracts";
import {
  type Migration,
  openDirectoryArtifactStore,
  openSqlite,
  openEventLog,
  openLeaseStore,
  openRecordStore,
} from "@millwright/storage";
import { expect, test } from "vitest";
import { networkFileSystem } from "../src/network-file-system.ts";
import { temporaryFolder } from "./folder.ts";

/** Changes the four bytes of the header where SQLite keeps one of its numbers. https://www.sqlite.org/fileformat2.html#the_database_header */
async function setHeader(path: string, offset: number, value: number): Promise<void> {
  const bytes = await readFile(path);
  bytes.writeUInt32BE(value, offset);
  await writeFile(path, bytes);
}
const golden: Migration = { name: "001", up: async () => {}, down: async () => {} };
const userVersion = 60;
const applicationId = 68;

test("a folder that is not there is named", async () => {
  await using folder = await temporaryFolder();
  const opening = openSqlite(folder.file("missing/a.db"));
  await expect(opening).rejects.toMatchObject({ code: "STORAGE_FILE_UNREACHABLE", category: "user" });
  await expect(opening).rejects.toThrow("missing");
  await mkdir(folder.file("directory"));
  await expect(openSqlite(folder.file("directory"))).rejects.toMatchObject({ code: "STORAGE_FILE_UNREACHABLE" });
});

test("what names no file is refused", async () => {
  for (const path of ["", ":memory:", "file:a.db?mode=memory"]) {
    await expect(openSqlite(path)).rejects.toBeInstanceOf(RangeError);
  }
});

test("a file that is no database is refused and left as it is", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("a.db"), "this is a letter to my aunt. ".repeat(100));
  await expect(openSqlite(folder.file("a.db"))).rejects.toMatchObject({
    code: "STORAGE_FILE_CORRUPT",
    category: "data",
  });
  expect((await readFile(folder.file("a.db"))).toString()).toMatch(/^this is a letter/);
});

test("a database whose pages are damaged says so when they are read", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  {
    await using database = await openSqlite(path);
    await database.writeBatch([
      { sql: "create table numbers (number integer, text text)" },
      { sql: "insert into numbers values (?, ?)", rows: Array.from({ length: 2000 }, (_, n) => [n, "x".repeat(50)]) },
    ]);
  }
  const bytes = await readFile(path);
  bytes.fill(0xa5, 4096 * 12, 4096 * 20);
  await writeFile(path, bytes);
  await using database = await openSqlite(path);
  const reading = database.read.selectFrom("numbers").selectAll().execute();
  await expect(reading).rejects.toMatchObject({ code: "STORAGE_FILE_CORRUPT" });
});

test("CT-13: a file of format 1, the one released, opens, and one of a later format is refused with both versions named and left as it is", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  await copyFile(new URL("fixtures/format-1.db", import.meta.url), path);
  {
    await using database = await openSqlite(path);
    expect(await openRecordStore(database).read("golden")).toEqual({
      key: "golden",
      value: { kept: [1] },
      version: 2,
    });
    expect(await openEventLog(database).verify()).toEqual({
      records: 2,
      head: { cursor: 2, hash: "65ccea454429d318173cc16befdf9eb7218a0a24660866df635bfe60324b2d4b" },
      broken: undefined,
    });
    expect(await database.migrate("golden", [golden])).toEqual([]);
    expect((await openLeaseStore(database).acquire("golden", 1000))?.fence).toBe(2);
  }
  await setHeader(path, userVersion, 2);
  const before = await readFile(path);
  const opening = openSqlite(path);
  await expect(opening).rejects.toMatchObject({ code: "STORAGE_FORMAT_NEWER" });
  await expect(opening).rejects.toThrow("formatVersion 2");
  expect(await readFile(path)).toEqual(before);
});

test("a database of another application is refused", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  await (await openSqlite(path))[Symbol.asyncDispose]();
  for (const id of [0, 0x0f055112]) {
    await setHeader(path, applicationId, id);
    await expect(openSqlite(path)).rejects.toMatchObject({ code: "STORAGE_FILE_FOREIGN" });
  }
});

test("where there is no room left a write fails as a whole, earlier ones stay, and smaller ones go on", async () => {
  await using folder = await temporaryFolder();
  await using database = await openSqlite(folder.file("a.db"), { maxSizeBytes: 40 * 4096 });
  const records = openRecordStore(database);
  await records.write("before", "kept");
  const filling = Array.from({ length: 10 }, (_, index) => records.write(`big/${index}`, "x".repeat(30_000)));
  const settled = await Promise.allSettled(filling);
  const failed = settled.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  expect(failed.length).toBeGreaterThan(0);
  for (const error of failed) {
    expect(hasCode(error, "STORAGE_DISK_FULL")).toBe(true);
    expect(error).toMatchObject({ category: "capacity", retryable: true });
  }
  expect((await records.read("before"))?.value).toBe("kept");
  for (const [index, result] of settled.entries()) {
    expect((await records.read(`big/${index}`)) !== undefined).toBe(result.status === "fulfilled");
  }
  await records.delete("before");
  for (let index = 0; index < 10; index += 1) await records.delete(`big/${index}`);
  expect(await records.write("after", "room again")).toBe(1);
});

test("a lock that another holds for too long is a failure that may be tried again", async () => {
  await using folder = await temporaryFolder();
  const path = folder.file("a.db");
  await using holder = await openSqlite(path);
  await using other = await openSqlite(path, { busyTimeoutMs: 50 });
  let letGo = (): void => {};
  const held = new Promise<void>((resolve) => (letGo = resolve));
  let taken = (): void => {};
  const started = new Promise<void>((resolve) => (taken = resolve));
  const holding = holder.write(async ({ sql }) => {
    await sql.selectFrom("millwright_leases").selectAll().execute();
    taken();
    await held;
  });
  await started;
  const records = openRecordStore(other);
  const waiting = await Promise.allSettled([
    records.write("a", 1),
    other.write(async ({ sql }) => sql.selectFrom("millwright_leases").selectAll().execute()),
  ]);
  const reason = { code: "STORAGE_DATABASE_BUSY", category: "transient", retryable: true };
  expect(waiting).toMatchObject(waiting.map(() => ({ status: "rejected", reason })));
  letGo();
  await holding;
  expect(await records.write("a", 1)).toBe(1);
});

test("writing through the reading handle is refused", async () => {
  await using folder = await temporaryFolder();
  await using database = await openSqlite(folder.file("a.db"));
  const writing = database.read.insertInto("millwright_records").values({ key: "a", value: "1", version: 1 }).execute();
  await expect(writing).rejects.toMatchObject({ code: "STORAGE_FILE_READONLY" });
});

test("network file systems are known by their number, signed or not", () => {
  expect(networkFileSystem(0x6969)).toBe("NFS");
  expect(networkFileSystem(0xff534d42)).toBe("CIFS");
  expect(networkFileSystem(0xff534d42 | 0)).toBe("CIFS");
  expect(networkFileSystem(0xef53)).toBeUndefined();
});

test("an artifact directory in a place that cannot be is named", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("file"), "");
  await expect(openDirectoryArtifactStore(folder.file("file/inside"))).rejects.toMatchObject({
    code: "STORAGE_FILE_UNREACHABLE",
  });
});
