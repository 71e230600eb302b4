import { createManualClock, createRandom, digestOf, type Redactor } from "@millwright/contracts";
import { openMemoryEventLog } from "@millwright/storage";
import {
  batchOf,
  column,
  mergeProfiles,
  profileOf,
  profileToJson,
  quantileOf,
  toSageMakerStatistics,
} from "@millwright/data";
import { expect, test } from "vitest";
import { baselineFiles, baselineOf } from "../src/baseline.ts";
import { checkDataQuality, dataQualityAlert, violationsFile } from "../src/data-quality.ts";
import { featureMetrics, recordMetrics, toEmfLines } from "../src/exporters.ts";
import { compare, createMeter, driftAlert, openMonitor, recommended } from "../src/index.ts";
import {
  createReport,
  diffReports,
  protectProfile,
  reportToHtml,
  reportToJUnit,
  reportToSarif,
} from "../src/reports.ts";

const rows = 3000;
const k = 10;
const random = createRandom(5);
/** Of each rare name one to nine rows: fewer than k. Each is one that appears in nothing else. */
const rareNames = Array.from({ length: 9 }, (_, at) => `rare-person-${at}`);
const common = ["common-a", "common-b", "common-c"];
const names = (unseen: string): string[] => {
  const rare = rareNames.flatMap((name, at) => new Array<string>(at + 1).fill(name));
  return Array.from({ length: rows }, (_, row) => rare[row] ?? (row % 10 === 0 ? unseen : common[row % 3]!));
};
/** Salaries of which one is told from all others. */
const richest = 987_654_321;
const table = (unseen: string) =>
  batchOf({
    name: column("utf8", names(unseen)),
    salary: column(
      "float64",
      Array.from({ length: rows }, (_, row) => (row === 7 ? richest : 50_000 + 5000 * random.normal())),
    ),
  });
const before = profileOf(table("common-a"));
const now = profileOf(table("new-category"));
const leaks = (text: string): string[] =>
  [...rareNames, String(richest), "9.877e+8", "9.8765"].filter((secret) => text.includes(secret));

test("the rows themselves hold what must not be told, so that the tests below can fail", () => {
  expect(leaks(JSON.stringify(profileToJson(before))).length).toBeGreaterThanOrEqual(9);
  expect(leaks(JSON.stringify(toSageMakerStatistics(before))).length).toBeGreaterThanOrEqual(9);
});

test("MO-37: a category of fewer than k rows appears in no output of reports, files or metrics", () => {
  const safe = protectProfile(before, { minimumRows: k });
  const baseline = baselineOf(safe);
  const quality = checkDataQuality(now, baselineOf(before), { minimumCategoryRows: k });
  const report = createReport({ baseline: before, current: now, timeMs: 0, quality, minimumRows: k });
  const earlier = createReport({ baseline: before, current: before, timeMs: 0, minimumRows: k });
  const meter = createMeter();
  const samples = featureMetrics(protectProfile(now, { minimumRows: k }), before);
  recordMetrics(meter, samples, { quality });
  const outputs: Readonly<Record<string, string>> = {
    profile: JSON.stringify(profileToJson(safe)),
    ...Object.fromEntries(Object.entries(baselineFiles(baseline)).map(([name, file]) => [name, JSON.stringify(file)])),
    quality: JSON.stringify(quality),
    violations: JSON.stringify(violationsFile(quality)),
    report: JSON.stringify(report),
    html: reportToHtml(report),
    junit: reportToJUnit(report),
    sarif: JSON.stringify(reportToSarif(report)),
    diff: JSON.stringify(diffReports(earlier, report)),
    drift: JSON.stringify(compare(before, now, recommended())),
    emf: toEmfLines(samples, { dimensions: { Endpoint: "late" }, timeMs: 0 }).join("\n"),
  };
  for (const [name, output] of Object.entries(outputs)) expect(leaks(output), name).toEqual([]);
  // And what many rows have is told.
  for (const name of ["profile", "statistics.json", "report", "html"])
    expect(outputs[name], name).toContain("common-a");
  expect(outputs["quality"]).toContain("new-category");
});

test("MO-37: a category of fewer than k rows appears in no alert, event or metric of a monitor", async () => {
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  const events = openMemoryEventLog();
  const meter = createMeter();
  const rules = [
    driftAlert({ endpoint: "late", baseline: before }),
    dataQualityAlert({ endpoint: "late", baseline: before, limits: { minimumCategoryRows: k, drift: true } }),
  ];
  await using monitor = openMonitor({ clock, rules, events, meter });
  monitor.capture({
    requestId: "r",
    endpoint: "late",
    variant: "main",
    model: { name: "late", digest: digestOf("m") },
    timeMs: clock.nowMs(),
    latencyMs: 1,
    features: table("new-category"),
  });
  const alerts = await monitor.evaluate();
  expect(alerts.map(({ name }) => name)).toContain("data-quality");
  const told: unknown[] = [];
  for await (const { event } of events.read({})) told.push(event);
  expect(told.length).toBeGreaterThan(0);
  for (const output of [JSON.stringify(alerts), JSON.stringify(told), await meter.metrics()])
    expect(leaks(output)).toEqual([]);
});

test("MO-37: on redacted features nothing of them is told at all, and drift of the rest still is", async () => {
  const redactor: Redactor = { redact: (path, value) => (path === "name" ? "***" : value) };
  const clock = createManualClock(0);
  const baseline = profileOf(
    batchOf({ ...table("x").columns, name: column("utf8", new Array<string>(rows).fill("***")) }),
  );
  await using monitor = openMonitor({ clock, redactor, rules: [driftAlert({ endpoint: "late", baseline })] });
  const shifted = batchOf({
    ...table("y").columns,
    salary: Float64Array.from({ length: rows }, () => 90_000 + random.normal()),
  });
  const answer = {
    endpoint: "late",
    variant: "main",
    model: { name: "late", digest: digestOf("m") },
    timeMs: 0,
    latencyMs: 1,
  };
  monitor.capture({ ...answer, requestId: "r", features: shifted });
  const [alert] = await monitor.evaluate();
  expect(alert?.summary).toContain("salary:");
  const { features } = monitor.read("late", "main");
  expect([...features.columns["name"]!.frequent!.counts.keys()]).toEqual(["***"]);
  const page = reportToHtml(createReport({ baseline, current: features, timeMs: 0 }));
  expect([...rareNames, ...common].filter((name) => page.includes(name))).toEqual([]);
});

test("MO-37: a protected profile keeps its totals and shape: it is compared, merged and bucketised no worse than by k rows", () => {
  const safe = protectProfile(before, { minimumRows: k });
  const name = safe.columns["name"]!.frequent!;
  expect(name.total).toBe(rows);
  expect(Math.min(...name.counts.values())).toBeGreaterThanOrEqual(k);
  expect(name.error).toBe(k - 1);
  const { quantiles, moments } = safe.columns["salary"]!;
  expect(quantiles!.count).toBe(rows);
  expect(Math.min(...quantiles!.counts)).toBeGreaterThanOrEqual(k);
  expect(moments!.max).toBeLessThan(richest / 2);
  expect(Math.abs(quantileOf(quantiles!, 0.5) - quantileOf(before.columns["salary"]!.quantiles!, 0.5))).toBeLessThan(
    200,
  );
  expect(compare(before, safe, recommended()).verdict).toBe("ok");
  expect(mergeProfiles(safe, safe).rows).toBe(2 * rows);
  const few = protectProfile(profileOf(batchOf({ x: column("float64", [1, 2, 3]) })), { minimumRows: k });
  expect(few.columns["x"]?.quantiles?.count).toBe(0);
  expect(few.columns["x"]?.moments).toMatchObject({ mean: 0, min: 0, max: 0 });
  expect(() => protectProfile(before, { minimumRows: 0 })).toThrow(RangeError);
});
