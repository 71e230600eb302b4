import { createManualClock, digestOf } from "../../packages/contracts/dist/index.js";
import { batchOf, createQuantileSketcher, profileOf } from "../../packages/data/dist/index.js";
import { openArrowCapture, readArrowCapture } from "../../packages/monitor/dist/drivers/arrow.js";
import {
  openNdjsonCapture,
  openNdjsonPredictions,
  readNdjsonCapture,
} from "../../packages/monitor/dist/drivers/ndjson.js";
import { calibratedDrift } from "../../packages/monitor/dist/drift.js";
import * as monitor from "../../packages/monitor/dist/index.js";
import { driftSubjects } from "./monitor-drift.ts";
import { actionSubjects } from "./monitor-actions.ts";
import { statisticsSubjects } from "./monitor-statistics.ts";
import { toolSubjects } from "./monitor-tools.ts";
import { estimationSubjects } from "./monitor-estimation.ts";
import { multivariateSubjects } from "./monitor-multivariate.ts";
import { outlierSubjects } from "./monitor-outliers.ts";
import { sliceSubjects } from "./monitor-slices.ts";
import { openLogSubjects } from "./monitor-log.ts";
import { qualityOfModels } from "./monitor-quality.ts";
import { dataSubjects } from "./monitor-data.ts";
import { sloSubjects } from "./monitor-slo.ts";
import { detectorSubjects } from "./monitor-detectors.ts";
import { alertmanagerSubjects, closeAlertmanager } from "./monitor-alertmanager.ts";
import { alertSubjects } from "./monitor-alerts.ts";
import { injectionSubjects } from "./monitor-injection.ts";
import { backtestSubjects } from "./monitor-backtest.ts";
import { dashboardSubjects } from "./monitor-dashboards.ts";
import { deploymentSubjects } from "./monitor-deployments.ts";
import { type FailureTable, methods, type Subjects, well } from "./subjects.ts";

const counts = [3, 4, 5];
const sketcher = createQuantileSketcher(64);
sketcher.addAll(Float64Array.of(1, 2, 3));
const sketch = sketcher.sketch();
const profile = profileOf(batchOf({ km: [1, 2, 3] }));
const clock = createManualClock(1_000_000);
const sli = monitor.errorIndicator({ endpoint: "late" });
const slo = monitor.defineSlo({ name: "answers", objective: 0.99, sli });
const totals = monitor.createEventCounts({ periodMs: 1_000, bucketMs: 100 });
const open = () => monitor.openMonitor({ clock, slos: [slo] });
const kept = open();
const prediction = {
  endpoint: "late",
  variant: "main",
  model: { name: "late", digest: digestOf("m") },
  latencyMs: 1,
  timeMs: 0,
  requestId: "r1",
};
const tensors = { x: { dtype: "float32", shape: [1], data: Float32Array.of(1) } };
const meter = monitor.createMeter();
const view = { nowMs: 1, endpoints: () => ["late"], variants: () => ["main"], read: () => kept.read("late", "main") };

const countsInvalid = (call: () => unknown) => ({ MONITOR_COUNTS_INVALID: call });
const empty = (call: () => unknown) => ({ MONITOR_SAMPLE_EMPTY: call });
const ruleInvalid = (call: () => unknown) => ({ MONITOR_RULE_INVALID: call });
const sloInvalid = (call: () => unknown) => ({ MONITOR_SLO_INVALID: call });

const paired = { ...monitor };
const pairs = [
  "populationStability",
  "jensenShannon",
  "hellinger",
  "largestDifference",
  "chiSquaredContingency",
] as const;

const statistics: Subjects = {
  ...Object.fromEntries(
    [...pairs, "chiSquaredFit" as const].map((name) => [
      name,
      well(paired[name], () => [counts, counts], {
        ...countsInvalid(() => paired[name]([1], [1, 2])),
        ...empty(() => paired[name]([0, 0], [1, 2])),
      }),
    ]),
  ),
  twoProportions: well(
    monitor.twoProportions,
    () => [1, 10, 2, 10],
    empty(() => monitor.twoProportions(0, 0, 1, 2)),
  ),
  wilsonInterval: well(monitor.wilsonInterval, () => [1, 10, 1.96]),
  benjaminiHochberg: well(monitor.benjaminiHochberg, () => [[0.1, 0.2]]),
  kolmogorovSmirnov: well(monitor.kolmogorovSmirnov, () => [[1, 2], [2, 3], { method: "exact" }], {
    ...empty(() => monitor.kolmogorovSmirnov([], [1])),
    MONITOR_SAMPLE_INVALID: () => monitor.kolmogorovSmirnov([1, Number.NaN], [1]),
  }),
  kolmogorovSmirnovPValue: well(monitor.kolmogorovSmirnovPValue, () => [0.5, 10, 10]),
  wasserstein: well(
    monitor.wasserstein,
    () => [
      [1, 2],
      [2, 3],
    ],
    empty(() => monitor.wasserstein([1], [])),
  ),
  sketchDistance: well(monitor.sketchDistance, () => [sketch, sketch]),
  equalShareBins: well(monitor.equalShareBins, () => [sketch, sketch, 4]),
  compare: well(monitor.compare, () => [profile, profile, monitor.recommended()]),
  recommended: well(monitor.recommended),
};

const rules: Subjects = {
  defineSlo: well(
    monitor.defineSlo,
    () => [{ name: "x", objective: 0.9, sli, periodMs: 30 * 86_400_000, profile: monitor.googleProfile() }],
    sloInvalid(() => monitor.defineSlo({ name: "x", objective: 2, sli })),
  ),
  errorIndicator: well(monitor.errorIndicator, () => [{ endpoint: "late", variant: "main" }]),
  latencyIndicator: well(monitor.latencyIndicator, () => [{ endpoint: "late", thresholdMs: 5 }]),
  googleProfile: well(monitor.googleProfile),
  slothProfile: well(monitor.slothProfile),
  pyrraProfile: well(monitor.pyrraProfile),
  rescaleProfile: well(monitor.rescaleProfile, () => [monitor.googleProfile(), 1_000, 500]),
  subjectOf: well(monitor.subjectOf, () => ["late", "main"]),
  readSlo: well(monitor.readSlo, () => [slo, totals, 1_000]),
  createEventCounts: well(monitor.createEventCounts, () => [{ periodMs: 1_000, bucketMs: 100 }]),
  errorRateAlert: well(
    monitor.errorRateAlert,
    () => [{ endpoint: "late", threshold: 0.5, minimumRequests: 2, windowMs: 1_000 }],
    ruleInvalid(() => monitor.errorRateAlert({ endpoint: "late", threshold: 7 })),
  ),
  latencyAlert: well(
    monitor.latencyAlert,
    () => [{ endpoint: "late", thresholdMs: 5, slowShare: 0.5 }],
    ruleInvalid(() => monitor.latencyAlert({ endpoint: "late", thresholdMs: -1 })),
  ),
  predictionShiftAlert: well(monitor.predictionShiftAlert, () => [{ endpoint: "late", against: profile }]),
  qualityAlert: well(monitor.qualityAlert, () => [{ endpoint: "late", metric: "brier", against: 0.2 }]),
  evidenceOf: well(monitor.evidenceOf, () => [view, 1_000, 5]),
  driftAlert: well(
    monitor.driftAlert,
    () => [{ endpoint: "late", baseline: profile }],
    ruleInvalid(() => monitor.driftAlert({ endpoint: "late", monitor: calibratedDrift(), windowMs: 1000 })),
  ),
  ...methods("errorRateAlert()", () => monitor.errorRateAlert({ endpoint: "late" }), { evaluate: [() => [view]] }),
  ...methods("latencyAlert()", () => monitor.latencyAlert({ endpoint: "late", thresholdMs: 5 }), {
    evaluate: [() => [view]],
  }),
};

const watching: Subjects = {
  openMonitor: well(
    monitor.openMonitor,
    () => [{ clock, slos: [slo], rules: [monitor.errorRateAlert({ endpoint: "late" })], sampleShare: 1 }],
    {
      ...ruleInvalid(() => {
        const rule = monitor.errorRateAlert({ endpoint: "late" });
        return monitor.openMonitor({ clock, rules: [rule, rule] });
      }),
      ...sloInvalid(() => monitor.openMonitor({ clock, slos: [slo, slo] })),
      MONITOR_STATE_INVALID: () => monitor.openMonitor({ clock, state: {} }),
      MONITOR_QUALITY_INVALID: () =>
        monitor.openMonitor({ clock, quality: { late: { kind: "classes", output: "late", classes: ["a"] } } }),
    },
  ),
  ...methods("openMonitor()", () => kept, {
    capture: [() => [prediction]],
    captureTensors: [() => [{ ...prediction, inputs: tensors, outputs: tensors }]],
    label: [() => [{ requestId: "r1", value: 1, timeMs: 2 }]],
    alerts: [() => ["late", {}]],
    changes: [() => ["late", { signal: AbortSignal.timeout(5) }], {}, 0],
    evaluate: [() => [2]],
    count: [() => ["answers", 1, 2, 5], { MONITOR_SLO_UNKNOWN: () => kept.count("other", 1, 1) }],
    slo: [() => ["answers", 3], { MONITOR_SLO_UNKNOWN: () => kept.slo("other") }],
    read: [() => ["late", "main", { windowMs: 1_000, nowMs: 5 }]],
    deployments: [],
    counts: [],
    flush: [],
    state: [() => [{ fromMs: 5 }]],
    merge: [() => ["elsewhere", kept.state()], { MONITOR_STATE_INVALID: () => kept.merge("elsewhere", {}) }, 20],
  }),
  createMeter: well(monitor.createMeter),
  ...methods("createMeter()", () => meter, {
    counter: [() => ["asked_total", { help: "a" }]],
    gauge: [() => ["waiting", { help: "a" }]],
    histogram: [() => ["took_ms", { help: "a", buckets: [1, 2] }]],
    metrics: [],
  }),
  ...methods("createMeter().counter()", () => meter.counter("a_total", { help: "a" }), {
    add: [() => [1]],
  }),
  ...methods("createMeter().gauge()", () => meter.gauge("a", { help: "a" }), {
    set: [() => [1]],
    onRead: [() => [() => {}]],
  }),
  ...methods("createMeter().histogram()", () => meter.histogram("a_ms", { help: "a" }), {
    observe: [() => [1]],
  }),
};

export async function openTable(folder: string): Promise<FailureTable> {
  const writer = await openNdjsonCapture({ directory: `${folder}/capture` });
  await writer.write([{ a: 1 }]);
  const arrow = await openArrowCapture({ directory: `${folder}/arrow` });
  const log = await openLogSubjects(folder);
  const table = {
    endpoint: "late",
    variant: "main",
    model: prediction.model,
    requestIds: ["r1"],
    timesMs: Float64Array.of(1),
    latenciesMs: Float64Array.of(1),
    rowCounts: Uint32Array.of(1),
    features: batchOf({ km: [1] }),
    outputs: batchOf({ late: [0.5] }),
  };
  return {
    subjects: {
      ...statistics,
      ...statisticsSubjects,
      ...toolSubjects,
      ...driftSubjects,
      ...(await actionSubjects()),
      ...rules,
      ...watching,
      ...backtestSubjects(),
      ...injectionSubjects(),
      ...detectorSubjects(),
      ...estimationSubjects,
      ...multivariateSubjects,
      ...outlierSubjects,
      ...sliceSubjects,
      ...qualityOfModels,
      ...log.subjects,
      ...(await dataSubjects(folder)),
      ...sloSubjects,
      ...alertSubjects,
      ...alertmanagerSubjects,
      ...dashboardSubjects,
      ...deploymentSubjects,
      openNdjsonCapture: well(
        openNdjsonCapture,
        () => [{ directory: `${folder}/more`, segmentBytes: 100, clock }],
        {},
        30,
      ),
      readNdjsonCapture: well(readNdjsonCapture, () => [`${folder}/capture`], {
        MONITOR_CAPTURE_UNREADABLE: async () => {
          for await (const _ of readNdjsonCapture(`${folder}/none`)) return;
        },
      }),
      openArrowCapture: well(
        openArrowCapture,
        () => [{ directory: `${folder}/more-arrow`, segmentBytes: 100, clock }],
        {},
        30,
      ),
      readArrowCapture: well(readArrowCapture, () => [`${folder}/arrow`], {
        MONITOR_CAPTURE_UNREADABLE: async () => {
          for await (const _ of readArrowCapture(`${folder}/none`)) return;
        },
      }),
      ...methods("openArrowCapture()", () => arrow, {
        write: [() => [[{ a: 1 }]], {}, 20],
        writeTable: [() => [table], {}, 20],
      }),
      openNdjsonPredictions: well(openNdjsonPredictions, () => [{ directory: `${folder}/capture` }]),
      ...methods("openNdjsonPredictions()", () => openNdjsonPredictions({ directory: `${folder}/capture` }), {
        findAll: [() => [["r1"], { features: ["km"] }], {}, 20],
        find: [
          () => ["r1"],
          { MONITOR_CAPTURE_UNREADABLE: () => openNdjsonPredictions({ directory: `${folder}/none` }).find("r1") },
          20,
        ],
      }),
      ...methods("openNdjsonCapture()", () => writer, {
        write: [() => [[{ a: 1 }]], {}, 20],
        writeTable: [() => [table], {}, 20],
      }),
    },
    elsewhere: {
      MONITOR_LOG_CONFLICT: "packages/monitor/test/prediction-log.test.ts",
      MONITOR_WRITE_FAILED: "packages/monitor/test/capture-full-disk.test.ts",
    },
    [Symbol.asyncDispose]: async () => {
      await kept[Symbol.asyncDispose]();
      await closeAlertmanager();
      await writer[Symbol.asyncDispose]();
      await arrow[Symbol.asyncDispose]();
      await log[Symbol.asyncDispose]();
    },
  };
}
