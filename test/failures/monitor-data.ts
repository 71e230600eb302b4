import { batchOf, createProfiler, datasetOf, profileOf, profileToJson } from "../../packages/data/dist/index.js";
import * as baselines from "../../packages/monitor/dist/baseline.js";
import * as quality from "../../packages/monitor/dist/data-quality.js";
import * as exporters from "../../packages/monitor/dist/exporters.js";
import { createMeter, openMonitor } from "../../packages/monitor/dist/index.js";
import * as reports from "../../packages/monitor/dist/reports.js";
import { methods, type Subjects, well } from "./subjects.ts";

const batch = batchOf({ km: [1, 2, 3] });
const profile = profileOf(batch);
const baseline = baselines.baselineOf(profile);
const kept = openMonitor();
const view = { nowMs: 1, endpoints: () => ["late"], variants: () => ["main"], read: () => kept.read("late", "main") };
const invalid = (call: () => unknown) => ({ MONITOR_BASELINE_INVALID: call });
const ruleInvalid = (call: () => unknown) => ({ MONITOR_RULE_INVALID: call });
const report = quality.checkDataQuality(profile, baseline);

const made = reports.createReport({ baseline: profile, current: profile, timeMs: 0, quality: report });
const otel = {
  createCounter: () => ({ add: () => {} }),
  createGauge: () => ({ record: () => {} }),
  createHistogram: () => ({ record: () => {} }),
};
const samples = exporters.featureMetrics(profile, profile);
const cloudWatch = { dimensions: { Endpoint: "late" }, timeMs: 0 };
const exportInvalid = (call: () => unknown) => ({ MONITOR_EXPORT_INVALID: call });

const reported: Subjects = {
  createReport: well(reports.createReport, () => [
    { baseline: profile, current: profile, timeMs: 0, title: "t", minimumRows: 2 },
  ]),
  parseReport: well(reports.parseReport, () => [made], { MONITOR_REPORT_INVALID: () => reports.parseReport({}) }),
  diffReports: well(reports.diffReports, () => [made, made, { smallestChange: 0.1 }]),
  reportToHtml: well(reports.reportToHtml, () => [made]),
  reportToJUnit: well(reports.reportToJUnit, () => [made]),
  reportToSarif: well(reports.reportToSarif, () => [made, { path: "a" }]),
  protectProfile: well(reports.protectProfile, () => [profile, { minimumRows: 2 }]),
  featureMetrics: well(exporters.featureMetrics, () => [profile, profile]),
  recordMetrics: well(exporters.recordMetrics, () => [createMeter(), samples, { labels: { a: "b" }, quality: report }]),
  toEmfLines: well(
    exporters.toEmfLines,
    () => [samples, cloudWatch],
    exportInvalid(() => exporters.toEmfLines(samples, { dimensions: { a: "" }, timeMs: 0 })),
  ),
  toPutMetricData: well(
    exporters.toPutMetricData,
    () => [samples, cloudWatch],
    exportInvalid(() => exporters.toPutMetricData(samples, { dimensions: { a: "" }, timeMs: 0 })),
  ),
  createOtelMeter: well(exporters.createOtelMeter, () => [otel]),
  ...methods("createOtelMeter()", () => exporters.createOtelMeter(otel), {
    counter: [() => ["asked_total", { help: "a" }]],
    gauge: [() => ["waiting", { help: "a" }]],
    histogram: [() => ["took_ms", { help: "a", buckets: [1, 2] }]],
  }),
};

/** Baselines, data quality, reports and exporters. */
export async function dataSubjects(folder: string): Promise<Subjects> {
  await baselines.writeBaseline(`${folder}/baseline`, baseline);
  return {
    ...reported,
    createBaseline: well(
      baselines.createBaseline,
      () => [datasetOf([batch]), { unconstrained: ["km"] }],
      invalid(() => baselines.createBaseline(datasetOf([], { schema: [{ name: "km", type: "float64" }] }))),
    ),
    baselineOf: well(
      baselines.baselineOf,
      () => [profile, { maxDomainSize: 5 }],
      invalid(() => baselines.baselineOf(createProfiler([{ name: "km", type: "float64" }]).profile())),
    ),
    baselineOfModel: well(
      baselines.baselineOfModel,
      () => [{ profile: profileToJson(profile) }],
      invalid(() => baselines.baselineOfModel({})),
    ),
    baselineFiles: well(baselines.baselineFiles, () => [baseline]),
    baselineFromFiles: well(
      baselines.baselineFromFiles,
      () => [baselines.baselineFiles(baseline)],
      invalid(() => baselines.baselineFromFiles({})),
    ),
    writeBaseline: well(baselines.writeBaseline, () => [`${folder}/written`, baseline], {}, 20),
    readBaseline: well(
      baselines.readBaseline,
      () => [`${folder}/baseline`],
      invalid(() => baselines.readBaseline(`${folder}/none`)),
    ),
    checkDataQuality: well(quality.checkDataQuality, () => [profile, baseline, { minimumRows: 1 }, { requests: 3 }]),
    violationsOf: well(quality.violationsOf, () => [report]),
    violationsFile: well(quality.violationsFile, () => [report]),
    dataQualityAlert: well(
      quality.dataQualityAlert,
      () => [{ endpoint: "late", baseline, limits: { minimumRows: 1 } }],
      ruleInvalid(() => quality.dataQualityAlert({ endpoint: "late", baseline, windowMs: -1 })),
    ),
    ...methods("dataQualityAlert()", () => quality.dataQualityAlert({ endpoint: "late", baseline }), {
      evaluate: [() => [view]],
    }),
    watch: well(quality.watch, () => [view, { endpoint: "late", periodMs: 1000 }]),
    watchdogAlert: well(
      quality.watchdogAlert,
      () => [{ endpoint: "late", periodMs: 1000, variants: ["main"] }],
      ruleInvalid(() => quality.watchdogAlert({ endpoint: "late", periodMs: -1 })),
    ),
    ...methods("watchdogAlert()", () => quality.watchdogAlert({ endpoint: "late" }), { evaluate: [() => [view]] }),
  };
}
