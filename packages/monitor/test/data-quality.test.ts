import { readFileSync } from "node:fs";
import { type CapturedPrediction, type Column, createManualClock, createRandom, digestOf } from "@millwright/contracts";
import {
  batchOf,
  column,
  createQuantileSketcher,
  parseSageMakerViolations,
  profileOf,
  sliceBatch,
} from "@millwright/data";
import { Ajv } from "ajv";
import { expect, test } from "vitest";
import { baselineOf } from "../src/baseline.ts";
import {
  checkDataQuality,
  type DataQualityLimits,
  type DataQualityReport,
  dataQualityAlert,
  violationsFile,
} from "../src/data-quality.ts";
import { openMonitor } from "../src/index.ts";
import { mixedBatch } from "./mixed-rows.ts";

const good = mixedBatch(5000, 1);
const baseline = baselineOf(profileOf(good));
const rows = 2000;
const current = mixedBatch(rows, 2);
const changed = (columns: Record<string, Column>): DataQualityReport =>
  checkDataQuality(profileOf(batchOf({ ...current.columns, ...columns })), baseline);
const checksOf = ({ issues }: DataQualityReport): string[] =>
  issues.map(({ check, column: of }) => `${check} ${of ?? ""}`.trim());
const numbers = (make: (row: number) => number | null): Column =>
  column(
    "float64",
    Array.from({ length: rows }, (_, row) => make(row)),
  );
const texts = (make: (row: number) => string | null): Column =>
  column(
    "utf8",
    Array.from({ length: rows }, (_, row) => make(row)),
  );
const random = createRandom(9);
const normal = (): number => 10 + random.normal();

test("rows like the baseline's raise nothing", () => {
  expect(changed({})).toEqual({ formatVersion: 1, rows, verdict: "ok", issues: [] });
});

const { stops: _stops, ...withoutStops } = current.columns;
/** Traffic in which one thing is wrong, and what must be said of it. */
const wrong: readonly (readonly [string, DataQualityReport, readonly string[]])[] = [
  ["nulls", changed({ distance: numbers((row) => (row % 10 === 0 ? null : normal())) }), ["missing distance"]],
  [
    "NaN and infinities",
    changed({ distance: numbers((row) => (row % 50 === 0 ? [NaN, Infinity, -Infinity][row % 3]! : normal())) }),
    ["not-finite distance"],
  ],
  [
    "a category never seen",
    changed({ carrier: texts((row) => (row % 20 === 0 ? "ZZ" : ["AA", "AA", "B6", "DL"][row % 4]!)) }),
    ["unseen-category carrier"],
  ],
  [
    "numbers out of range",
    changed({ distance: numbers((row) => (row % 20 === 0 ? 1e6 : normal())) }),
    ["range distance"],
  ],
  [
    "negative counts",
    changed({
      stops: column(
        "int32",
        Array.from({ length: rows }, (_, row) => (row % 25 === 0 ? -1 : row % 4)),
      ),
    }),
    ["range stops", "type stops"],
  ],
  [
    "fractions among whole numbers",
    changed({ stops: numbers((row) => (row % 2 === 0 ? row % 4 : 0.5)) }),
    ["type stops"],
  ],
  ["a column that changes its type", changed({ distance: texts((row) => String(row)) }), ["type distance"]],
  ["text where truth was", changed({ night: texts((row) => (row % 2 === 0 ? "yes" : "no")) }), ["type night"]],
  ["a column that is gone", checkDataQuality(profileOf(batchOf(withoutStops)), baseline), ["missing-column stops"]],
  ["a column too many", changed({ gate: texts(() => "A1") }), ["extra-column gate"]],
  ["a shift", changed({ distance: numbers(() => normal() + 1) }), ["drift distance"]],
];

for (const [what, report, checks] of wrong)
  test(`MO-24: crafted traffic raises what is wrong with it and nothing else: ${what}`, () => {
    expect(report.verdict).toBe("issues");
    expect(checksOf(report)).toEqual(checks);
  });

test("MO-24: all six violation kinds of Model Monitor are raised, in the documented file", () => {
  const kinds = wrong.flatMap(([, report]) =>
    parseSageMakerViolations(violationsFile(report)).violations.map(({ check }) => check),
  );
  expect([...new Set(kinds)].toSorted()).toEqual([
    "baseline_drift_check",
    "categorical_values_check",
    "completeness_check",
    "data_type_check",
    "extra_column_check",
    "missing_column_check",
  ]);
  const schema: unknown = JSON.parse(
    readFileSync(new URL("golden/sagemaker-violations.schema.json", import.meta.url), "utf8"),
  );
  for (const [what, report] of wrong)
    expect(new Ajv().validate(schema as object, violationsFile(report)), what).toBe(true);
});

test("a handful of rows raises nothing but what is wrong with the schema, and no rows are no good sign", () => {
  const few = profileOf(
    batchOf({ ...mixedBatch(20, 3).columns, distance: column("float64", new Array<null>(20).fill(null)) }),
  );
  expect(checkDataQuality(few, baseline).verdict).toBe("not-enough-data");
  expect(checkDataQuality({ rows: 0, columns: {} }, baseline).verdict).toBe("no-data");
  expect(checkDataQuality({ rows: 0, columns: {} }, baseline, {}, { requests: 5 }).verdict).toBe("not-enough-data");
  expect(() => checkDataQuality(few, baseline, { missingShare: 2 })).toThrow(RangeError);
});

test("a million categories, and numbers at the ends of the floats, are judged without harm", () => {
  const wide = texts((row) => `user-${row}-${"x".repeat(row % 40)}`);
  expect(checksOf(changed({ carrier: wide }))).toEqual(["unseen-category carrier", "drift carrier"]);
  const extremes = numbers((row) => [Number.MAX_VALUE, -Number.MAX_VALUE, 5e-324, 0, NaN, Infinity][row % 6]!);
  expect(checksOf(changed({ distance: extremes }))).toEqual([
    "not-finite distance",
    "range distance",
    "type distance",
    "drift distance",
  ]);
  const million = batchOf({
    id: column(
      "utf8",
      Array.from({ length: 1_000_000 }, (_, row) => `id-${row}`),
    ),
  });
  const report = checkDataQuality(profileOf(million), baselineOf(profileOf(million)));
  expect(report).toMatchObject({ verdict: "ok", rows: 1_000_000 });
});

const startMs = Date.UTC(2026, 0, 1);
/** A monitor after an hour of requests, with what its data-quality rule says. */
async function afterTraffic(
  limits: DataQualityLimits,
  make: (index: number) => Partial<CapturedPrediction>,
  requests = 600,
): Promise<{ readonly firing: readonly string[]; readonly reports: readonly DataQualityReport[] }> {
  const clock = createManualClock(startMs);
  const reports: DataQualityReport[] = [];
  const rule = dataQualityAlert({
    endpoint: "late",
    baseline,
    limits,
    onReport: (_subject, report) => void reports.push(report),
  });
  await using monitor = openMonitor({ clock, rules: [rule], maxQueue: 100_000 });
  const asked = mixedBatch(requests, 4);
  for (let index = 0; index < requests; index += 1) {
    const features = sliceBatch(asked, index, index + 1);
    monitor.capture({
      requestId: `r${index}`,
      endpoint: "late",
      variant: "main",
      model: { name: "late", digest: digestOf("m") },
      timeMs: clock.nowMs(),
      latencyMs: 3,
      features,
      ...make(index),
    });
    if (index % 10 === 0) await clock.advance(5000);
  }
  const alerts = await monitor.evaluate();
  return { firing: alerts.map(({ name, subject, summary }) => `${name} ${subject}: ${summary}`), reports };
}

test("MO-24: on live traffic the rule is quiet while all is well", async () => {
  const { firing, reports } = await afterTraffic(
    { maxFeatureAgeMs: { "*": 60_000 }, requests: { least: 100, most: 10_000 } },
    () => ({
      featureAgesMs: { flights: [5000] },
    }),
  );
  expect(firing).toEqual([]);
  expect(reports.at(-1)?.verdict).toBe("ok");
});

test("MO-24: on live traffic old features, too few requests and requests that repeat are raised", async () => {
  const limits = { maxFeatureAgeMs: { flights: 60_000 }, requests: { least: 1000 } };
  const { firing, reports } = await afterTraffic(limits, (index) => ({
    requestId: `r${index % 300}`,
    featureAgesMs: { flights: [index % 2 === 0 ? 120_000 : null], weather: [1e9] },
  }));
  expect(checksOf(reports.at(-1)!)).toEqual(["volume", "freshness flights", "duplicates"]);
  expect(firing).toHaveLength(1);
  expect(firing[0]).toContain("data-quality endpoint/late/variant/main: There were 600 requests");
});

test("MO-24: on live traffic a column that changes its type is raised, and the process goes on", async () => {
  const { firing } = await afterTraffic({}, (index) =>
    index < 300
      ? {}
      : { features: batchOf({ ...mixedBatch(1, index).columns, distance: column("utf8", [`${index}`]) }) },
  );
  expect(firing.join()).toContain("distance: The column is utf8, where float64 was the baseline's type.");
});

test("ages of features merge over windows as one sketch", () => {
  const sketcher = createQuantileSketcher();
  sketcher.addAll(Float64Array.of(1, 2, 3));
  const report = checkDataQuality(
    profileOf(current),
    baseline,
    { maxFeatureAgeMs: { v: 2 } },
    { requests: 3, featureAges: { v: sketcher.sketch() } },
  );
  expect(checksOf(report)).toEqual(["freshness v"]);
});
