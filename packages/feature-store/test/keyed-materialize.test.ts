import { createManualClock, createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  type KeyedOnlineStore,
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { batches, columnsOf, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 100 * DAY;
const user = defineEntity({ name: "user", keys: { user: "int32" } });
const newest = defineFeatureView({ name: "newest", entity: user, eventTime: "at", features: { value: "int32" } });
const totals = defineFeatureView({
  name: "totals",
  entity: user,
  eventTime: "at",
  inputs: { value: "int32" },
  aggregates: { rows: count(days(7)), total: sum("value", days(7)) },
});
const services = [defineFeatureService({ name: "all", views: [newest, totals] })];
const views = [newest, totals];
const USERS = Array.from({ length: 40 }, (_, key) => key);

async function answers(store: FeatureStore): Promise<Record<string, unknown[]>> {
  const { features } = await store.read("all", {
    entities: batchOf({ user: column("int32", USERS) }),
    timeMs: NOW,
  });
  return columnsOf(features);
}

/** Ingests batches of rows of the last days, in no order of time. */
async function fill(store: FeatureStore, names: readonly string[], rows: number): Promise<void> {
  for (const name of names) {
    const random = createRandom(name.length * 1000 + name.charCodeAt(name.length - 1));
    const batch = batchOf({
      user: column(
        "int32",
        Array.from({ length: rows }, () => Math.floor(random.next() * USERS.length)),
      ),
      at: column(
        "timestamp",
        Array.from({ length: rows }, () => new Date(NOW - Math.floor(random.next() * 6 * DAY))),
      ),
      value: column(
        "int32",
        Array.from({ length: rows }, () => Math.floor(random.next() * 1000)),
      ),
    });
    for (const view of views) await store.ingest(view, batches(batch), { batchId: name });
  }
}

/** A store that fails in the middle of its writes: some of the entries are changed, others are not. */
function failingAfter(store: KeyedOnlineStore, updates: number): KeyedOnlineStore {
  let left = updates;
  return {
    capabilities: store.capabilities,
    read: (...given) => store.read(...given),
    readNow: (...given) => store.readNow(...given),
    scan: (...given) => store.scan(...given),
    async update(group, keys, change, options) {
      if (left-- > 0) return await store.update(group, keys, change, options);
      await store.update(group, keys.slice(0, keys.length >> 1), change, options);
      throw new Error("the power went");
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

test("FS-24: a keyed store gets each batch once, wherever a run before it broke off, and what is resident answers the same", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const clock = createManualClock(NOW);
  const parts = { history: directory.path, services, duckdb, clock };
  await using resident = openMemoryOnlineStore();
  await using whole = await openFeatureStore({ ...parts, online: resident });
  await fill(whole, ["a", "b", "c"], 5_000);
  for (const view of views) expect(await whole.materialize(view)).toMatchObject({ batches: 3 });
  await using keyed = openMemoryKeyedOnlineStore();
  let failures = 0;
  for (let updates = 0; updates < 8; updates++) {
    for (const view of views) {
      // Every process opens the store anew: it knows nothing but what stands there.
      await using store = await openFeatureStore({ ...parts, online: failingAfter(keyed, updates % 4) });
      await store.materialize(view).catch(() => failures++);
    }
  }
  expect(failures).toBeGreaterThan(4);
  await using store = await openFeatureStore({ ...parts, online: keyed });
  for (const view of views) await store.materialize(view);
  const wanted = await answers(whole);
  expect(await answers(store)).toEqual(wanted);
  for (const view of views) expect(await store.materialize(view)).toMatchObject({ rows: 0, batches: 0 });
  // Later batches, of which some are merged before they come online.
  await fill(whole, ["late", "later"], 300);
  await store.compact(undefined, { graceMs: 0 });
  for (const view of views) {
    expect(await store.materialize(view)).toMatchObject({ batches: 2 });
    await whole.materialize(view);
  }
  expect(await answers(store)).toEqual(await answers(whole));
  expect((await answers(store))["totals__rows"]!.reduce((all: number, each) => all + Number(each), 0)).toBe(15_600);
});

test("processes that bring the same batches into a keyed store at once add each row once between them", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  await using keyed = openMemoryKeyedOnlineStore();
  const parts = { history: directory.path, services, duckdb, clock: createManualClock(NOW) };
  await using first = await openFeatureStore({ ...parts, online: keyed });
  await using second = await openFeatureStore({ ...parts, online: keyed });
  await fill(first, ["a", "b"], 5_000);
  await Promise.all([first, second].flatMap((store) => views.map((view) => store.materialize(view))));
  await using resident = openMemoryOnlineStore();
  await using alone = await openFeatureStore({ ...parts, online: resident });
  for (const view of views) await alone.materialize(view);
  expect(await answers(first)).toEqual(await answers(alone));
  for (const view of views) expect(await second.materialize(view)).toMatchObject({ rows: 0, batches: 0 });
});

test("what was put into a keyed store is online already, across restarts and while it is loaded anew", async () => {
  await using directory = await temporaryDirectory();
  await using keyed = openMemoryKeyedOnlineStore();
  const parts = { history: directory.path, services, clock: createManualClock(NOW) };
  const row = (number: number) => ({ user: 1, at: new Date(NOW - HOUR - number), value: 1 });
  {
    await using store = await openFeatureStore({ ...parts, online: keyed });
    await store.put(totals, [row(0), row(1)]);
    await store.put(totals, [row(2)], { to: "history" });
    expect((await answers(store))["totals__rows"]![1]).toBe(2);
    expect(await store.materialize(totals)).toMatchObject({ rows: 1, batches: 1 });
    expect((await answers(store))["totals__rows"]![1]).toBe(3);
    await store.put(totals, [row(3)]);
  }
  await using store = await openFeatureStore({ ...parts, online: keyed });
  expect(await store.materialize(totals)).toMatchObject({ rows: 0, batches: 0 });
  expect((await answers(store))["totals__rows"]![1]).toBe(4);
  let done = 4;
  const putting = (async () => {
    for (; done < 40; done++) await store.put(totals, [row(done)]);
  })();
  for (let round = 0; done < 40; round++) await store.materialize(totals, round % 2 === 0 ? { upToMs: NOW } : {});
  await putting;
  expect((await answers(store))["totals__rows"]![1]).toBe(40);
  await store.materialize(totals);
  expect((await answers(store))["totals__total"]![1]).toBe(40);
  expect(await store.materialize(totals, { upToMs: NOW })).toMatchObject({ rows: 40, keptRows: 0 });
  expect((await answers(store))["totals__total"]![1]).toBe(40);
});
