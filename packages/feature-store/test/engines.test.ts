import { join } from "node:path";
import { createManualClock, createRandom, type Batch, type ColumnType, type Random } from "@millwright/contracts";
import { batchOf, column, type ValueInput } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  type FeatureView,
  type HistoryEngine,
  type KeyType,
  openFeatureStore,
} from "../src/index.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const START_US = Date.UTC(2024, 0, 30) * 1000;

const KEY_TYPES = ["utf8", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"] as const;

/** One feature of every type there is. */
const FEATURES = {
  truth: "bool",
  text: "utf8",
  tiny: "int8",
  small: "int16",
  whole: "int32",
  wide: "int64",
  natural: "uint8",
  unsigned: "uint32",
  huge: "uint64",
  single: "float32",
  double: "float64",
  day: "date",
  instant: "timestamp",
} as const;

const keyOf = (type: KeyType, number: number): ValueInput =>
  type === "utf8" ? `key ${number}` : type === "int64" ? BigInt(number) * 5_000_000_000n : number;

function valueOf(type: ColumnType, random: Random): ValueInput {
  if (random.integer(6) === 0) return null;
  const number = random.integer(100);
  if (type === "bool") return number < 50;
  if (type === "utf8") return "é".repeat(number % 7) + number;
  if (type === "int64" || type === "timestamp") return -(2n ** 55n) + BigInt(number);
  if (type === "uint64") return 2n ** 63n + BigInt(number);
  if (type === "float32" || type === "float64") return number === 0 ? Number.NaN : number === 1 ? -0 : number / 4;
  return number;
}

interface Shape {
  readonly keys: Readonly<Record<string, KeyType>>;
  readonly features: Readonly<Record<string, ColumnType>>;
  readonly hasCreated: boolean;
}

function randomRows({ keys, features, hasCreated }: Shape, random: Random, length: number): Batch {
  const times = Array.from({ length }, () => BigInt(START_US) + BigInt(random.integer(40) * HOUR * 1000));
  const created = times.map((time) => (random.integer(4) === 0 ? null : time + BigInt(random.integer(2) * HOUR)));
  const all = (type: ColumnType, value: () => ValueInput) => column(type, Array.from({ length }, value));
  return batchOf({
    ...Object.fromEntries(
      Object.entries(keys).map(([name, type]) => [name, all(type, () => keyOf(type, random.integer(5)))]),
    ),
    at: column("timestamp", times),
    ...(hasCreated ? { seen: column("timestamp", created) } : {}),
    ...Object.fromEntries(
      Object.entries(features).map(([name, type]) => [name, all(type, () => valueOf(type, random))]),
    ),
  });
}

function randomLabels({ keys }: Shape, random: Random, length: number): Batch {
  const orNull = (value: () => ValueInput): ValueInput => (random.integer(20) === 0 ? null : value());
  return batchOf({
    number: column(
      "int32",
      Array.from({ length }, (_, row) => row),
    ),
    ...Object.fromEntries(
      Object.entries(keys).map(([name, type]) => [
        name,
        column(
          type,
          Array.from({ length }, () => orNull(() => keyOf(type, random.integer(6)))),
        ),
      ]),
    ),
    time: column(
      "timestamp",
      Array.from({ length }, () => orNull(() => infiniteOr(random))),
    ),
  });
}

/** Now and then a time that DuckDB calls infinite, else one within a day after the rows or before. */
function infiniteOr(random: Random): bigint {
  if (random.integer(20) === 0) return (random.integer(2) === 0 ? -1n : 1n) * (2n ** 63n - 1n);
  return BigInt(START_US) + BigInt((random.integer(50) - 2) * HOUR * 1000) - BigInt(random.integer(2));
}

test("all engines give the same rows: every type of key and feature, ties both ways, times to live, features added later", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  await using directory = await temporaryDirectory();
  for (let seed = 0; seed < 48; seed++) {
    const random = createRandom(seed);
    const first = KEY_TYPES[seed % KEY_TYPES.length]!;
    const keys = seed % 3 === 0 ? { a: first, b: KEY_TYPES[random.integer(8)]! } : { a: first };
    const { text: _, wide: __, ...features } = FEATURES;
    const shape = { keys, features, hasCreated: seed % 2 === 0 };
    const definition = {
      name: "view",
      entity: defineEntity({ name: "thing", keys }),
      eventTime: "at",
      ...(shape.hasCreated ? { createdTime: "seen" } : {}),
      ties: random.integer(2) === 0 ? ("first" as const) : ("last" as const),
      ...(seed % 4 === 0 ? { ttlMs: 3 * HOUR } : {}),
    };
    const history = join(directory.path, String(seed));
    const before = defineFeatureView({ ...definition, features });
    const open = async (view: FeatureView): Promise<FeatureStore> =>
      await openFeatureStore({ history, services: [defineFeatureService({ name: "all", views: [view] })], duckdb });
    {
      await using store = await open(before);
      for (let batch = 0; batch < 2; batch++) await store.ingest("view", batches(randomRows(shape, random, 60)));
    }
    const view = defineFeatureView({ ...definition, features: FEATURES });
    await using store = await open(view);
    expect(await store.warm("all")).toMatchObject([{ view: "view", isLoaded: true, rows: 120 }]);
    const grown = { ...shape, features: FEATURES };
    for (const rows of [25, 0, 30]) {
      await store.ingest(view, batches(randomRows(grown, random, rows)));
      if (rows > 25) await store.warm("all");
    }
    // With an aggregate there is one way only: the pass over sorted rows.
    const counted = defineFeatureView({ ...definition, features: FEATURES, aggregates: { n: count(HOUR) } });
    await using sorted = await openFeatureStore({
      history,
      services: [defineFeatureService({ name: "all", views: [counted] })],
      duckdb,
      force: true,
    });
    const labels = randomLabels(shape, random, seed % 2 === 0 ? 40 : 300);
    const made = async (from: FeatureStore, engine: HistoryEngine) => {
      const path = join(directory.path, `${seed}-${engine}.parquet`);
      return await from.history("all", { labels, labelTime: "time", engine, path });
    };
    const { view__n: ___, ...expected } = await columnsOfDataset(await made(sorted, "auto"));
    const [asof, segments] = [await made(store, "asof"), await made(store, "segments")];
    expect(await columnsOfDataset(asof), `seed ${seed}`).toEqual(expected);
    expect(segments.schema, `seed ${seed}`).toEqual(asof.schema);
    expect(await segments.digest(), `seed ${seed}`).toBe(await asof.digest());
    const held = await store.history("all", { labels, labelTime: "time", inMemory: true });
    expect(await held.digest(), `seed ${seed}`).toBe(await asof.digest());
    // The segment file, and beside it what came since.
    await using fresh = await open(view);
    const unheld = await fresh.history("all", { labels, labelTime: "time", inMemory: true });
    expect(await unheld.digest(), `seed ${seed}`).toBe(await asof.digest());
    expect(Object.values(expected).flat().length).toBeGreaterThan(0);
  }
}, 600_000);

test("all engines agree on deletes and on records with a time to live of their own", async () => {
  await using directory = await temporaryDirectory();
  const clock = createManualClock(START_US / 1000);
  const view = defineFeatureView({
    name: "view",
    entity: defineEntity({ name: "thing", keys: { a: "int32" } }),
    eventTime: "at",
    features: { whole: "int32" },
    ttlMs: 5 * HOUR,
  });
  const services = [defineFeatureService({ name: "all", views: [view] })];
  await using store = await openFeatureStore({ history: directory.path, services, clock });
  const random = createRandom(7);
  const shape: Shape = { keys: { a: "int32" }, features: { whole: "int32" }, hasCreated: false };
  await store.ingest(view, batches(randomRows(shape, random, 200)));
  await store.warm("all");
  const record = () => ({
    a: random.integer(5),
    at: new Date(START_US / 1000 + random.integer(40) * HOUR),
    whole: random.integer(100),
  });
  for (let index = 0; index < 30; index++) {
    await store.put(view, [record()], { ttlMs: (1 + random.integer(9)) * HOUR });
    const { a, at } = record();
    if (index % 3 === 0) await store.delete(view, { a }, { eventTimeMs: at.getTime() });
  }
  const labels = randomLabels(shape, random, 400);
  const digests = new Set<string>();
  for (const engine of ["asof", "segments"] as const) {
    const dataset = await store.history("all", { labels, labelTime: "time", engine, inMemory: true });
    digests.add(await dataset.digest());
    const { view__whole: values = [] } = await columnsOfDataset(dataset);
    expect(values.filter((value) => value !== null).length).toBeGreaterThan(50);
  }
  await store.compact();
  await using fresh = await openFeatureStore({ history: directory.path, services, clock });
  for (let call = 0; call < 2; call++) {
    digests.add(await (await fresh.history("all", { labels, labelTime: "time", inMemory: true })).digest());
  }
  expect(digests.size).toBe(1);
});
