import { createRandom, type Batch, type Random } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { defineEntity, defineFeatureService, defineFeatureView, openFeatureStore } from "../src/index.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const HOUR_US = 3_600_000_000;
const START_US = Date.UTC(2024, 0, 30) * 1000;

interface Row {
  readonly a: string | null;
  readonly b: number | null;
  readonly timeUs: number | null;
  readonly createdUs: number | null;
  readonly price: number | null;
  readonly name: string | null;
  readonly gone: boolean | null;
}

interface Label {
  readonly a: string | null;
  readonly b: number | null;
  readonly timeUs: number | null;
}

/** Few distinct times and keys, so that ties, duplicates and exact boundaries are common. */
function randomRows(random: Random, count: number): Row[] {
  const rows: Row[] = [];
  for (let index = 0; index < count; index++) {
    const timeUs = START_US + random.integer(40) * HOUR_US;
    rows.push({
      a: random.integer(30) === 0 ? null : `k${random.integer(4)}`,
      b: random.integer(30) === 0 ? null : random.integer(3),
      timeUs: random.integer(30) === 0 ? null : timeUs,
      createdUs: random.integer(4) === 0 ? null : timeUs + random.integer(3) * HOUR_US,
      price: random.integer(8) === 0 ? null : random.integer(8) === 0 ? Number.NaN : random.normal(),
      name: random.integer(8) === 0 ? null : `row ${index}, long enough for the heap`,
      gone: random.integer(6) === 0 ? null : random.integer(6) === 0,
    });
    // Rows sent twice are rows twice.
    if (random.integer(10) === 0) rows.push(rows.at(-1)!);
  }
  return rows;
}

function randomLabels(random: Random, count: number): Label[] {
  const labels: Label[] = [];
  for (let index = 0; index < count; index++) {
    labels.push({
      a: random.integer(20) === 0 ? null : `k${random.integer(5)}`,
      b: random.integer(20) === 0 ? null : random.integer(4),
      timeUs:
        random.integer(20) === 0 ? null : START_US + random.integer(45) * HOUR_US + (random.integer(2) === 0 ? 0 : 1),
    });
    if (random.integer(10) === 0) labels.push(labels.at(-1)!);
  }
  return labels;
}

/** The definition, read out loud: of the rows of the entity at or before the time and younger than the time to live, the last, unless it is a delete. */
function oracle(rows: readonly Row[], label: Label, ttlUs: number): Row | undefined {
  let best: Row | undefined;
  const { a, b, timeUs } = label;
  if (a === null || b === null || timeUs === null) return undefined;
  for (const row of rows) {
    if (row.a !== a || row.b !== b || row.timeUs === null) continue;
    if (row.timeUs > timeUs || row.timeUs <= timeUs - ttlUs) continue;
    const isLater = best === undefined || row.timeUs > best.timeUs!;
    const isTied = best !== undefined && row.timeUs === best.timeUs;
    const outranks = isTied && (row.createdUs ?? -Infinity) >= (best!.createdUs ?? -Infinity);
    if (isLater || outranks) best = row;
  }
  // A delete that is the last word leaves nothing.
  return best?.gone === true ? undefined : best;
}

const timestamps = (values: readonly (number | null)[]) =>
  column(
    "timestamp",
    values.map((us) => (us === null ? null : BigInt(us))),
  );

function batchOfRows(rows: readonly Row[]): Batch {
  return batchOf({
    a: column(
      "utf8",
      rows.map((row) => row.a),
    ),
    b: column(
      "int32",
      rows.map((row) => row.b),
    ),
    at: timestamps(rows.map((row) => row.timeUs)),
    seen: timestamps(rows.map((row) => row.createdUs)),
    price: column(
      "float64",
      rows.map((row) => row.price),
    ),
    name: column(
      "utf8",
      rows.map((row) => row.name),
    ),
    gone: column(
      "bool",
      rows.map((row) => row.gone),
    ),
  });
}

const batchOfLabels = (labels: readonly Label[]): Batch =>
  batchOf({
    id: column(
      "int32",
      labels.map((_, index) => index),
    ),
    b: column(
      "int32",
      labels.map((label) => label.b),
    ),
    a: column(
      "utf8",
      labels.map((label) => label.a),
    ),
    time: timestamps(labels.map((label) => label.timeUs)),
  });

test("FS-13: the newest row at or before the label time and within its time to live, against an O(n²) oracle on 200 random datasets", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  await using directory = await temporaryDirectory();
  const entity = defineEntity({ name: "pair", keys: { a: "utf8", b: "int32" } });
  const check = async (seed: number): Promise<void> => {
    const random = createRandom(seed);
    const ttlHours = [undefined, 1, 5, 24][random.integer(4)];
    const define = (name: string, ttlMs: number | undefined) =>
      defineFeatureView({
        name,
        entity,
        eventTime: "at",
        createdTime: "seen",
        deleted: "gone",
        features: { price: "float64", name: "utf8" },
        ttlMs,
      });
    const near = define("near", ttlHours === undefined ? undefined : ttlHours * 3_600_000);
    const far = define("far", undefined);
    const service = defineFeatureService({ name: "both", views: [near, far] });
    await using store = await openFeatureStore({ history: `${directory.path}/${seed}`, services: [service], duckdb });
    const rows = randomRows(random, [0, 5, 40, 150][seed % 4]!);
    const otherRows = randomRows(random, 60);
    // In up to three batches, so that which came last is decided across files.
    const cuts = [0, random.integer(rows.length + 1), random.integer(rows.length + 1), rows.length].sort(
      (x, y) => x - y,
    );
    for (let cut = 0; cut < 3; cut++) {
      const part = rows.slice(cuts[cut], cuts[cut + 1]);
      await store.ingest(near, batches(batchOfRows(part)), { batchId: `batch ${cut}` });
      // What is in memory by then gets a small segment beside it for each batch that comes.
      if (seed % 5 < 2) await store.warm("both");
    }
    await store.ingest(far, batches(batchOfRows(otherRows)));
    // DuckDB plans fewer than 64 rows otherwise than more.
    const labels = randomLabels(random, seed % 2 === 0 ? 20 : 120);
    const ttlUs = ttlHours === undefined ? Infinity : ttlHours * HOUR_US;
    const nearExpected = labels.map((label) => oracle(rows, label, ttlUs));
    const farExpected = labels.map((label) => oracle(otherRows, label, Infinity));
    for (const engine of ["asof", "segments"] as const) {
      const dataset = await store.history("both", {
        labels: batchOfLabels(labels),
        labelTime: "time",
        engine,
        ...(seed % 3 === 0 ? { inMemory: true } : { path: `${directory.path}/${seed}-${engine}.parquet` }),
      });
      expect(dataset.schema.map((field) => field.name)).toEqual([
        "id",
        "b",
        "a",
        "time",
        "near__price",
        "near__name",
        "far__price",
        "far__name",
      ]);
      expect(await columnsOfDataset(dataset), `seed ${seed}, ${engine}`).toEqual({
        id: labels.map((_, index) => index),
        b: labels.map((label) => label.b),
        a: labels.map((label) => label.a),
        time: labels.map((label) => (label.timeUs === null ? null : BigInt(label.timeUs))),
        near__price: nearExpected.map((row) => row?.price ?? null),
        near__name: nearExpected.map((row) => row?.name ?? null),
        far__price: farExpected.map((row) => row?.price ?? null),
        far__name: farExpected.map((row) => row?.name ?? null),
      });
    }
  };
  // Most of the time goes by waiting for the disk, so several datasets at a time.
  const seeds = Array.from({ length: 200 }, (_, seed) => seed).values();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const seed of seeds) await check(seed);
    }),
  );
}, 600_000);
