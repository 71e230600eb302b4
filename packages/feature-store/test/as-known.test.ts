import { createManualClock, createRandom, type Batch, type Random } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const at = (hour: number | null): Date | null => (hour === null ? null : new Date(hour * HOUR));
const timesOf = (given: readonly (number | null)[]) => column("timestamp", given.map(at));

test("FS-14: a correction made later is seen by the default join, and not as known at the time", async () => {
  await using directory = await temporaryDirectory();
  const clock = createManualClock(10 * HOUR);
  const view = defineFeatureView({
    name: "prices",
    entity: user,
    eventTime: "at",
    createdTime: "booked",
    features: { price: "float64" },
  });
  const service = defineFeatureService({ name: "all", views: [view] });
  await using store = await openFeatureStore({ history: directory.path, services: [service], clock });
  const row = (price: number, booked: number): Batch =>
    batchOf({ user: ["ann"], at: timesOf([8]), booked: timesOf([booked]), price: [price] });
  await store.ingest(view, batches(row(100, 8)));
  await clock.advance(10 * HOUR);
  await store.ingest(view, batches(row(99, 19)));
  const labels = batchOf({ user: ["ann", "ann", "ann"], when: timesOf([9, 12, 21]) });
  const priceOf = async (asKnown?: "available" | "created") =>
    (await columnsOfDataset(await store.history("all", { labels, labelTime: "when", asKnown })))["prices__price"];
  expect(await priceOf()).toEqual([99, 99, 99]);
  expect(await priceOf("created")).toEqual([100, 100, 99]);
  // It was ingested only at 10 o'clock.
  expect(await priceOf("available")).toEqual([null, 100, 99]);
  const untold = defineFeatureView({ name: "prices", entity: user, eventTime: "at", features: { price: "float64" } });
  await using other = await openFeatureStore({
    history: `${directory.path}/other`,
    services: [defineFeatureService({ name: "all", views: [untold] })],
  });
  await expect(other.history("all", { labels, labelTime: "when", asKnown: "created" })).rejects.toMatchObject({
    code: "FEATURE_STORE_AS_KNOWN_UNSUPPORTED",
  });
});

interface Row {
  readonly user: string;
  readonly at: number;
  readonly booked: number | null;
  readonly value: number | null;
}

function randomRows(random: Random, length: number): Row[] {
  return Array.from({ length }, () => {
    const hour = random.integer(40);
    return {
      user: `u${random.integer(3)}`,
      at: hour,
      booked: random.integer(5) === 0 ? null : hour + random.integer(12),
      value: random.integer(6) === 0 ? null : random.integer(1000),
    };
  });
}

/** The definition, read out loud. */
function oracle(
  rows: readonly Row[],
  name: string,
  hour: number,
): { value: number | null; n: number | null; total: number | null } {
  const known = rows.filter((row) => row.user === name && row.at <= hour && (row.booked ?? row.at) <= hour);
  let newest: Row | undefined;
  for (const row of known) {
    const isLater = newest === undefined || row.at > newest.at;
    const isTied = newest !== undefined && row.at === newest.at;
    if (isLater || (isTied && (row.booked ?? -Infinity) >= (newest!.booked ?? -Infinity))) newest = row;
  }
  if (newest === undefined) return { value: null, n: null, total: null };
  const inWindow = known.filter((row) => row.at >= hour - 5 && row.at < hour);
  return {
    value: newest.value,
    n: inWindow.length,
    total: inWindow.reduce((total, { value }) => total + (value ?? 0), 0),
  };
}

test("FS-14: newest rows and windows as known, against an O(n²) oracle on random datasets", async () => {
  await using duckdb = await openDuckDb();
  await using directory = await temporaryDirectory();
  const view = defineFeatureView({
    name: "v",
    entity: user,
    eventTime: "at",
    createdTime: "booked",
    features: { value: "int32" },
    inputs: { value: "int32" },
    aggregates: { n: count(hours(5)), total: sum("value", hours(5)) },
  });
  const service = defineFeatureService({ name: "all", views: [view] });
  for (let seed = 0; seed < 25; seed++) {
    const random = createRandom(seed);
    await using store = await openFeatureStore({ history: `${directory.path}/${seed}`, services: [service], duckdb });
    const rows = randomRows(random, [0, 10, 80, 300][seed % 4]!);
    const given = batchOf({
      user: column(
        "utf8",
        rows.map((row) => row.user),
      ),
      at: timesOf(rows.map((row) => row.at)),
      booked: timesOf(rows.map((row) => row.booked)),
      value: column(
        "int32",
        rows.map((row) => row.value),
      ),
    });
    await store.ingest(view, batches(given));
    const asked = Array.from({ length: 100 }, () => ({ name: `u${random.integer(4)}`, hour: random.integer(55) }));
    const labels = batchOf({ user: asked.map(({ name }) => name), when: timesOf(asked.map(({ hour }) => hour)) });
    const found = await columnsOfDataset(await store.history("all", { labels, labelTime: "when", asKnown: "created" }));
    const expected = asked.map(({ name, hour }) => oracle(rows, name, hour));
    expect(found["v__value"], `seed ${seed}`).toEqual(expected.map(({ value }) => value));
    expect(found["v__n"], `seed ${seed}`).toEqual(expected.map(({ n }) => n));
    expect(found["v__total"], `seed ${seed}`).toEqual(expected.map(({ total }) => total));
  }
});

test("FS-8: a record that comes two hours late is loaded online, joins by its event time, and is left out as known", async () => {
  await using directory = await temporaryDirectory();
  const clock = createManualClock(12 * HOUR);
  const view = defineFeatureView({ name: "v", entity: user, eventTime: "at", features: { value: "int32" } });
  const service = defineFeatureService({ name: "all", views: [view] });
  await using store = await openFeatureStore({
    history: directory.path,
    services: [service],
    online: openMemoryOnlineStore(),
    clock,
  });
  const row = (hour: number, value: number): Batch =>
    batchOf({ user: ["ann"], at: timesOf([hour]), value: column("int32", [value]) });
  await store.ingest(view, batches(row(8, 1)));
  await store.materialize(view, { upToMs: clock.nowMs() });
  await clock.advance(HOUR);
  // What happened at 11 o'clock is heard of at 13.
  await store.ingest(view, batches(row(11, 2)));
  await store.materialize(view, { upToMs: clock.nowMs() });
  expect(await store.get(view, { user: "ann" })).toMatchObject({ values: { value: 2 }, eventTimeMs: 11 * HOUR });
  const labels = batchOf({ user: ["ann", "ann"], when: timesOf([12, 14]) });
  const valuesOf = async (asKnown?: "available") =>
    (await columnsOfDataset(await store.history("all", { labels, labelTime: "when", asKnown })))["v__value"];
  expect(await valuesOf()).toEqual([2, 2]);
  expect(await valuesOf("available")).toEqual([1, 2]);
  const rows = await columnsOfDataset(await store.scan(view));
  expect(rows["at"]).toEqual([8, 11].map((hour) => BigInt(hour * HOUR) * 1000n));
  expect(rows["write_time"]).toEqual([12, 13].map((hour) => BigInt(hour * HOUR) * 1000n));
});
