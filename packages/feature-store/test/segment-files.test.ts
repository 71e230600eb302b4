import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { type DuckDb, openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStoreOptions,
  openFeatureStore,
} from "../src/index.ts";
import { ascending, runsOf } from "../src/segments/row-order.ts";
import { begin } from "./kill.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const key = defineEntity({ name: "key", keys: { key: "int32" } });
const numbers = defineFeatureView({ name: "numbers", entity: key, eventTime: "at", features: { value: "float64" } });
const services = [defineFeatureService({ name: "all", views: [numbers] })];

const at = (minutes: readonly number[]) =>
  column(
    "timestamp",
    minutes.map((minute) => new Date(minute * 60_000)),
  );
const rowsOf = (keys: readonly number[], minute: number, value: number) =>
  batchOf({
    key: column("int32", [...keys]),
    at: at(keys.map(() => minute)),
    value: column(
      "float64",
      keys.map((each) => value + each),
    ),
  });
const labels = batchOf({ key: column("int32", [0, 1, 2, 9]), time: at([5, 5, 0, 5]) });

/** A store, and whether it has read Parquet since it was asked last. */
async function openWatched(duckdb: DuckDb, options: Omit<FeatureStoreOptions, "services" | "duckdb">) {
  const reads: string[] = [];
  const see =
    <Given extends readonly unknown[], Result>(call: (...given: Given) => Result) =>
    (...given: Given): Result => {
      if (String(given[0]).includes("read_parquet")) reads.push(String(given[0]));
      return call(...given);
    };
  const watched = { ...duckdb, query: see(duckdb.query), execute: see(duckdb.execute) };
  const store = await openFeatureStore({ ...options, services, duckdb: watched });
  const values = async (): Promise<unknown> => {
    const made = await store.history("all", { labels, labelTime: "time", inMemory: true });
    return (await columnsOfDataset(made))["numbers__value"];
  };
  return { store, values, read: () => reads.splice(0), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

const folderOf = (history: string): string => join(history, "numbers", "_segments");
const segmentsIn = async (history: string): Promise<string[]> =>
  (await readdir(folderOf(history)).catch(() => [])).filter((name) => name !== "asked");

test("the first call of a process reads the segment file that an earlier one left, and of Parquet only what came since", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const options = { history: directory.path };
  {
    await using first = await openWatched(duckdb, options);
    await first.store.ingest(numbers, batches(rowsOf([0, 1, 2, 3, 4, 5, 6, 7], 1, 10)));
    expect(await first.values()).toEqual([10, 11, null, null]);
    expect(await segmentsIn(directory.path)).toEqual([]);
    // Who asks twice will ask again.
    await first.values();
    expect(await segmentsIn(directory.path)).toHaveLength(1);
  }
  await using second = await openWatched(duckdb, options);
  expect(await second.values()).toEqual([10, 11, null, null]);
  expect(await second.values()).toEqual([10, 11, null, null]);
  expect(second.read()).toEqual([]);
  await second.store.ingest(numbers, batches(rowsOf([1], 2, 20)));
  second.read();
  await using third = await openWatched(duckdb, options);
  for (const store of [second, third]) {
    expect(await store.values()).toEqual([10, 21, null, null]);
    const read = store.read();
    expect(read.length).toBeGreaterThan(0);
    expect(read.every((sql) => sql.includes("part-2-") && !sql.includes("part-1-"))).toBe(true);
  }
});

test("rows that two processes asked for once each are kept in a file by the second", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const options = { history: directory.path };
  const kept: number[] = [];
  for (let round = 0; round < 3; round++) {
    await using each = await openWatched(duckdb, options);
    if (round === 0) await each.store.ingest(numbers, batches(rowsOf([0, 1, 2], 1, 10)));
    each.read();
    expect(await each.values()).toEqual([10, 11, null, null]);
    kept.push((await segmentsIn(directory.path)).length);
    expect(each.read().length > 0).toBe(round < 2);
  }
  expect(kept).toEqual([0, 1, 1]);
});

test("compact leaves a segment file of its own history, and without `segmentFiles` none is left or read", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const history = directory.path;
  await using plain = await openWatched(duckdb, { history, segmentFiles: false });
  for (const minute of [1, 2]) await plain.store.ingest(numbers, batches(rowsOf([0, 1], minute, minute)));
  await plain.store.warm("all");
  await plain.store.compact();
  expect(await segmentsIn(history)).toEqual([]);
  await using keeping = await openWatched(duckdb, { history });
  expect(await keeping.store.compact()).toMatchObject({ mergedFiles: 0 });
  const [left] = await segmentsIn(history);
  keeping.read();
  expect(await keeping.values()).toEqual([2, 3, null, null]);
  expect(keeping.read()).toEqual([]);
  // One that is whole and current is left as it is; after rows were merged it is another one.
  await keeping.store.compact();
  expect(await segmentsIn(history)).toEqual([left]);
  await keeping.store.ingest(numbers, batches(rowsOf([0], 3, 3)));
  expect(await keeping.store.compact()).toMatchObject({ mergedFiles: 2 });
  expect(await segmentsIn(history)).toHaveLength(1);
  expect(await segmentsIn(history)).not.toEqual([left]);
  await using fresh = await openWatched(duckdb, { history });
  expect(await fresh.values()).toEqual([3, 3, null, null]);
  expect(fresh.read()).toEqual([]);
  await using without = await openWatched(duckdb, { history, segmentFiles: false });
  expect(await without.values()).toEqual([3, 3, null, null]);
  expect(without.read()).not.toEqual([]);
});

test("a segment file that was cut or is none is not read, one that goes away while it is known is made again, and where none can be written nothing fails", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const history = directory.path;
  {
    await using store = await openWatched(duckdb, { history });
    await store.store.ingest(numbers, batches(rowsOf([0, 1, 2], 1, 10)));
    await store.store.warm("all");
  }
  const [name = ""] = await segmentsIn(history);
  const path = join(folderOf(history), name);
  const whole = await readFile(path);
  const expected = [10, 11, null, null];
  for (const damage of [
    () => truncate(path, whole.length - 1),
    () => truncate(path, 10),
    () => writeFile(path, Buffer.concat([Buffer.from("MWSEGMT2"), whole.subarray(8)])),
    () => writeFile(path, Buffer.alloc(whole.length, 255)),
    () => rm(path),
  ]) {
    await rm(folderOf(history), { recursive: true });
    await mkdir(folderOf(history));
    await writeFile(path, whole);
    await using store = await openWatched(duckdb, { history });
    await damage();
    expect(await store.values()).toEqual(expected);
    expect(store.read()).not.toEqual([]);
  }
  await rm(folderOf(history), { recursive: true });
  await mkdir(folderOf(history));
  await writeFile(path, whole);
  await using known = await openWatched(duckdb, { history });
  expect(await known.values()).toEqual(expected);
  expect(known.read()).toEqual([]);
  await rm(path);
  expect(await known.values()).toEqual(expected);
  expect(await segmentsIn(history)).toHaveLength(1);
  await rm(folderOf(history), { recursive: true });
  await writeFile(folderOf(history), "no folder");
  await using blocked = await openWatched(duckdb, { history });
  expect(await blocked.store.warm("all")).toMatchObject([{ isLoaded: true, rows: 3 }]);
  expect(await blocked.values()).toEqual(expected);
});

test("a segment file from before an entity was forgotten is never read again, and goes with the next call", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const history = directory.path;
  const copies = join(directory.path, "copies");
  await using store = await openWatched(duckdb, { history });
  await store.store.ingest(numbers, batches(rowsOf([0, 1], 1, 10)));
  await store.store.warm("all");
  await cp(folderOf(history), copies, { recursive: true });
  const { places } = await store.store.forget("key", { key: 1 });
  expect(places.filter(({ what }) => what === "segment")).toHaveLength(1);
  expect(await segmentsIn(history)).toEqual([]);
  // As if a process that read the rows before had written them after.
  await mkdir(folderOf(history), { recursive: true });
  await cp(copies, folderOf(history), { recursive: true });
  await using fresh = await openWatched(duckdb, { history });
  expect(await fresh.values()).toEqual([10, null, null, null]);
  const again = await fresh.store.forget("key", { key: 1 });
  expect(again.places.map(({ what }) => what)).toEqual(["segment"]);
  expect(await segmentsIn(history)).toEqual([]);
  await fresh.store.warm("all");
  expect((await fresh.store.forget("key", { key: 1 })).places).toEqual([]);
  expect(await segmentsIn(history)).toHaveLength(1);
});

test("rows far apart, entities with more rows than are read at once, nulls and texts: a file gives the rows of the as-of join", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const features = { value: "float64", small: "int8", truth: "bool", text: "utf8" } as const;
  const wide = defineFeatureView({ name: "wide", entity: key, eventTime: "at", features, ttlMs: 3_600_000 * 24 * 3 });
  const options = { history: directory.path, services: [defineFeatureService({ name: "all", views: [wide] })], duckdb };
  // Two entities have two thirds of the rows.
  const rows =
    await duckdb.asDataset(`SELECT CAST(CASE WHEN i % 3 = 0 THEN hash(i) % 20000 ELSE 20000 + i % 2 END AS INTEGER) AS "key",
    make_timestamp(1704067200000000 + CAST(hash(i, 1) % 777600000000 AS BIGINT)) AS "at",
    CASE WHEN i % 7 = 0 THEN NULL ELSE i / 7.0::DOUBLE END AS "value", CAST(i % 100 AS TINYINT) AS "small",
    CASE WHEN i % 5 = 0 THEN NULL ELSE i % 2 = 0 END AS "truth", CASE WHEN i % 11 = 0 THEN NULL ELSE repeat('é', i % 4) || i END AS "text"
    FROM range(900000) AS r(i)`);
  {
    await using store = await openFeatureStore(options);
    await store.ingest(wide, rows);
    await store.warm("all");
  }
  const labelsOf = (count: number) =>
    duckdb.asDataset(`SELECT CAST(CASE WHEN i % 4 = 0 THEN 20000 + i % 2 ELSE hash(i, 2) % 20010 END AS INTEGER) AS "key",
      make_timestamp(1704067200000000 + CAST(hash(i, 3) % 900000000000 AS BIGINT)) AS "time" FROM range(${count}) AS r(i) ORDER BY i`);
  for (const count of [3, 300, 30_000]) {
    await using store = await openFeatureStore(options);
    const given = { labels: await labelsOf(count), labelTime: "time", inMemory: true } as const;
    const [first, repeated] = [await store.history("all", given), await store.history("all", given)];
    const asof = await store.history("all", { ...given, engine: "asof" });
    expect(await first.digest(), `${count} labels`).toBe(await asof.digest());
    expect(await repeated.digest(), `${count} labels`).toBe(await asof.digest());
    const { wide__small: found = [] } = await columnsOfDataset(first);
    expect(found.filter((value) => value !== null).length).toBeGreaterThan(count / 4);
  }
}, 600_000);

test("wanted rows are put in order and covered by runs of whole blocks, each in one", () => {
  const random = createRandom(5);
  for (const [count, most] of [
    [0, 10],
    [1, 1],
    [500, 3],
    [5000, 3_000_000],
    [20_000, 2 ** 31 - 2],
  ] as const) {
    const keys = Int32Array.from(
      { length: count },
      () => random.integer(most + 1) - (random.integer(5) === 0 ? most + 1 : 0),
    );
    const order = ascending(keys, most);
    const expected = [...keys.keys()].filter((place) => keys[place]! >= 0).sort((a, b) => keys[a]! - keys[b]! || a - b);
    expect([...order]).toEqual(expected);
    const starts = Int32Array.from(order, (place) => keys[place]!);
    const ends = starts.map((start) => Math.min(start + 1 + random.integer(400_000), 2 ** 31 - 1));
    // Entities' rows end in the order in which they start.
    for (let index = 1; index < ends.length; index++) ends[index] = Math.max(ends[index]!, ends[index - 1]!);
    let covered = 0;
    for (const { first, end, from, to } of runsOf(starts, ends, 2 ** 31 - 1)) {
      expect(from).toBe(covered);
      covered = to;
      expect(first % 8).toBe(0);
      for (let index = from; index < to; index++) {
        if (starts[index]! < first || ends[index]! > end) throw new Error(`Row ${starts[index]} is not in its run.`);
      }
    }
    expect(covered).toBe(starts.length);
  }
});

test("processes killed while they write segment files: what is left gives the rows of the as-of join", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const history = directory.path;
  const rows =
    await duckdb.asDataset(`SELECT CAST(i % 5000 AS INTEGER) AS "key", make_timestamp(i * 1000000) AS "at", i / 7.0::DOUBLE AS "value"
    FROM range(200000) AS r(i)`);
  {
    await using store = await openFeatureStore({ history, services, duckdb, segmentFiles: false });
    await store.ingest(numbers, rows);
  }
  const random = createRandom(3);
  for (let round = 0; round < 8; round++) {
    await (await begin("warm-for-ever.mjs", [history])).killAfter(random.next() * 900);
    await using store = await openFeatureStore({ history, services, duckdb });
    const given = { labels, labelTime: "time", inMemory: true } as const;
    const asof = await store.history("all", { ...given, engine: "asof" });
    expect(await (await store.history("all", given)).digest()).toBe(await asof.digest());
  }
  await using store = await openFeatureStore({ history, services, duckdb });
  await store.warm("all");
  expect((await segmentsIn(history)).filter((name) => name.endsWith(".segment"))).toHaveLength(1);
}, 600_000);
