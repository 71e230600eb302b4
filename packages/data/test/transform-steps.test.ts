import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom, type Batch } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  applyTransforms,
  assertTransformable,
  batchOf,
  column,
  compileTransforms,
  datasetOf,
  fitTransforms,
  fitTransformsOutOfFold,
  hashText,
  parseTransforms,
  schemaOf,
  sliceBatch,
  toArray,
  type FittedTransforms,
  type TransformPlan,
} from "../src/index.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const day = 86_400_000;

function flights(rows: number, seed: number): Batch {
  const random = createRandom(seed);
  const make = <Each>(value: () => Each): (Each | null)[] =>
    Array.from({ length: rows }, () => (random.next() < 0.08 ? null : value()));
  return batchOf({
    distance: column(
      "float64",
      make(() => random.normal() * 900),
    ),
    carrier: column(
      "dictionary",
      make(() => `C${random.integer(40)}`),
    ),
    hour: column(
      "int32",
      make(() => random.integer(24)),
    ),
    note: column(
      "utf8",
      make(() => Array.from({ length: random.integer(6) }, () => `Wörd${random.integer(90)}`).join(" ")),
    ),
    at: column(
      "timestamp",
      make(() => 1_357_034_400_000_001n + BigInt(random.integer(2 ** 31)) * 79_190n),
    ),
    flown: column(
      "date",
      make(() => random.integer(20_000) - 3000),
    ),
    late: column(
      "bool",
      make(() => random.next() < 0.3),
    ),
  });
}

const plan: TransformPlan = [
  { kind: "numeric", column: "distance", impute: "median", scale: "minMax", missingIndicator: true },
  { kind: "oneHot", column: "carrier", maxCategories: 10 },
  { kind: "hash", column: "carrier", buckets: 5 },
  { kind: "bucket", column: "distance", edges: { quantiles: 6 } },
  { kind: "bucket", column: "hour", edges: [6, 12, 18] },
  { kind: "target", column: "carrier", target: "late" },
  { kind: "target", column: "hour", target: "late", smoothing: 0 },
  { kind: "ngram", column: "note", buckets: 32, sizes: [1, 2] },
  { kind: "ngram", column: "note", buckets: 16, unit: "character", sizes: [3], normalize: false },
  { kind: "dateParts", column: "at", parts: ["year", "month", "weekday", "hour", "minute"] },
  { kind: "dateParts", column: "flown", parts: ["month", "day", "yearDay"], encoding: "number" },
];

const rowsOf = (batch: Batch): Record<string, unknown>[] => {
  const columns = Object.entries(batch.columns).map(([name, each]) => [name, toArray(each)] as const);
  return Array.from({ length: batch.length }, (_, row) =>
    // JSON has no bigint; microseconds of these years are exact as numbers.
    Object.fromEntries(
      columns.map(([name, values]) => [name, typeof values[row] === "bigint" ? Number(values[row]) : values[row]]),
    ),
  );
};

test("DQ-12: what was fitted here gives the same bits in another process, from JSON, also for categories never seen", async () => {
  const fitted = await fitTransforms(plan, datasetOf([flights(3000, 1)]));
  const unseen = flights(400, 2);
  const rows = rowsOf(unseen).map((row, at) =>
    at % 10 === 0 ? { ...row, carrier: "unseen", note: "unseen words" } : row,
  );
  const folder = mkdtempSync(join(tmpdir(), "millwright-data-"));
  try {
    const file = join(folder, "fitted.json");
    writeFileSync(file, JSON.stringify({ fitted, rows }));
    const there = JSON.parse(
      execFileSync(process.execPath, [fixture("transform-rows.mjs"), file], { maxBuffer: 2 ** 28 }).toString(),
    ) as {
      names: string[];
      bits: number[];
    };
    const carrier = toArray(unseen.columns["carrier"]!).map((value, at) => (at % 10 === 0 ? "unseen" : value));
    const note = toArray(unseen.columns["note"]!).map((value, at) => (at % 10 === 0 ? "unseen words" : value));
    const batch = batchOf({ ...unseen.columns, carrier: column("dictionary", carrier), note: column("utf8", note) });
    const here = applyTransforms(fitted, batch);
    expect(there.names).toEqual(here.names);
    expect(there.bits).toEqual([...new Uint32Array(here.data.buffer)]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("DQ-12: transforms of format version 1 are read for ever, and give what they gave", () => {
  const golden = JSON.parse(readFileSync(fixture("transforms-1.json"), "utf8")) as {
    fitted: unknown;
    names: string[];
    rows: Record<string, unknown>[];
    outputs: number[][];
  };
  const fitted = parseTransforms(golden.fitted);
  expect(fitted.formatVersion).toBe(1);
  const compiled = compileTransforms(fitted);
  expect(compiled.names).toEqual(golden.names);
  expect(golden.rows.map((row) => [...compiled.row(row)])).toEqual(golden.outputs);
});

const fit = async (steps: TransformPlan, columns: Parameters<typeof batchOf>[0]) =>
  compileTransforms(await fitTransforms(steps, datasetOf([batchOf(columns)])));

test("DQ-12: each kind has its way with the unseen and the missing", async () => {
  const { row } = await fit(
    [
      { kind: "oneHot", column: "c", maxCategories: 2 },
      { kind: "oneHot", column: "c", maxCategories: 2, other: false },
      { kind: "bucket", column: "x", edges: [0, 10] },
      { kind: "target", column: "c", target: "y", smoothing: 1 },
      { kind: "ngram", column: "c", buckets: 2, normalize: false },
    ],
    { c: ["a", "a", "a", "b", "b"], x: [1, 2, 3, 4, 5], y: [1, 1, 0, 0, 0] },
  );
  const mean = Math.fround(0.4);
  const bucketOf = (text: string): number[] => (hashText(text) % 2 === 0 ? [1, 0] : [0, 1]);
  expect([...row({ c: "new", x: 1e300, y: null })]).toEqual([0, 0, 1, 0, 0, 0, 0, 1, mean, ...bucketOf("new")]);
  expect([...row({ c: "new", x: -5 })].slice(5, 8)).toEqual([1, 0, 0]);
  expect([...row({ c: null, x: null })]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, mean, 0, 0]);
});

test("DQ-12: buckets hold their lower edge, and quantile edges cut the training rows into equal parts", async () => {
  const fixed = await fit([{ kind: "bucket", column: "x", edges: [0, 10] }], { x: [1] });
  expect(fixed.names).toEqual(["x[…,0)", "x[0,10)", "x[10,…)"]);
  const at = (x: number): number => [...fixed.row({ x })].indexOf(1);
  expect([-1e-9, 0, 9.999, 10, 11].map(at)).toEqual([0, 1, 1, 2, 2]);
  const random = createRandom(5);
  const x = Float64Array.from({ length: 20_000 }, () => Math.exp(2 * random.normal()));
  const quantiles = await fit([{ kind: "bucket", column: "x", edges: { quantiles: 4 } }], { x });
  const { data } = quantiles.batch(batchOf({ x }));
  for (let bucket = 0; bucket < 4; bucket += 1) {
    const share = data.filter((value, index) => index % 4 === bucket && value === 1).length / x.length;
    // Each edge is within 0.0025 of its rank.
    expect(Math.abs(share - 0.25)).toBeLessThan(0.005);
  }
  // A value that most rows share is one edge at most.
  const ties = await fit([{ kind: "bucket", column: "x", edges: { quantiles: 4 } }], { x: [1, 1, 1, 1, 1, 1, 1, 9] });
  expect(ties.names).toEqual(["x[…,…)"]);
});

test("DQ-12: a target encoding follows its formula, and training rows are encoded without their own fold", async () => {
  const random = createRandom(8);
  const rows = 4000;
  // The target is a coin that has nothing to do with the category: whatever the encoding tells of it was leaked.
  const c = Array.from({ length: rows }, () => `c${random.integer(1500)}`);
  const y = Float64Array.from({ length: rows }, () => (random.next() < 0.5 ? 1 : 0));
  const train = batchOf({ c: column("utf8", c), y });
  const steps: TransformPlan = [{ kind: "target", column: "c", target: "y", smoothing: 2 }];
  const { fitted, trainBatch } = await fitTransformsOutOfFold(
    steps,
    datasetOf([sliceBatch(train, 0, 1111), sliceBatch(train, 1111)]),
    { folds: 4, seed: 3 },
  );
  expect(fitted).toEqual(await fitTransforms(steps, datasetOf([train])));

  const mean = y.reduce((sum, each) => sum + each, 0) / rows;
  const own = y.filter((_, row) => c[row] === c[0]);
  const wanted = (own.reduce((sum, each) => sum + each, 0) + 2 * mean) / (own.length + 2);
  expect(compileTransforms(fitted).row({ c: c[0] })[0]).toBeCloseTo(wanted, 6);

  const correlation = (encoded: Float32Array): number => {
    const center = encoded.reduce((sum, each) => sum + each, 0) / rows;
    const [xy, xx, yy] = encoded.reduce(
      ([a, b, d], each, row) => [
        a! + (each - center) * (y[row]! - mean),
        b! + (each - center) ** 2,
        d! + (y[row]! - mean) ** 2,
      ],
      [0, 0, 0],
    );
    return xy! / Math.sqrt(xx! * yy!);
  };
  expect(correlation(applyTransforms(fitted, train).data)).toBeGreaterThan(0.4);
  // Four standard errors of a correlation of 4,000 independent pairs: 0.063. Of its own fold a row only knows less, so it may be below 0.
  const outOfFold = trainBatch(train, 0).data;
  expect(correlation(outOfFold)).toBeLessThan(0.063);
  // In two batches the same comes out as in one.
  const halves = [trainBatch(sliceBatch(train, 0, 999), 0), trainBatch(sliceBatch(train, 999), 999)];
  expect([...halves[0]!.data, ...halves[1]!.data]).toEqual([...outOfFold]);
  await expect(fitTransformsOutOfFold(steps, datasetOf([train]), { folds: 1 })).rejects.toThrow("1");
});

test("DQ-12: n-grams of a text are counted in the buckets of their hashes, in lower case", async () => {
  const words = await fit([{ kind: "ngram", column: "t", buckets: 64, sizes: [1, 2], normalize: false }], { t: ["x"] });
  const counts = new Float32Array(64);
  for (const gram of ["late", "again", "late", "late again", "again late"]) counts[hashText(gram) % 64]! += 1;
  expect([...words.row({ t: "Late, AGAIN; late!" })]).toEqual([...counts]);
  const normal = await fit([{ kind: "ngram", column: "t", buckets: 64, sizes: [1, 2] }], { t: ["x"] });
  expect(Math.hypot(...normal.row({ t: "Late, AGAIN; late!" }))).toBeCloseTo(1, 6);
  const characters = await fit(
    [{ kind: "ngram", column: "t", buckets: 8, unit: "character", sizes: [2], seed: 5, normalize: false }],
    { t: ["x"] },
  );
  const pairs = new Float32Array(8);
  for (const gram of ["ab", "b🛫"]) pairs[hashText(gram, 5) % 8]! += 1;
  expect([...characters.row({ t: "aB🛫" })]).toEqual([...pairs]);
});

test("DQ-12: parts of dates are those of the calendar in UTC, from timestamps, dates and Date objects alike", async () => {
  const moment = new Date("2024-02-29T23:59:30.5Z"); // a Thursday, the 60th day of its year
  const parts = ["year", "month", "day", "yearDay", "weekday", "hour", "minute"] as const;
  const numbers = await fit([{ kind: "dateParts", column: "at", parts, encoding: "number" }], { at: [moment] });
  expect(numbers.names).toEqual(parts.map((part) => `at_${part}`));
  expect([...numbers.row({ at: moment })]).toEqual([2024, 2, 29, 60, 4, 23, 59]);
  // Before 1970 as well: one microsecond before midnight of New Year.
  expect([...numbers.row({ at: -1n })]).toEqual([1969, 12, 31, 365, 3, 23, 59]);
  expect([...numbers.row({ at: null })]).toEqual(parts.map(() => 0));
  expect([...numbers.row({ at: 1e30 })]).toEqual(parts.map(() => 0));
  const days = await fit([{ kind: "dateParts", column: "on", parts: ["month", "day"], encoding: "number" }], {
    on: column("date", [Math.floor(moment.getTime() / day)]),
  });
  expect([...days.row({ on: Math.floor(moment.getTime() / day) })]).toEqual([2, 29]);
  expect([...days.row({ on: moment })]).toEqual([2, 29]);
  const cyclic = await fit([{ kind: "dateParts", column: "at", parts: ["year", "hour"] }], { at: [moment] });
  expect(cyclic.names).toEqual(["at_year", "at_hour_sin", "at_hour_cos"]);
  const [year, sine, cosine] = cyclic.row({ at: new Date("2024-01-01T06:00Z") });
  expect(year).toBe(24);
  expect(sine).toBeCloseTo(1, 6);
  expect(cosine).toBeCloseTo(0, 6);
});

test("DQ-12: the schema digest names the columns that are read, and other tables are refused before they are transformed", async () => {
  const train = flights(300, 1);
  const fitted = await fitTransforms(plan, datasetOf([train]));
  const other = await fitTransforms(plan, datasetOf([flights(200, 9)]));
  if (fitted.formatVersion !== 2 || other.formatVersion !== 2) throw new Error("Version 2 is written.");
  expect(fitted.schemaDigest).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(other.schemaDigest).toBe(fitted.schemaDigest);
  assertTransformable(fitted, schemaOf(train));
  const { note, ...rest } = train.columns;
  expect(() => assertTransformable(fitted, schemaOf({ length: 300, columns: rest }))).toThrow('"note"');
  const numbered = {
    length: 300,
    columns: { ...train.columns, note: train.columns["hour"]!, at: train.columns["hour"]! },
  };
  expect(() => assertTransformable(fitted, schemaOf(numbered))).toThrow(/"at" is int32.*"note" is int32/);
  expect(note).toBeDefined();
  const tampered = (change: Partial<FittedTransforms>): unknown => ({ ...fitted, ...change });
  expect(() => parseTransforms(tampered({ steps: fitted.steps.slice(1) }))).not.toThrow();
  expect(() => parseTransforms(tampered({ steps: fitted.steps.filter((step) => step.column !== "note") }))).toThrow(
    "schemaDigest",
  );
});

test("steps out of range and columns of other types are refused by name", async () => {
  const refused = async (step: TransformPlan[number]): Promise<unknown> =>
    fitTransforms([step], datasetOf([flights(50, 1)])).then(
      () => "accepted",
      (error: { code?: string }) => error.code,
    );
  expect(await refused({ kind: "bucket", column: "hour", edges: [2, 1] })).toBe("DATA_TRANSFORMS_INVALID");
  expect(await refused({ kind: "bucket", column: "hour", edges: { quantiles: 1 } })).toBe("DATA_TRANSFORMS_INVALID");
  expect(await refused({ kind: "bucket", column: "note", edges: [1] })).toBe("DATA_COLUMN_TYPE");
  expect(await refused({ kind: "target", column: "hour", target: "hour" })).toBe("DATA_TRANSFORMS_INVALID");
  expect(await refused({ kind: "target", column: "hour", target: "note" })).toBe("DATA_COLUMN_TYPE");
  expect(await refused({ kind: "target", column: "hour", target: "nope" })).toBe("DATA_COLUMN_MISSING");
  expect(await refused({ kind: "ngram", column: "hour", buckets: 4 })).toBe("DATA_COLUMN_TYPE");
  expect(await refused({ kind: "ngram", column: "note", buckets: 4, sizes: [] })).toBe("DATA_TRANSFORMS_INVALID");
  expect(await refused({ kind: "dateParts", column: "hour", parts: ["month"] })).toBe("DATA_COLUMN_TYPE");
  expect(await refused({ kind: "dateParts", column: "at", parts: ["month", "month"] })).toBe("DATA_TRANSFORMS_INVALID");
});
