import * as slo from "../../packages/monitor/dist/slo.js";
import { type Method, type Subjects, methods, well } from "./subjects.ts";

const day = 86_400_000;
const objective = slo.defineObjective({ name: "late", objective: 0.99, profile: slo.googleProfile() });
const counters = slo.servingErrorCounters("late");
const given = { objective, counters, service: "late" };
const trace = [{ bad: 1, total: 2 }, undefined, { bad: 0, total: 3 }];
const counts = () => slo.createSloCounts(objective);
const invalid = (call: () => unknown) => ({ MONITOR_SLO_INVALID: call });
const stateInvalid = (call: () => unknown) => ({ MONITOR_SLO_STATE_INVALID: call });
const sliced = slo.defineObjective({ name: "slices", objective: 0.9, slices: { lengthMs: 60_000, target: 0.9 } });

const objectives: Subjects = {
  defineObjective: well(
    slo.defineObjective,
    () => [
      { name: "x", objective: 0.9, calendar: { unit: "month", timeZone: "Europe/Berlin" }, lowTraffic: { wilsonZ: 2 } },
    ],
    invalid(() => slo.defineObjective({ name: "x", objective: 2 })),
  ),
  createSloCounts: well(
    slo.createSloCounts,
    () => [objective, { bucketMs: 60_000 }],
    stateInvalid(() => slo.createSloCounts(objective, { state: { formatVersion: 2 } as never })),
  ),
  readObjective: well(slo.readObjective, () => [objective, counts(), day]),
  readBudget: well(slo.readBudget, () => [objective, counts(), day, { recentMs: 60_000 }]),
  sustainedProfile: well(slo.sustainedProfile, () => [{ burnRate: 3, forMs: 60_000 }]),
  sustainedLatencyProfile: well(slo.sustainedLatencyProfile, () => [{ forMs: 60_000 }]),
  thresholdOf: well(slo.thresholdOf, () => [0.99, { burnRate: 2 }]),
  calendarSpan: well(slo.calendarSpan, () => [{ unit: "month", timeZone: "UTC" }, day]),
  ...methods("createEventCounts()", () => slo.createEventCounts({ periodMs: 1_000, bucketMs: 100 }), {
    add: [() => [5, 1, 2]],
    totals: [() => [500, 900]],
    between: [() => [0, 900]],
    slices: [() => [500, 900]],
    state: [],
  }),
};

const exported: Subjects = {
  servingErrorCounters: well(slo.servingErrorCounters, () => ["late", { variant: "main" }]),
  histogramCounters: well(slo.histogramCounters, () => ["latency_seconds", 0.5, { endpoint: "late" }]),
  prometheusDuration: well(slo.prometheusDuration, () => [60_000]),
  prometheusRules: well(slo.prometheusRules, () => [[given], { intervalMs: 60_000 }], {
    MONITOR_SLO_UNTRANSLATABLE: () => slo.prometheusRules([{ ...given, objective: sliced }]),
    ...invalid(() => slo.prometheusRules([given, given])),
  }),
  prometheusRulesYaml: well(slo.prometheusRulesYaml, () => [[given]]),
  promtoolTests: well(slo.promtoolTests, () => [given, trace, { rulesFile: "rules.yml", startAt: 5 }]),
  replayTrace: well(slo.replayTrace, () => [objective, trace]),
};

const empty = (call: () => unknown) => ({ MONITOR_SAMPLE_EMPTY: call });
const averaged = (call: () => unknown) => ({ MONITOR_PERCENTILE_AVERAGED: call });
const recorder = slo.createLatencyRecorder({ load: "open" });
recorder.record(5);
const histogram = recorder.histogram();
const state = { left: 0.5, objective: 0.999, periodMs: day };
const plan = { model: "late/2", traffic: { type: "canary", share: 0.01, bakeMs: 1 } };
const gate = () => slo.deploymentBudgetGate({ budget: () => state });

/** Beside the `toString` of every object, the checker takes the name for something else. */
const text: Readonly<Record<string, Method>> = { ["toString" as string]: [] };

const indicators: Subjects = {
  createLatencyRecorder: well(slo.createLatencyRecorder, () => [{ load: "closed", expectedIntervalMs: 10 }]),
  ...methods("createLatencyRecorder()", () => slo.createLatencyRecorder({ load: "open" }), {
    record: [() => [5]],
    histogram: [],
  }),
  mergeLatencies: well(
    slo.mergeLatencies,
    () => [histogram, histogram],
    averaged(() => slo.mergeLatencies(5 as never)),
  ),
  percentileOf: well(slo.percentileOf, () => [histogram, 99], {
    ...empty(() => slo.percentileOf(slo.createLatencyRecorder({ load: "open" }).histogram(), 99)),
    ...averaged(() => +slo.percentileOf(histogram, 99)),
  }),
  ...methods("percentileOf()", () => slo.percentileOf(histogram, 99), { isOver: [() => [5]], ...text }),
  withinThreshold: well(slo.withinThreshold, () => [histogram, 5]),
  createRetryCounts: well(slo.createRetryCounts, () => [{ settleMs: 1_000, maxOpen: 5 }]),
  ...methods("createRetryCounts()", () => slo.createRetryCounts(), {
    attempt: [() => [{ key: "r1", timeMs: 5, ok: true }]],
    settle: [() => [5]],
    totals: [],
  }),
  createQualityBudget: well(
    slo.createQualityBudget,
    () => [{ name: "x", objective: 0.9, miscalibration: 0.1 }],
    invalid(() => slo.createQualityBudget({ name: "x", objective: 2 })),
  ),
  ...methods("createQualityBudget()", () => slo.createQualityBudget({ name: "x", objective: 0.9 }), {
    predicted: [() => ["r1", 5, 0.9]],
    labelled: [() => ["r1", true]],
    status: [() => [5]],
  }),
  deploymentAllowance: well(slo.deploymentAllowance, () => [state, "release", { minimum: 0.2 }]),
  deploymentBudgetGate: well(slo.deploymentBudgetGate, () => [{ budget: () => state, minimum: 0.2 }]),
  ...methods("deploymentBudgetGate()", gate, {
    check: [() => [{ endpoint: "late", plan }, { signal: new AbortController().signal }]],
  }),
  measureSli: well(
    slo.measureSli as (sli: slo.Sli, observed: unknown) => slo.SliReading,
    () => [{ type: "ratio" }, { good: 1, total: 2 }],
    empty(() => slo.measureSli({ type: "cost", maximumPerUnit: 1 }, [{ cost: 1, units: 0 }])),
  ),
  createObjectiveTable: well(slo.createObjectiveTable, () => [[objective], { bucketMs: 600_000 }], {
    ...invalid(() => slo.createObjectiveTable([])),
    MONITOR_SLO_UNTRANSLATABLE: () => slo.createObjectiveTable([sliced]),
  }),
  ...methods("createObjectiveTable()", () => slo.createObjectiveTable([objective], { bucketMs: 600_000 }), {
    add: [() => [0, 5, 1, 2]],
    evaluate: [() => [5]],
  }),
  metricTemplates: well(slo.metricTemplates, () => [{ latencyMs: 50 }]),
};

const openSlo = slo.openSloOf([given]);
const noOpenSlo = (call: () => unknown) => ({ MONITOR_OPENSLO_INVALID: call });
const untranslatable = (call: () => unknown) => ({ MONITOR_SLO_UNTRANSLATABLE: call });
const tableOf = (profile: readonly slo.BurnRateRow[], days: number) => ({
  ...given,
  objective: slo.defineObjective({ name: "x", objective: 0.9, profile, periodMs: days * day, minimumEvents: 0 }),
});

const exchanged: Subjects = {
  parseOpenSlo: well(
    slo.parseOpenSlo,
    () => [slo.formatOpenSlo(openSlo)],
    noOpenSlo(() => slo.parseOpenSlo("kind: Pod")),
  ),
  formatOpenSlo: well(
    slo.formatOpenSlo,
    () => [openSlo],
    noOpenSlo(() => slo.formatOpenSlo([{ ...openSlo[0]!, kind: "Pod" as never }])),
  ),
  objectivesOfOpenSlo: well(slo.objectivesOfOpenSlo, () => [openSlo], {
    ...noOpenSlo(() =>
      slo.objectivesOfOpenSlo([
        { ...openSlo[0]!, metadata: { name: "x", annotations: { "millwright.dev/objective": "?" } } },
      ]),
    ),
  }),
  openSloOf: well(
    slo.openSloOf,
    () => [[given]],
    untranslatable(() => slo.openSloOf([{ ...given, objective: { ...objective, periodMs: 7 } }])),
  ),
  slothSpec: well(
    slo.slothSpec,
    () => [[tableOf(slo.slothProfile(), 30)]],
    untranslatable(() => slo.slothSpec([given])),
  ),
  pyrraObjects: well(
    slo.pyrraObjects,
    () => [[tableOf(slo.pyrraProfile(), 28)]],
    untranslatable(() => slo.pyrraObjects([given])),
  ),
};

export const sloSubjects: Subjects = { ...objectives, ...exported, ...indicators, ...exchanged };
