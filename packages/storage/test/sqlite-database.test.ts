import { open, readdir } from "node:fs/promises";
import { type Database, openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { temporaryFolder } from "./folder.ts";

async function openNotes(path: string): Promise<Database> {
  const database = await openSqlite(path);
  await database.writeBatch([{ sql: "create table notes (id integer primary key, text text)" }]);
  return database;
}

const ids = async (database: Database): Promise<unknown[]> =>
  (await database.read.selectFrom("notes").select("id").orderBy("id").execute()).map((row) => row["id"]);

/** How many transactions a write-ahead log holds: a frame whose header gives the file's size ends one. https://www.sqlite.org/fileformat2.html#wal_file_format */
async function committedTransactions(path: string): Promise<number> {
  await using file = await open(`${path}-wal`);
  const log = await file.readFile();
  let transactions = 0;
  for (let offset = 32; offset + 24 <= log.length; offset += 24 + 4096) {
    if (log.readUInt32BE(offset + 4) > 0) transactions += 1;
  }
  return transactions;
}

test("writes at the same time share commits, and writes one after another do not", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  const insert = (id: number) =>
    database.write(async ({ sql }) => void (await sql.insertInto("notes").values({ id, text: null }).execute()));
  const before = await committedTransactions(folder.file("a.db"));
  for (let id = 0; id < 20; id += 1) await insert(id);
  const apart = (await committedTransactions(folder.file("a.db"))) - before;
  await Promise.all(Array.from({ length: 200 }, (_, index) => insert(100 + index)));
  const together = (await committedTransactions(folder.file("a.db"))) - before - apart;
  expect(apart).toBe(20);
  // 200 writes; a slow machine may cut a group short, but not down to a few writes each.
  expect(together).toBeLessThan(100);
  expect(await ids(database)).toHaveLength(220);
});

test("a caught failure inside a write leaves the write as it was", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  await database.write(async ({ sql }) => {
    await sql.insertInto("notes").values({ id: 1, text: "first" }).execute();
    await expect(sql.insertInto("notes").values({ id: 1, text: "again" }).execute()).rejects.toThrow("UNIQUE");
    await sql.insertInto("notes").values({ id: 2, text: "second" }).execute();
  });
  expect(await ids(database)).toEqual([1, 2]);
});

test("a column without a type keeps any value: 64-bit integers, floats, bytes, text, null", async () => {
  await using folder = await temporaryFolder();
  await using database = await openSqlite(folder.file("a.db"));
  const values = [2n ** 63n - 1n, -(2n ** 63n), 2 ** 53 - 1, 1e-320, 0.1, Infinity, "Ærø ✈ 😀", null, true];
  const rows = await database.write(async ({ sql }) => {
    await sql.schema.createTable("anything").addColumn("value", "blob").execute();
    for (const value of [...values, Uint8Array.of(0, 1, 255)])
      await sql.insertInto("anything").values({ value }).execute();
    return sql.selectFrom("anything").select("value").execute();
  });
  const expected = [...values.slice(0, -1), 1, Uint8Array.of(0, 1, 255)];
  expect(rows.map(({ value }) => value)).toEqual(expected);
  const read = await database.read.selectFrom("anything").select("value").execute();
  expect(read).toEqual(rows);
});

test("closing leaves everything in the one file", async () => {
  await using folder = await temporaryFolder();
  const database = await openNotes(folder.file("a.db"));
  await database.writeBatch([{ sql: "insert into notes (id) values (1)" }]);
  await database[Symbol.asyncDispose]();
  // The write-ahead log is gone.
  expect(await readdir(folder.path)).toEqual(["a.db"]);
});
