import { DatabaseSync } from "@photostructure/sqlite";
import { open, type RootDatabase } from "lmdb";
import { join } from "node:path";
import { expect, expectTypeOf, test } from "vitest";
import { type LmdbDatabase, openLmdbOnlineStore, type LmdbRootDatabase } from "../src/drivers/lmdb.ts";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import { openSqliteOnlineStore, type SqliteConnection } from "../src/drivers/sqlite.ts";
import { keyedOnlineStoreContract } from "../src/testing/index.ts";
import { temporaryDirectory } from "./rows.ts";
import { mountSmallDisk } from "./small-disk.ts";

for (const { name, appliesTo, run } of keyedOnlineStoreContract) {
  test(`memory: ${name}`, async ({ skip }) => {
    await using store = openMemoryKeyedOnlineStore();
    if (appliesTo?.(store) === false) skip("the store has not what the case is about");
    await run(store);
  });
  test(`lmdb: ${name}`, async ({ skip }) => {
    await using directory = await temporaryDirectory();
    const root = open({ path: join(directory.path, "online.lmdb"), overlappingSync: false });
    try {
      await using store = openLmdbOnlineStore(root);
      if (appliesTo?.(store) === false) skip("the store has not what the case is about");
      await run(store);
    } finally {
      await root.close();
    }
  });
  test(`sqlite: ${name}`, async ({ skip }) => {
    await using directory = await temporaryDirectory();
    const connection = new DatabaseSync(join(directory.path, "online.db"));
    try {
      await using store = openSqliteOnlineStore(connection);
      if (appliesTo?.(store) === false) skip("the store has not what the case is about");
      await run(store);
    } finally {
      connection.close();
    }
  });
}

test("the packages lmdb and @photostructure/sqlite have what the drivers declare of them", () => {
  expectTypeOf<RootDatabase>().toExtend<LmdbRootDatabase>();
  expectTypeOf<InstanceType<typeof DatabaseSync>>().toExtend<SqliteConnection>();
});

test("what was kept on disk is there when the file is opened again, long keys too", async () => {
  await using directory = await temporaryDirectory();
  const long = "k".repeat(3000);
  const reopen = {
    lmdb: () => {
      const root = open({ path: join(directory.path, "online.lmdb"), overlappingSync: false });
      return { store: openLmdbOnlineStore(root), close: () => root.close() };
    },
    sqlite: () => {
      const connection = new DatabaseSync(join(directory.path, "online.db"));
      return { store: openSqliteOnlineStore(connection), close: async () => connection.close() };
    },
  };
  for (const openKind of Object.values(reopen)) {
    const first = openKind();
    await first.store.update("a", ["x", long], (index) => Uint8Array.of(index));
    await first.store[Symbol.asyncDispose]();
    await first.close();
    const again = openKind();
    expect(await again.store.read("a", [long, "x"])).toEqual([1, 0].map((each) => expect.objectContaining([each])));
    await again.store[Symbol.asyncDispose]();
    await again.close();
  }
});

test("a SQLite file that another connection is writing to is busy, in words, and can be written to again later", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "online.db");
  const [connection, other] = [new DatabaseSync(path), new DatabaseSync(path)];
  await using store = openSqliteOnlineStore(connection, { busyTimeoutMs: 20 });
  other.exec("BEGIN IMMEDIATE");
  const put = (): Promise<void> => store.update("a", ["x"], () => Uint8Array.of(1));
  await expect(put()).rejects.toMatchObject({ code: "FEATURE_STORE_ONLINE_BUSY", retryable: true });
  expect(await store.read("a", ["x"])).toEqual([undefined]);
  other.exec("ROLLBACK");
  await put();
  expect(await store.read("a", ["x"])).toHaveLength(1);
  for (const each of [connection, other]) each.close();
});

test("an LMDB file whose flushes overlap is refused, and one that takes itself for broken is told with the mend", async () => {
  await using directory = await temporaryDirectory();
  const refused = { code: "FEATURE_STORE_LMDB_OVERLAPPING", remedy: expect.stringContaining("overlappingSync: false") };
  // On Windows they do not by default.
  for (const options of process.platform === "win32" ? [{ overlappingSync: true }] : [{}, { overlappingSync: true }]) {
    const root = open({ path: join(directory.path, "overlapping.lmdb"), ...options });
    expect(() => openLmdbOnlineStore(root)).toThrow(expect.objectContaining(refused));
    await root.close();
  }
  const root = open({ path: join(directory.path, "online.lmdb"), overlappingSync: false });
  // As LMDB says it: at the commit, with the reason beside it; and at once.
  const reason = Object.assign(new Error("MDB_PANIC: Update of meta page failed"), { code: -30_795 });
  const late = Object.assign(new Error("Commit failed (see commitError for details)"), {
    commitError: Promise.resolve(reason),
  });
  for (const error of [reason, late]) {
    const openDB = (options: Parameters<LmdbRootDatabase["openDB"]>[0]): LmdbDatabase =>
      Object.assign(root.openDB(options) as unknown as LmdbDatabase, {
        transaction: async () => await Promise.reject(error),
      });
    await using store = openLmdbOnlineStore({ openDB, getStats: () => root.getStats() }, { name: "panic" });
    await expect(store.update("a", ["x"], () => null)).rejects.toMatchObject({
      code: "FEATURE_STORE_LMDB_PANIC",
      remedy: expect.stringContaining("open it again"),
      cause: reason,
    });
  }
  await root.close();
});

test("a full disk is told in words, and nothing is half written", async ({ skip }) => {
  await using disk = await mountSmallDisk(2048);
  if (disk === undefined) return skip("a small disk takes Linux and its administrator");
  const root = open({ path: join(disk.directory, "online.lmdb"), overlappingSync: false });
  const connection = new DatabaseSync(join(disk.directory, "online.db"));
  for (const store of [openLmdbOnlineStore(root), openSqliteOnlineStore(connection)]) {
    await store.update("a", ["x"], () => Uint8Array.of(1));
    await disk.fill();
    const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`);
    await expect(store.update("a", ["x", ...keys], () => new Uint8Array(10_000))).rejects.toMatchObject({
      code: "FEATURE_STORE_WRITE_FAILED",
      category: "capacity",
    });
    await disk.free();
    const found = await store.read("a", ["x", ...keys]);
    expect(found.map((bytes) => bytes?.length)).toEqual([1, ...keys.map(() => undefined)]);
    await store.update("a", ["x"], () => Uint8Array.of(2));
    await store[Symbol.asyncDispose]();
  }
  connection.close();
  await root.close();
});
