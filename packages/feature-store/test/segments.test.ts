import { readdir } from "node:fs/promises";
import { batchOf, collect, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineOnDemandFeatures,
  openFeatureStore,
} from "../src/index.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const viewOf = (name: string) =>
  defineFeatureView({ name, entity: user, eventTime: "at", features: { score: "float64" } });
const [left, right] = [viewOf("left"), viewOf("right")];
const both = defineFeatureService({ name: "both", views: [left, right] });

const at = (...minutes: readonly number[]) =>
  column(
    "timestamp",
    minutes.map((minute) => new Date(minute * 60_000)),
  );

/** One row each for so many users, at minute 1. */
const rowsOf = (users: number, score = 1) =>
  batchOf({
    user: column(
      "utf8",
      Array.from({ length: users }, (_, index) => `user ${index}`),
    ),
    at: at(...Array<number>(users).fill(1)),
    score: column("float64", Array<number>(users).fill(score)),
  });

const labelsAt = (minute: number) => ({
  labels: batchOf({ user: column("utf8", ["user 0"]), time: at(minute) }),
  labelTime: "time",
});

test("the first call of a view reads its files; from the second on its rows are in memory, and new batches are seen", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const queries: string[] = [];
  const watched = {
    ...duckdb,
    query: (...given: Parameters<typeof duckdb.query>) => (queries.push(given[0]), duckdb.query(...given)),
  };
  const readsFiles = (): boolean => queries.splice(0).some((sql) => sql.includes("read_parquet"));
  await using store = await openFeatureStore({ history: directory.path, services: [both], duckdb: watched });
  for (const view of [left, right]) await store.ingest(view, batches(rowsOf(100)));
  const score = async (minute: number): Promise<unknown> =>
    (await columnsOfDataset(await store.history("both", { ...labelsAt(minute), inMemory: true })))["left__score"];
  expect(await score(2)).toEqual([1]);
  readsFiles();
  expect(await score(2)).toEqual([1]);
  expect(readsFiles()).toBe(true);
  expect(await score(2)).toEqual([1]);
  expect(await score(0)).toEqual([null]);
  expect(readsFiles()).toBe(false);
  await store.ingest(left, batches(rowsOf(1, 2)));
  expect(await score(2)).toEqual([2]);
  // Only what was added is read.
  expect(queries.filter((sql) => sql.includes("read_parquet")).every((sql) => sql.includes("part-2-"))).toBe(true);
  expect(readsFiles()).toBe(true);
  for (let batch = 3; batch < 12; batch++) {
    await store.ingest(left, batches(rowsOf(1, batch)));
    expect(await score(2)).toEqual([batch]);
  }
  // Other files with the same rows are no reason to read them.
  expect(await store.compact(left, { graceMs: 0 })).toMatchObject({ mergedFiles: 11 });
  queries.splice(0);
  expect(await score(2)).toEqual([11]);
  expect(readsFiles()).toBe(false);
});

test("rows in memory stay below the limit: what was not asked for the longest goes, what does not fit is read from files", async () => {
  await using directory = await temporaryDirectory();
  const wide = { history: directory.path, services: [both] };
  await using store = await openFeatureStore(wide);
  for (const view of [left, right]) await store.ingest(view, batches(rowsOf(1000)));
  const [{ sizeBytes } = { sizeBytes: 0 }] = await store.warm("both");
  expect(sizeBytes).toBeGreaterThan(1000 * 24);
  await using narrow = await openFeatureStore({ ...wide, segmentMemoryBytes: sizeBytes * 1.5, force: true });
  expect(await narrow.warm("both")).toEqual([
    { view: "left", isLoaded: true, rows: 1000, sizeBytes },
    { view: "right", isLoaded: true, rows: 1000, sizeBytes },
  ]);
  await using none = await openFeatureStore({ ...wide, segmentMemoryBytes: 1000, force: true });
  expect(await none.warm("both")).toMatchObject([
    { isLoaded: false, rows: 0 },
    { isLoaded: false, rows: 0 },
  ]);
  for (const each of [store, narrow, none]) {
    const made = await each.history("both", { ...labelsAt(2), engine: "segments", inMemory: true });
    expect(await columnsOfDataset(made)).toMatchObject({ left__score: [1], right__score: [1] });
  }
  await expect(openFeatureStore({ ...wide, segmentMemoryBytes: -1 })).rejects.toThrow(RangeError);
});

test("a training set in memory has the rows of the one in a file, writes none, and says how it can be made again", async () => {
  await using directory = await temporaryDirectory();
  const hour = defineOnDemandFeatures({
    name: "hour",
    inputs: { amount: "float64" },
    features: { twice: "float64" },
    compute: ({ amount }) => ({ twice: amount === null ? null : amount * 2 }),
  });
  const counted = defineFeatureView({
    name: "counted",
    entity: user,
    eventTime: "at",
    inputs: { score: "float64" },
    aggregates: { n: count(3_600_000) },
  });
  const service = defineFeatureService({ name: "mixed", views: [counted, left], onDemand: [hour] });
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  for (const view of [left, counted]) await store.ingest(view, batches(rowsOf(3)));
  const labels = batchOf({
    user: column("dictionary", ["user 0", null, "user 2", "user 9"]),
    time: at(2, 2, 3, 4),
    amount: column("float64", [1, 2, null, 4]),
  });
  await store.warm("mixed");
  const held = await store.history("mixed", { labels, labelTime: "time", inMemory: true });
  expect(await columnsOfDataset(held)).toMatchObject({
    user: ["user 0", null, "user 2", "user 9"],
    counted__n: [1, null, 1, null],
    left__score: [1, null, 1, null],
    twice: [2, 4, null, 8],
  });
  await expect(held.ref()).rejects.toMatchObject({ code: "PORT_UNSUPPORTED" });
  expect(await readdir(directory.path)).not.toContain("_datasets");
  const file = await store.history("mixed", { labels, labelTime: "time" });
  expect(held.schema.map(({ name, type }) => [name, type])).toEqual(file.schema.map(({ name, type }) => [name, type]));
  expect(await held.digest()).toBe(await file.digest());
  const again = await store.replay(await held.pin());
  expect(await again.digest()).toBe(await file.digest());
  const nothing = await store.history("mixed", {
    labels: batchOf({ user: column("utf8", []), time: at(), amount: column("float64", []) }),
    labelTime: "time",
    inMemory: true,
  });
  expect((await collect(nothing)).length).toBe(0);
  expect(nothing.schema.map(({ name }) => name)).toEqual(held.schema.map(({ name }) => name));
});

test("an engine that is none and a path for what stays in memory are refused; a signal ends the loading", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services: [both] });
  await store.ingest(left, batches(rowsOf(3)));
  await expect(store.history("both", { ...labelsAt(2), engine: "fast" as never })).rejects.toThrow('not "fast"');
  await expect(store.history("both", { ...labelsAt(2), inMemory: true, path: "x.parquet" })).rejects.toThrow(
    '"x.parquet"',
  );
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(store.warm("both", { signal })).rejects.toThrow("enough");
  await expect(store.warm("none")).rejects.toMatchObject({ code: "PORT_FEATURE_SERVICE_UNKNOWN" });
});
