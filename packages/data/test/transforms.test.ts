import { createRandom, type JsonObject } from "@millwright/contracts";
import { expect, expectTypeOf, test } from "vitest";
import {
  applyTransforms,
  batchOf,
  column,
  compileTransforms,
  datasetOf,
  fitTransforms,
  parseTransforms,
  sliceBatch,
  toArray,
  type FittedTransforms,
  type TransformPlan,
} from "../src/index.ts";
import { allTypes } from "./batches.ts";

const plan: TransformPlan = [
  { kind: "numeric", column: "distance", log: true, missingIndicator: true },
  { kind: "numeric", column: "id", impute: "median", scale: "minMax" },
  { kind: "numeric", column: "late", impute: 0, scale: "none" },
  { kind: "oneHot", column: "carrier", maxCategories: 3 },
  { kind: "oneHot", column: "month", impute: "mostFrequent", other: false },
  { kind: "oneHot", column: "late" },
  { kind: "hash", column: "tail", buckets: 8, seed: 3 },
  { kind: "hash", column: "id", buckets: 4 },
  { kind: "cyclic", column: "hour", period: 24 },
  { kind: "cyclic", column: "time", period: 86_400_000_000 },
  { kind: "bucket", column: "distance", edges: { quantiles: 5 } },
  { kind: "bucket", column: "hour", edges: [6, 12, 18] },
  { kind: "target", column: "carrier", target: "late" },
  { kind: "target", column: "month", target: "distance", smoothing: 5 },
  { kind: "ngram", column: "tail", buckets: 16, unit: "character", sizes: [2, 3] },
  { kind: "dateParts", column: "time", parts: ["year", "month", "weekday", "hour"] },
  { kind: "dateParts", column: "time", parts: ["yearDay", "minute"], encoding: "number" },
];

function flights(rows: number, seed: number) {
  const random = createRandom(seed);
  const maybe = <Value>(value: Value): Value | null => (random.next() < 0.1 ? null : value);
  const make = <Value>(value: () => Value): (Value | null)[] => Array.from({ length: rows }, () => maybe(value()));
  return batchOf({
    distance: column(
      "float64",
      make(() => (random.next() < 0.05 ? Number.NaN : random.normal() * 900)),
    ),
    id: column(
      "int64",
      make(() => BigInt(random.integer(1000)) * 2n ** 45n + BigInt(random.integer(100))),
    ),
    late: column(
      "bool",
      make(() => random.next() < 0.3),
    ),
    carrier: column(
      "dictionary",
      make(() => ["AA", "B6", "DL", "UA", "ö"][random.integer(5)]!),
    ),
    month: column(
      "int8",
      make(() => random.integer(12) + 1),
    ),
    tail: column(
      "utf8",
      make(() => `N${random.integer(500)}ü`),
    ),
    hour: column(
      "float32",
      make(() => random.integer(24) + random.next()),
    ),
    time: column(
      "timestamp",
      make(() => 1_357_034_400_000_001n + BigInt(random.integer(2 ** 31)) * 7919n),
    ),
  });
}

const code = (make: () => unknown): unknown => {
  try {
    return make();
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

test("DQ-12: a row alone gives the bits that it gives in a batch, after a trip through JSON too", async () => {
  const train = flights(3000, 1);
  const fitted = await fitTransforms(plan, datasetOf([sliceBatch(train, 0, 1234), sliceBatch(train, 1234)]));
  const read = parseTransforms(JSON.parse(JSON.stringify(fitted)));
  expect(read).toEqual(fitted);
  const unseen = flights(500, 2);
  const compiled = compileTransforms(read);
  const { data, shape, names } = applyTransforms(fitted, unseen);
  expect(shape).toEqual([500, names.length]);
  const rows = Object.entries(unseen.columns).map(([name, each]) => [name, toArray(each)] as const);
  for (let row = 0; row < unseen.length; row += 1) {
    const values = Object.fromEntries(rows.map(([name, each]) => [name, each[row]]));
    const wanted = new Uint32Array(data.slice(row * names.length, (row + 1) * names.length).buffer);
    expect([...new Uint32Array(compiled.row(values).buffer)]).toEqual([...wanted]);
  }
  expect(data.every(Number.isFinite)).toBe(true);
});

test("scaling, imputation and one-hot follow their formulas on a small table", async () => {
  const table = batchOf({
    a: column("float64", [1, 2, null, 6]),
    b: column("int32", [4, null, 1, 9]),
    c: ["x", "y", "x", "z"],
  });
  const fitted = await fitTransforms(
    [
      { kind: "numeric", column: "a" },
      { kind: "numeric", column: "b", impute: "median", scale: "minMax" },
      { kind: "oneHot", column: "c", other: false },
    ],
    datasetOf([table]),
  );
  const { data, names } = applyTransforms(fitted, table);
  expect(names).toEqual(["a", "b", "c=x", "c=y", "c=z"]);
  // The mean is 3 and the population's standard deviation √3.5; the median 4 of 1, 4, 9.
  const wanted = [
    [-2 / Math.sqrt(3.5), 3 / 8, 1, 0, 0],
    [-1 / Math.sqrt(3.5), 3 / 8, 0, 1, 0],
    [0, 0, 1, 0, 0],
    [3 / Math.sqrt(3.5), 1, 0, 0, 1],
  ].flat();
  for (const [index, value] of wanted.entries()) expect(data[index]).toBeCloseTo(value, 5);
});

test("unseen and missing categories go where the plan says", async () => {
  const train = datasetOf([batchOf({ c: ["a", "a", "b", "c"] })]);
  const run = async (options: object): Promise<number[][]> => {
    const compiled = compileTransforms(
      await fitTransforms([{ kind: "oneHot", column: "c", maxCategories: 2, ...options }], train),
    );
    return [null, "a", "c", "new"].map((c) => [...compiled.row({ c })]);
  };
  expect(await run({})).toEqual([
    [0, 0, 0],
    [1, 0, 0],
    [0, 0, 1],
    [0, 0, 1],
  ]);
  expect(await run({ other: false, impute: "mostFrequent" })).toEqual([
    [1, 0],
    [1, 0],
    [0, 0],
    [0, 0],
  ]);
  expect(await run({ impute: { category: "b" } })).toEqual([
    [0, 1, 0],
    [1, 0, 0],
    [0, 0, 1],
    [0, 0, 1],
  ]);
});

test("cyclic features have a constant radius and come around", async () => {
  const fitted = await fitTransforms(
    [{ kind: "cyclic", column: "hour", period: 24 }],
    datasetOf([batchOf({ hour: [0] })]),
  );
  const { row } = compileTransforms(fitted);
  expect([...row({ hour: 6 })].map((value) => Math.round(value * 1e6) / 1e6)).toEqual([1, 0]);
  expect([...row({ hour: 30 })]).toEqual([...row({ hour: 6 })]);
  for (const hour of [0.5, 7, 23.9]) expect(Math.hypot(...row({ hour }))).toBeCloseTo(1, 6);
  expect([...row({ hour: null })]).toEqual([0, 0]);
});

test("a constant column becomes 0, and infinities are imputed", async () => {
  const fitted = await fitTransforms(
    [
      { kind: "numeric", column: "a" },
      { kind: "numeric", column: "b" },
    ],
    datasetOf([batchOf({ a: [5, 5, 5], b: [1, Number.POSITIVE_INFINITY, 3] })]),
  );
  expect([...applyTransforms(fitted, batchOf({ a: [5], b: [Number.NEGATIVE_INFINITY] })).data]).toEqual([0, 0]);
});

test("numbers that were text when fitted, absent columns and bad values are refused by name", async () => {
  const train = flights(50, 1);
  const fitted = await fitTransforms(plan, datasetOf([train]));
  const compiled = compileTransforms(fitted);
  expect(code(() => compiled.batch(batchOf({ distance: ["far"] })))).toBe("DATA_COLUMN_TYPE");
  expect(code(() => compiled.batch(batchOf({ other: [1] })))).toBe("DATA_COLUMN_MISSING");
  expect(code(() => compiled.row({ distance: "far" }))).toBe("DATA_VALUE_INVALID");
  expect(code(() => compiled.row({}))).toBe("DATA_COLUMN_MISSING");
  await expect(fitTransforms([{ kind: "numeric", column: "nope" }], datasetOf([train]))).rejects.toMatchObject({
    code: "DATA_COLUMN_MISSING",
  });
  await expect(fitTransforms([{ kind: "numeric", column: "tail" }], datasetOf([train]))).rejects.toMatchObject({
    code: "DATA_COLUMN_TYPE",
  });
  await expect(
    fitTransforms([{ kind: "oneHot", column: "lists" }], datasetOf([allTypes().batch])),
  ).rejects.toMatchObject({ code: "DATA_COLUMN_TYPE" });
  await expect(fitTransforms([{ kind: "hash", column: "tail", buckets: 0 }], datasetOf([train]))).rejects.toMatchObject(
    { code: "DATA_TRANSFORMS_INVALID" },
  );
  await expect(
    fitTransforms([{ kind: "numeric", column: "a" }], datasetOf([batchOf({ a: column("float64", [null]) })])),
  ).rejects.toMatchObject({ code: "DATA_FIT_EMPTY" });
});

test("damaged transforms are refused with the path of the damage", async () => {
  const fitted = await fitTransforms(plan, datasetOf([flights(50, 1)]));
  const damaged = (change: (json: Record<string, never>) => void): unknown => {
    const json = structuredClone(fitted) as unknown as Record<string, never>;
    change(json);
    return json;
  };
  expect(() => parseTransforms(damaged((json) => Object.assign(json["steps"]![0]!, { divisor: 0 })))).toThrow(
    "steps[0].divisor",
  );
  expect(() =>
    parseTransforms(damaged((json) => Object.assign(json["steps"]![3]!, { categories: ["a", "a"] }))),
  ).toThrow("steps[3].categories");
  expect(() => parseTransforms(damaged((json) => Object.assign(json["steps"]![1]!, { kind: "magic" })))).toThrow(
    "steps[1].kind",
  );
  expect(code(() => parseTransforms(damaged((json) => Object.assign(json, { formatVersion: 3 }))))).toBe(
    "DATA_VERSION_UNSUPPORTED",
  );
  for (const nothing of [null, 5, [], "x"])
    expect(code(() => parseTransforms(nothing))).toBe("DATA_TRANSFORMS_INVALID");
});

test("fitted transforms are a JSON object to the type checker", () => {
  expectTypeOf<FittedTransforms>().toExtend<JsonObject>();
});
