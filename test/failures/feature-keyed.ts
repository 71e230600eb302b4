import { createRequire } from "node:module";
import { DatabaseSync } from "../../packages/feature-store/node_modules/@photostructure/sqlite/dist/index.mjs";
import {
  type LmdbDatabase,
  type LmdbRootDatabase,
  openLmdbOnlineStore,
} from "../../packages/feature-store/dist/drivers/lmdb.js";
import { openMemoryKeyedOnlineStore } from "../../packages/feature-store/dist/drivers/memory-keyed.js";
import { openRedisOnlineStore } from "../../packages/feature-store/dist/drivers/redis.js";
import { openSqliteOnlineStore } from "../../packages/feature-store/dist/drivers/sqlite.js";
import type { KeyedOnlineStore } from "../../packages/feature-store/dist/index.js";
import { type Failures, methods, type Subjects, well } from "./subjects.ts";

type Lmdb = typeof import("../../packages/feature-store/node_modules/lmdb/index.js");

/** What the package names as its entry: its folder's index file is that of other runtimes, and hangs in this one. */
const { open } = createRequire(new URL("../../packages/feature-store/package.json", import.meta.url))("lmdb") as Lmdb;
const signal = new AbortController().signal;
const few = 40;

export const keyedStore = (name: string, store: KeyedOnlineStore, fails: Failures = {}): Subjects =>
  methods(`${name}()`, () => store, {
    read: [() => ["group", ["ann", "bob"], { signal }], {}, few],
    readNow: [() => ["group", "ann"], fails, few],
    update: [() => ["group", ["ann"], () => Uint8Array.of(1), { signal }], {}, few],
    scan: [() => ["group", { signal }], {}, few],
    ...(store.purge === undefined ? {} : { purge: [() => ["group", "ann", { signal }], {}, few] }),
  });

/** The methods of a source of features that takes one service, `plans`. */
export const methodsOfSource = (name: string, source: () => object, table: Parameters<typeof methods>[2]): Subjects =>
  methods(`${name}()`, source, { describe: [() => ["plans", { signal }], {}, few], ...table });

/** A client of a server that holds nothing and takes everything. */
const redis = {
  async callBuffer(command: string, ...given: readonly unknown[]): Promise<unknown> {
    if (command === "HMGET") return given.slice(1).map(() => null);
    if (command === "HSCAN") return [Buffer.from("0"), []];
    return command === "INFO" ? Buffer.from("aof_enabled:0") : [];
  },
};

async function openOverlapping(folder: string): Promise<unknown> {
  const root = open({ path: `${folder}/overlapping.lmdb`, overlappingSync: true });
  try {
    return openLmdbOnlineStore(root);
  } finally {
    await root.close();
  }
}

/** A file as it is once another process was killed while it flushed. */
function panicking(root: ReturnType<typeof open>): LmdbRootDatabase {
  const refused = Object.assign(new Error("Commit failed (see commitError for details)"), {
    commitError: Promise.resolve(Object.assign(new Error("MDB_PANIC: Update of meta page failed"), { code: -30_795 })),
  });
  const openDB: LmdbRootDatabase["openDB"] = (options) =>
    Object.assign(root.openDB(options) as unknown as LmdbDatabase, {
      transaction: async () => await Promise.reject(refused),
    });
  return { openDB, getStats: () => root.getStats() };
}

/** The drivers of keyed online stores. */
export async function keyedStores(folder: string): Promise<AsyncDisposable & { readonly subjects: Subjects }> {
  const root = open({ path: `${folder}/online.lmdb`, overlappingSync: false });
  const connection = new DatabaseSync(`${folder}/online.db`);
  const other = new DatabaseSync(`${folder}/online.db`);
  const sqlite = openSqliteOnlineStore(connection, { busyTimeoutMs: 5 });
  const busy = async (): Promise<void> => {
    other.exec("BEGIN IMMEDIATE");
    try {
      await sqlite.update("group", ["ann"], () => Uint8Array.of(2));
    } finally {
      other.exec("ROLLBACK");
    }
  };
  const notNow = await openRedisOnlineStore(redis);
  return {
    subjects: {
      openMemoryKeyedOnlineStore: well(openMemoryKeyedOnlineStore),
      ...keyedStore("openMemoryKeyedOnlineStore", openMemoryKeyedOnlineStore()),
      openLmdbOnlineStore: well(
        openLmdbOnlineStore,
        () => [root, { name: "features", flush: "system" }],
        {
          FEATURE_STORE_LMDB_OVERLAPPING: async () => await openOverlapping(folder),
          FEATURE_STORE_LMDB_PANIC: async () =>
            await openLmdbOnlineStore(panicking(root), { name: "panic" }).update("a", ["x"], () => null),
        },
        few,
      ),
      ...keyedStore("openLmdbOnlineStore", openLmdbOnlineStore(root, { flush: "system" })),
      openSqliteOnlineStore: well(
        openSqliteOnlineStore,
        () => [connection, { table: "features", flush: "system", busyTimeoutMs: 5 }],
        { FEATURE_STORE_ONLINE_BUSY: busy },
        few,
      ),
      ...keyedStore("openSqliteOnlineStore", sqlite),
      openRedisOnlineStore: well(openRedisOnlineStore, () => [redis, { prefix: "a:", buckets: 3, signal }], {}, few),
      ...keyedStore("openRedisOnlineStore", notNow, { PORT_UNSUPPORTED: () => notNow.readNow("group", "ann") }),
    },
    async [Symbol.asyncDispose]() {
      for (const each of [connection, other]) each.close();
      await root.close();
    },
  };
}
