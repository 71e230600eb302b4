import { createManualClock, type Batch } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { DatabaseSync } from "@photostructure/sqlite";
import { open } from "lmdb";
import { expect, test } from "vitest";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { openSqliteOnlineStore } from "../src/drivers/sqlite.ts";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStoreOptions,
  hours,
  type KeyedOnlineStore,
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const HOUR = hours(1);
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const shop = defineEntity({ name: "shop", keys: { country: "utf8", shop: "int32" } });
const profile = defineFeatureView({
  name: "profile",
  entity: user,
  eventTime: "at",
  features: { plan: "utf8", credit: "int64" },
  freshness: { maxAgeMs: HOUR, onStale: "serve" },
  ttlMs: 10 * HOUR,
});
const visits = defineFeatureView({
  name: "visits",
  entity: user,
  eventTime: "at",
  inputs: { pages: "int32" },
  aggregates: { visits_3h: count(hours(3)), pages_3h: sum("pages", hours(3)) },
});
const stock = defineFeatureView({
  name: "stock",
  entity: shop,
  eventTime: "at",
  features: { items: "float32", isOpen: "bool" },
  defaults: { items: -1 },
});
const service = defineFeatureService({ name: "rank", views: [stock, profile, visits] });

type OpenKind = (directory: string) => { online: FeatureStoreOptions["online"]; close(): Promise<void> };

/** A store that other machines have too: nothing of it can be read without waiting. */
function withoutNow(store: KeyedOnlineStore): KeyedOnlineStore {
  return {
    ...store,
    capabilities: { ...store.capabilities, synchronous: false },
    readNow: () => expect.fail("read without waiting"),
  };
}

const kinds: Record<string, OpenKind> = {
  resident: () => ({ online: openMemoryOnlineStore(), close: async () => {} }),
  "keyed, in memory": () => ({ online: openMemoryKeyedOnlineStore(), close: async () => {} }),
  "keyed, with waiting": () => ({ online: withoutNow(openMemoryKeyedOnlineStore()), close: async () => {} }),
  lmdb: (directory) => {
    const root = open({ path: `${directory}/online.lmdb` });
    return { online: openLmdbOnlineStore(root), close: () => root.close() };
  },
  sqlite: (directory) => {
    const connection = new DatabaseSync(`${directory}/online.db`);
    return { online: openSqliteOnlineStore(connection), close: async () => connection.close() };
  },
};

const at = (hour: number): Date => new Date(hour * HOUR);

for (const [kind, openKind] of Object.entries(kinds)) {
  test(`FS-10: a service over three groups gives values, ages and statuses in its own order, one of them stale, in less than a millisecond (${kind})`, async () => {
    await using directory = await temporaryDirectory();
    const { online, close } = openKind(directory.path);
    const clock = createManualClock(12 * HOUR);
    const store = await openFeatureStore({ history: directory.path, services: [service], online, clock });
    await store.push(profile, [
      { user: "ann", at: at(9), plan: "free", credit: 5n },
      { user: "bob", at: at(11.5), plan: "paid", credit: null },
      { user: "dan", at: at(1), plan: "gone", credit: 1n },
    ]);
    await store.push(visits, [
      { user: "ann", at: at(10), pages: 3 },
      { user: "ann", at: at(11), pages: 4 },
      { user: "ann", at: at(8), pages: 100 },
      { user: "bob", at: at(2), pages: 7 },
    ]);
    await store.push(stock, [{ country: "cz", shop: 7, at: at(11), items: 1.5, isOpen: true }]);
    const entities: Batch = batchOf({
      user: column("utf8", ["eve", "ann", "bob", "dan", null, "ann"]),
      country: column("utf8", ["cz", "cz", "de", "cz", "cz", null]),
      shop: column("int32", [7, 7, 7, 8, 7, 7]),
    });
    const { features, views } = await store.read("rank", { entities });
    expect(Object.keys(features.columns)).toEqual(service.featureNames);
    expect(columnsOf(features)).toEqual({
      stock__items: [1.5, 1.5, -1, -1, 1.5, -1],
      stock__isOpen: [true, true, null, null, true, null],
      profile__plan: [null, "free", "paid", null, null, "free"],
      profile__credit: [null, 5n, null, null, null, 5n],
      visits__visits_3h: [null, 2, 0, null, null, 2],
      visits__pages_3h: [null, 7, 0, null, null, 7],
    });
    expect(views).toEqual({
      stock: {
        status: ["present", "present", "defaulted", "defaulted", "present", "defaulted"],
        ageMs: Float64Array.of(HOUR, HOUR, NaN, NaN, HOUR, NaN),
      },
      profile: {
        status: ["missing", "stale", "present", "expired", "missing", "stale"],
        ageMs: Float64Array.of(NaN, 3 * HOUR, HOUR / 2, 11 * HOUR, NaN, 3 * HOUR),
      },
      visits: {
        status: ["missing", "present", "present", "missing", "missing", "present"],
        ageMs: Float64Array.of(NaN, HOUR, 10 * HOUR, NaN, NaN, HOUR),
      },
    });
    const one = batchOf({ user: ["ann"], country: ["cz"], shop: column("int32", [7]) });
    // Processor time, which does not depend on what else the machine does: some twenty times less than a millisecond.
    for (let round = 0; round < 500; round++) await store.read("rank", { entities: one });
    const before = process.cpuUsage();
    for (let round = 0; round < 500; round++) await store.read("rank", { entities: one });
    const { user: userUs, system } = process.cpuUsage(before);
    expect((userUs + system) / 500).toBeLessThan(1000);
    await store[Symbol.asyncDispose]();
    await close();
  });
}
