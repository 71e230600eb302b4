import { readdirSync, readFileSync } from "node:fs";
import { createRandom, type Batch, type JsonObject } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  checkConstraints,
  column,
  datasetOf,
  distributionDistance,
  parseSageMakerConstraints,
  parseSageMakerStatistics,
  parseSageMakerViolations,
  profileOf,
  quantileOf,
  toSageMakerConstraints,
  toSageMakerStatistics,
  toSageMakerViolations,
  type ColumnInput,
  type ConstraintCheckType,
} from "../src/index.ts";

const folder = new URL("golden/model-monitor/", import.meta.url);
const golden = (name: string): JsonObject =>
  JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as JsonObject;

const ages = [20, 30, 30, 40, 40, 40, 50, 60];
/** The table that the golden statistics are of. */
const baseline: Readonly<Record<string, ColumnInput>> = {
  age: column("int64", ages.map(BigInt)),
  income: column("float64", [1000.5, null, -4.5, 1000.5, 1000.5, null, 2000.25, 1000.5]),
  state: ["AZ", "CA", "NY", "AZ", "AZ", "CA", "NY", "AZ"],
  note: column(
    "utf8",
    ages.map(() => null),
  ),
};

const { state: _state, ...withoutState } = baseline;
/** For each kind a table in which only that is wrong. */
const faulty: Readonly<Record<ConstraintCheckType, Readonly<Record<string, ColumnInput>>>> = {
  data_type_check: { ...baseline, age: ["20", "30", "30", "4O", "40", "40", "50", "60"] },
  completeness_check: {
    ...baseline,
    income: column("float64", [1000.5, null, -4.5, null, 1000.5, null, 2000.25, 1000.5]),
  },
  baseline_drift_check: {
    ...baseline,
    age: column(
      "int64",
      ages.map((age) => BigInt(age + 10)),
    ),
  },
  missing_column_check: withoutState,
  extra_column_check: { ...baseline, zip: ["00501", "1", "2", "3", "4", "5", "6", "7"] },
  categorical_values_check: { ...baseline, state: ["AZ", "CA", "NY", "AZ", "AZ", "CA", "TX", "AZ"] },
};

const violationsOf = async (table: Readonly<Record<string, ColumnInput>>): Promise<JsonObject> =>
  toSageMakerViolations(
    await checkConstraints(datasetOf([batchOf(table)]), parseSageMakerConstraints(golden("constraints")), {
      baseline: parseSageMakerStatistics(golden("statistics")),
    }),
  );

test("DQ-6: golden files of Model Monitor parse and are written again, for each of the six violation kinds", async () => {
  const kinds = Object.keys(faulty) as ConstraintCheckType[];
  expect(readdirSync(folder).toSorted()).toEqual(
    [...kinds, "constraints", "statistics"].map((name) => `${name}.json`).toSorted(),
  );
  expect(toSageMakerConstraints(parseSageMakerConstraints(golden("constraints")))).toEqual(golden("constraints"));
  expect(await violationsOf(baseline)).toEqual({ violations: [] });
  for (const kind of kinds) {
    const file = golden(kind);
    const report = parseSageMakerViolations(file);
    expect(report.violations.map(({ check }) => check)).toEqual([kind]);
    expect(toSageMakerViolations(report)).toEqual(file);
    expect(await violationsOf(faulty[kind]), kind).toEqual(file);
  }
});

test("a violation is worded as Model Monitor words it", async () => {
  const flags = Array.from({ length: 354 }, (_, row) => (row === 9 ? "0.5" : String(row % 2)));
  const { violations } = await checkConstraints(
    datasetOf([batchOf({ State_MI: flags })]),
    parseSageMakerConstraints({
      version: 0,
      features: [{ name: "State_MI", inferred_type: "Integral", completeness: 1 }],
    }),
  );
  expect(violations.map(({ description }) => description)).toEqual([
    "Data type match requirement is not met. Expected data type: Integral, Expected match: 100.0%. Observed: Only 99.71751412429379% of data is Integral.",
  ]);
});

test("golden statistics parse to a profile that is written as the same statistics, as is the profile of the table itself", () => {
  const file = golden("statistics");
  const parsed = parseSageMakerStatistics(file);
  const measured = profileOf(batchOf(baseline));
  for (const profile of [parsed, measured]) {
    expect(profile.rows).toBe(8);
    expect(profile.columns["age"]!.moments).toMatchObject({ count: 8, mean: 38.75, min: 20, max: 60 });
    expect(profile.columns["age"]!.moments!.m2).toBeCloseTo(1087.5, 10);
    expect(profile.columns["income"]).toMatchObject({ count: 6, missing: 2 });
    expect(Object.fromEntries(profile.columns["state"]!.frequent!.counts)).toEqual({ AZ: 4, CA: 2, NY: 2 });
    expect(rounded(toSageMakerStatistics(profile))).toEqual(rounded(file));
  }
});

/** A deviation's last digit falls where its square is taken back. */
const rounded = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_key, each: unknown) =>
    typeof each === "number" ? Number(each.toPrecision(14)) : each,
  );

function large(): Batch {
  const random = createRandom(3);
  return batchOf({
    x: column(
      "float64",
      Array.from({ length: 20_000 }, () => Math.exp(random.normal() * 3) - 5),
    ),
    n: column(
      "int32",
      Array.from({ length: 20_000 }, () => random.integer(2000)),
    ),
  });
}

test("ranks and quantiles survive being written as KLL levels", () => {
  const profile = profileOf(large());
  const parsed = parseSageMakerStatistics(JSON.parse(JSON.stringify(toSageMakerStatistics(profile))));
  for (const name of ["x", "n"]) {
    const [before, after] = [profile.columns[name]!, parsed.columns[name]!];
    expect(after.quantiles!.count).toBe(20_000);
    // A value may move within its bucket: by the bucket's share of the values at most.
    expect(distributionDistance(before, after, { method: "Simple" })).toBeLessThan(0.005);
    for (const q of [0.01, 0.25, 0.5, 0.75, 0.99]) {
      const value = quantileOf(before.quantiles!, q);
      expect(Math.abs(quantileOf(after.quantiles!, q) - value)).toBeLessThanOrEqual(Math.abs(value) * 0.02 + 1e-9);
    }
  }
  const feature = (toSageMakerStatistics(profile)["features"] as JsonObject[])[1]!;
  const { buckets } = (feature["numerical_statistics"] as { distribution: { kll: { buckets: { count: number }[] } } })
    .distribution.kll;
  expect(buckets).toHaveLength(10);
  expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(20_000);
  for (const { count } of buckets) expect(Math.abs(count - 2000)).toBeLessThan(200);
});

test("statistics without a sketch are read from their buckets", () => {
  const file = structuredClone(golden("statistics")) as {
    features: { numerical_statistics: { distribution: { kll: Record<string, unknown> } } }[];
  };
  delete file.features[0]!.numerical_statistics.distribution.kll["sketch"];
  const { quantiles } = parseSageMakerStatistics(file).columns["age"]!;
  expect(quantiles!.count).toBe(8);
  expect(quantileOf(quantiles!, 0.5)).toBeGreaterThan(39.9);
  expect(quantileOf(quantiles!, 0.5)).toBeLessThan(44);
});

test("files that are not Model Monitor's are refused with their name and the path", () => {
  const refused = (parse: () => unknown): string => {
    try {
      parse();
    } catch (error) {
      expect(error).toMatchObject({ code: "DATA_MODEL_MONITOR_INVALID" });
      return (error as Error).message;
    }
    return "nothing was refused";
  };
  const constraints = (change: object): string =>
    refused(() => parseSageMakerConstraints({ ...golden("constraints"), ...change }));
  expect(constraints({ version: 1 })).toContain("The constraints.json cannot be read: version must be 0, not 1");
  expect(constraints({ features: [{ name: "x", inferred_type: "Date" }] })).toContain("features[0].inferred_type");
  expect(constraints({ features: [{ name: "x", inferred_type: "String", completeness: 1.5 }] })).toContain("not 1.5");
  expect(
    constraints({ features: Array.from({ length: 2 }, () => ({ name: "x", inferred_type: "String" })) }),
  ).toContain("stands twice");
  expect(constraints({ monitoring_config: { evaluate_constraints: true } })).toContain(
    "monitoring_config.evaluate_constraints",
  );
  expect(constraints({ monitoring_config: { distribution_constraints: { comparison_method: "Best" } } })).toContain(
    "comparison_method",
  );
  expect(
    refused(() => parseSageMakerViolations({ violations: [{ feature_name: "x", constraint_check_type: "drift" }] })),
  ).toContain("constraint_violations.json cannot be read: violations[0].constraint_check_type");
  expect(refused(() => parseSageMakerStatistics({ version: 0, dataset: { item_count: -1 } }))).toContain(
    "dataset.item_count",
  );
  expect(refused(() => parseSageMakerStatistics(null))).toContain("statistics.json");
  expect(parseSageMakerConstraints({ version: 0, features: [] }).monitoring).toMatchObject({
    typeThreshold: 1,
    driftMethod: "Robust",
  });
});
