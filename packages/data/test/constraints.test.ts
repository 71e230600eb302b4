import { createRandom, type Batch } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  checkConstraints,
  column,
  datasetOf,
  distributionDistance,
  profileOf,
  sliceBatch,
  suggestConstraints,
  toArray,
  withColumns,
  type ConstraintReport,
  type Constraints,
  type ValueInput,
} from "../src/index.ts";

function reference(rows: number, seed: number): Batch {
  const random = createRandom(seed);
  const make = <Item>(item: (row: number) => Item): Item[] => Array.from({ length: rows }, (_, row) => item(row));
  return batchOf({
    id: column(
      "int64",
      make((row) => BigInt(row)),
    ),
    carrier: column(
      "dictionary",
      make(() => ["AA", "UA", "B6", "DL"][random.integer(4)]),
    ),
    tail: column(
      "utf8",
      make(() => (random.next() < 0.02 ? null : `N${random.integer(rows)}`)),
    ),
    distance: column(
      "float64",
      make(() => Math.exp(random.normal() + 6)),
    ),
    delay: column(
      "float64",
      make(() => (random.next() < 0.1 ? null : random.normal() * 30)),
    ),
    seats: column(
      "int16",
      make(() => 50 + random.integer(300)),
    ),
    late: column(
      "bool",
      make(() => random.next() < 0.2),
    ),
    departed: column(
      "timestamp",
      make((row) => 1_357_034_400_000_000n + BigInt(row) * 60_000_000n),
    ),
    empty: column(
      "utf8",
      make(() => null),
    ),
  });
}

const clean = reference(4000, 17);
const baseline = profileOf(clean);
const constraints = suggestConstraints(baseline);
const check = (batch: Batch, asked: Constraints = constraints): Promise<ConstraintReport> =>
  checkConstraints(datasetOf([sliceBatch(batch, 0, 1111), sliceBatch(batch, 1111)]), asked, { baseline });
const kindsOf = ({ violations }: ConstraintReport): string[] =>
  violations.map((each) => `${each.column}: ${each.check}`);

/** Changes the value of some rows. */
function changed(
  name: string,
  every: number,
  change: (value: ValueInput) => ValueInput,
  type = clean.columns[name]!.type,
): Batch {
  const values = toArray(clean.columns[name]!).map((value, row) => (row % every === 0 ? change(value) : value));
  return withColumns(clean, { [name]: column(type, values) });
}
const asText = (name: string, every: number, bad: string): Batch =>
  withColumns(clean, {
    [name]: column(
      "utf8",
      toArray(clean.columns[name]!).map((value, row) =>
        row % every === 0 ? bad : value === null ? null : String(value),
      ),
    ),
  });
const without = (name: string): Batch => {
  const { [name]: _left, ...columns } = clean.columns;
  return { length: clean.length, columns };
};

/** Corruptions, and what each brings. */
const corruptions: readonly (readonly [Batch, readonly string[]])[] = [
  [asText("seats", 1000, "n/a"), ["seats: data_type_check"]],
  [asText("distance", 500, "far"), ["distance: data_type_check"]],
  [changed("seats", 800, () => -1), ["seats: data_type_check"]],
  [changed("distance", 4000, () => -0.5), ["distance: data_type_check"]],
  [changed("carrier", 100, () => null), ["carrier: completeness_check"]],
  [changed("tail", 1000, () => null), ["tail: completeness_check"]],
  [changed("id", 4000, () => null), ["id: completeness_check"]],
  [changed("carrier", 2000, () => "ZZ"), ["carrier: categorical_values_check"]],
  [changed("distance", 1, (value) => (value as number) * 1.5), ["distance: baseline_drift_check"]],
  [changed("delay", 1, (value) => (value === null ? null : (value as number) + 15)), ["delay: baseline_drift_check"]],
  [changed("carrier", 3, () => "AA"), ["carrier: baseline_drift_check"]],
  [changed("late", 2, () => true), ["late: baseline_drift_check"]],
  [without("late"), ["late: missing_column_check"]],
  [withColumns(clean, { gate: column("int8", new Array<number>(clean.length).fill(1)) }), ["gate: extra_column_check"]],
];

test("DQ-5: constraints suggested on clean data find nothing in it, and in corrupted copies the injected faults only", async () => {
  expect(constraints.columns).toEqual([
    { name: "id", inferredType: "Integral", completeness: 1, nonNegative: true },
    { name: "carrier", inferredType: "String", completeness: 1, domain: ["AA", "B6", "DL", "UA"] },
    { name: "tail", inferredType: "String", completeness: expect.closeTo(0.98, 1) as number },
    { name: "distance", inferredType: "Fractional", completeness: 1, nonNegative: true },
    { name: "delay", inferredType: "Fractional", completeness: expect.closeTo(0.9, 1) as number, nonNegative: false },
    { name: "seats", inferredType: "Integral", completeness: 1, nonNegative: true },
    { name: "late", inferredType: "String", completeness: 1, domain: ["false", "true"] },
    { name: "departed", inferredType: "String", completeness: 1 },
    { name: "empty", inferredType: "Unknown", completeness: 0 },
  ]);
  expect(await check(clean)).toEqual({ formatVersion: 1, violations: [] });
  for (const [batch, expected] of corruptions) expect(kindsOf(await check(batch)), expected.join()).toEqual(expected);
  // All faults of different columns at once are found together, in the order of the constraints.
  const all = withColumns(without("late"), {
    carrier: changed("carrier", 2000, () => "ZZ").columns["carrier"]!,
    tail: changed("tail", 1000, () => null).columns["tail"]!,
    distance: changed("distance", 1, (value) => (value as number) * 1.5).columns["distance"]!,
    seats: asText("seats", 1000, "n/a").columns["seats"]!,
    gate: column("int8", new Array<number>(clean.length).fill(1)),
  });
  expect(kindsOf(await check(all))).toEqual([
    "carrier: categorical_values_check",
    "tail: completeness_check",
    "distance: baseline_drift_check",
    "seats: data_type_check",
    "late: missing_column_check",
    "gate: extra_column_check",
  ]);
});

test("another sample of the same source satisfies what was suggested, but for the share of nulls", async () => {
  const report = await check(reference(3000, 99), suggestConstraints(baseline, { unconstrained: ["id"] }));
  expect(report.violations.filter(({ check: kind }) => kind !== "completeness_check")).toEqual([]);
});

test("what was measured and held against stands beside the words", async () => {
  const [violation] = (await check(changed("carrier", 100, () => null))).violations;
  expect(violation).toEqual({
    column: "carrier",
    check: "completeness_check",
    description:
      "Completeness requirement is not met. Expected completeness: 100.0%. Observed: 99.0% of the rows have a value.",
    observed: 0.99,
    threshold: 1,
  });
});

test("thresholds, switches and overrides of a column are heeded", async () => {
  const withMonitoring = (change: Partial<Constraints["monitoring"]>): Constraints => ({
    ...constraints,
    monitoring: { ...constraints.monitoring, ...change },
  });
  const text = asText("seats", 100, "n/a");
  expect(kindsOf(await check(text, withMonitoring({ typeThreshold: 0.99 })))).toEqual([]);
  expect(kindsOf(await check(text, withMonitoring({ typeThreshold: 0.991 })))).toEqual(["seats: data_type_check"]);
  const other = changed("carrier", 100, () => "ZZ");
  expect(kindsOf(await check(other, withMonitoring({ domainThreshold: 0.99 })))).toEqual([]);
  const shifted = changed("delay", 1, (value) => (value === null ? null : (value as number) + 15));
  expect(kindsOf(await check(shifted, withMonitoring({ compareDistributions: false })))).toEqual([]);
  expect(kindsOf(await check(shifted, withMonitoring({ driftThreshold: 0.2 })))).toEqual([]);
  expect(kindsOf(await check(without("late"), withMonitoring({ evaluate: false })))).toEqual([]);
  const overridden: Constraints = {
    ...constraints,
    columns: constraints.columns.map((each) =>
      each.name === "delay" ? { ...each, overrides: { driftThreshold: 0.2 } } : each,
    ),
  };
  expect(kindsOf(await check(shifted, overridden))).toEqual([]);
  expect((await checkConstraints(datasetOf([shifted]), constraints)).violations).toEqual([]);
  const reason = new Error("enough");
  await expect(checkConstraints(datasetOf([clean]), constraints, { signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  );
});

test("numbers written as text are read: empty texts are missing, and negative ones and drift are found", async () => {
  expect(kindsOf(await check(asText("seats", 4000, "200")))).toEqual([]);
  expect(kindsOf(await check(asText("seats", 100, "")))).toEqual(["seats: completeness_check"]);
  expect(kindsOf(await check(asText("seats", 100, "-5")))).toEqual(["seats: data_type_check"]);
  expect(kindsOf(await check(asText("seats", 2, "60")))).toEqual(["seats: baseline_drift_check"]);
  expect(kindsOf(await check(asText("seats", 100, "1.5")))).toEqual(["seats: data_type_check"]);
  expect(kindsOf(await check(changed("seats", 1, (value) => value, "float64")))).toEqual([]);
  expect(kindsOf(await check(withColumns(clean, { seats: clean.columns["departed"]! })))).toEqual([
    "seats: data_type_check",
  ]);
});

test("the chi-squared method takes the threshold as a p-value", async () => {
  const counts = (a: number, b: number, c: number): Batch =>
    batchOf({
      x: [...new Array<string>(a).fill("a"), ...new Array<string>(b).fill("b"), ...new Array<string>(c).fill("c")],
    });
  const before = profileOf(counts(50, 30, 20));
  const asked: Constraints = {
    columns: [
      {
        name: "x",
        inferredType: "String",
        overrides: { categoricalDriftMethod: "ChiSquared", categoricalDriftThreshold: 0.13 },
      },
    ],
    monitoring: constraints.monitoring,
  };
  const { violations } = await checkConstraints(datasetOf([counts(40, 35, 25)]), asked, { baseline: before });
  // SciPy 1.17.1: chisquare([40, 35, 25], [50, 30, 20]).
  expect(violations[0]!.observed).toBeCloseTo(0.12981217685543797, 12);
  const strict = {
    ...asked,
    columns: [{ ...asked.columns[0]!, overrides: { ...asked.columns[0]!.overrides, categoricalDriftThreshold: 0.12 } }],
  };
  expect((await checkConstraints(datasetOf([counts(40, 35, 25)]), strict, { baseline: before })).violations).toEqual(
    [],
  );
  // Far out, with two degrees of freedom: exp(−χ²/2).
  const far = await checkConstraints(datasetOf([counts(20, 35, 45)]), asked, { baseline: before });
  expect(far.violations[0]!.observed! / Math.exp(-(18 + 25 / 30 + 31.25) / 2)).toBeCloseTo(1, 10);
});

test("the distance of two samples is that of Kolmogorov and Smirnov, less what chance explains", () => {
  const of = (values: readonly number[]): (typeof baseline)["columns"][string] =>
    profileOf(batchOf({ x: column("float64", values) })).columns["x"]!;
  // SciPy 1.17.1: ks_2samp.
  const x = of([0.1, 0.4, 0.7, 1.2, 1.9, 2.5, 3.1, 4.0]);
  const y = of([0.9, 1.4, 2.2, 2.8, 3.6, 4.4, 5.1, 6.0, 7.2]);
  expect(distributionDistance(x, y, { method: "Simple" })).toBeCloseTo(0.4444444444444444, 12);
  expect(distributionDistance(x, y)).toBe(0);
  expect(distributionDistance(x, x, { method: "Simple" })).toBe(0);
  const [low, high] = [of(new Array<number>(1000).fill(0)), of(new Array<number>(500).fill(1))];
  // Deequ: the largest distance 1 less 0.0985900603509299 at 1,000 and 500 values.
  expect(distributionDistance(low, high)).toBeCloseTo(1 - 0.0985900603509299, 12);
  expect(distributionDistance(of([]), x)).toBeNaN();
  expect(() => distributionDistance(x, profileOf(batchOf({ x: ["a"] })).columns["x"]!)).toThrow("float64");
});

test("small domains only are suggested, and columns can be left unconstrained", () => {
  const rows = Array.from({ length: 100 }, (_, row) => row);
  const profile = profileOf(
    batchOf({ few: rows.map((row) => `v${row % 10}`), many: rows.map((row) => `v${row % 11}`) }),
  );
  const [few, many] = suggestConstraints(profile).columns;
  expect(few!.domain).toHaveLength(10);
  expect(many!.domain).toBeUndefined();
  expect(suggestConstraints(profile, { maxDomainSize: 9 }).columns[0]!.domain).toBeUndefined();
  expect(() => suggestConstraints(profile, { maxDomainSize: -1 })).toThrow(
    "maxDomainSize must be an integer from 0, not -1.",
  );
  expect(() => suggestConstraints(profile, { unconstrained: ["gone"] })).toThrow("gone");
  expect(suggestConstraints(profile, { unconstrained: ["few"] }).columns[0]).toEqual({
    name: "few",
    inferredType: "Unknown",
  });
});
