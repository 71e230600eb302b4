import { join } from "node:path";
import { createManualClock } from "@millwright/contracts";
import { DatabaseSync } from "@photostructure/sqlite";
import fastify from "fastify";
import { open } from "lmdb";
import { describe } from "vitest";
import { openFeastFeatureSource } from "../src/drivers/feast.ts";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { openSqliteOnlineStore } from "../src/drivers/sqlite.ts";
import { feastRoutes } from "../src/feast.ts";
import { ADAPTER_NOW_MS, adapterServices } from "../src/testing/index.ts";
import { allAbilities, storeAdapter, testAdapter } from "./adapter-suite.ts";

describe("memory", () => {
  testAdapter("memory", () => storeAdapter(async () => ({ online: openMemoryOnlineStore() })));
});

describe("keyed memory", () => {
  testAdapter("keyed memory", () => storeAdapter(async () => ({ online: openMemoryKeyedOnlineStore() })));
});

describe("log", () => {
  testAdapter("log files", () =>
    storeAdapter(async (folder) => ({ online: await openLogOnlineStore(join(folder, "online")) })),
  );
});

describe("lmdb", () => {
  testAdapter("LMDB", () =>
    storeAdapter(async (folder) => {
      const root = open({ path: join(folder, "online.lmdb"), overlappingSync: false });
      return { online: openLmdbOnlineStore(root), close: () => root.close() };
    }),
  );
});

describe("sqlite", () => {
  testAdapter("SQLite", () =>
    storeAdapter(async (folder) => {
      const connection = new DatabaseSync(join(folder, "online.db"));
      return { online: openSqliteOnlineStore(connection), close: () => connection.close() };
    }),
  );
});

describe("feast", () => {
  testAdapter("a server that speaks Feast's HTTP API", async () => {
    const under = await storeAdapter(async () => ({ online: openMemoryOnlineStore() }));
    const clock = createManualClock(ADAPTER_NOW_MS);
    const app = fastify();
    await app.register(feastRoutes(under.store, { services: adapterServices, clock }));
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    return {
      source: openFeastFeatureSource({ url, services: adapterServices, clock }),
      abilities: {
        ...allAbilities,
        delete: "Feast has no deletes: what is gone is not there",
        microseconds: "Feast's timestamps are whole seconds",
      },
      put: (view, rows) => under.put(view, rows),
      async [Symbol.asyncDispose]() {
        await app.close();
        await under[Symbol.asyncDispose]();
      },
    };
  });
});
