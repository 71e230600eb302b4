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
    const root = open({ path: `${directory}/online.lmdb`, overlappingSync: false });
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

const measures = defineFeatureView({
  name: "measures",
  entity: user,
  eventTime: "at",
  features: { small: "int8", credit: "int64", seenAt: "timestamp", score: "float32", ratio: "float64", isNew: "bool" },
  defaults: { score: 0.5 },
  freshness: { maxAgeMs: 4 * HOUR, onStale: "serve" },
});
const numbers = defineFeatureService({ name: "numbers", views: [stock, visits, measures] });

for (const [kind, openKind] of Object.entries(kinds)) {
  if (kind === "keyed, with waiting") continue;
  test(`a vector reader gives the numbers and statuses that read gives (${kind})`, async () => {
    await using directory = await temporaryDirectory();
    const { online, close } = openKind(directory.path);
    const clock = createManualClock(12 * HOUR);
    const services = [numbers, service];
    const store = await openFeatureStore({ history: directory.path, services, online, clock });
    const measure = { at: at(11), small: -5, credit: 2n ** 40n, seenAt: at(3), score: 0.25, ratio: 0.1, isNew: true };
    await store.push(measures, [
      { user: "ann", ...measure },
      { user: "bob", ...measure, at: at(7), credit: null, ratio: null, isNew: false },
    ]);
    await store.push(visits, [{ user: "ann", at: at(10), pages: 3 }]);
    await store.push(stock, [{ country: "cz", shop: 7, at: at(11), items: 1.5, isOpen: true }]);
    const reader = store.vectorReader("numbers");
    expect(reader.featureNames).toEqual(numbers.featureNames);
    const target = new Float64Array(12).fill(7);
    for (const timeMs of [undefined, 10.5 * HOUR]) {
      for (const keys of [
        { user: "ann", country: "cz", shop: 7 },
        { user: "bob", country: "cz", shop: 8n },
        { user: "eve", country: "de", shop: 7 },
      ]) {
        const status = reader.readNow(keys, target, { offset: 1, timeMs });
        const entities = batchOf({
          user: [keys.user],
          country: [keys.country],
          shop: column("int32", [Number(keys.shop)]),
        });
        const { features, views } = await store.read("numbers", { entities, timeMs });
        const vector = Object.values(columnsOf(features)).map(([value]) => (value === null ? NaN : Number(value)));
        expect([...target]).toEqual([7, ...vector, 7]);
        expect(status).toEqual(numbers.views.map(({ name }) => views[name]!.status[0]));
      }
    }
    const read = (keys: Parameters<typeof reader.readNow>[0]) => () => reader.readNow(keys, target);
    expect(read({ user: "ann", country: "cz" })).toThrow(
      expect.objectContaining({ code: "FEATURE_STORE_COLUMN_MISSING" }),
    );
    for (const wrong of [{ user: 1 }, { user: null }, { shop: "7" }, { shop: 1.5 }]) {
      const failure = expect.objectContaining({ code: "FEATURE_STORE_COLUMN_TYPE" });
      expect(read({ user: "ann", country: "cz", shop: 7, ...wrong })).toThrow(failure);
    }
    const keys = { user: "ann", country: "cz", shop: 7 };
    expect(() => reader.readNow(keys, target, { offset: 3 })).toThrow(
      "10 numbers from 3 on do not fit into a target of 12.",
    );
    expect(() => store.vectorReader("rank")).toThrow(expect.objectContaining({ code: "PORT_UNSUPPORTED" }));
    await store[Symbol.asyncDispose]();
    expect(read(keys)).toThrow(expect.objectContaining({ code: "PORT_CLOSED" }));
    await close();
  });
}

test("a vector reader over a store on another machine is refused", async () => {
  await using directory = await temporaryDirectory();
  const online = withoutNow(openMemoryKeyedOnlineStore());
  await using store = await openFeatureStore({ history: directory.path, services: [numbers], online });
  expect(() => store.vectorReader(numbers)).toThrow(expect.objectContaining({ code: "PORT_UNSUPPORTED" }));
});
