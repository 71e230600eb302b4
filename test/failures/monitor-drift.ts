import { batchOf, profileOf } from "../../packages/data/dist/index.js";
import * as drift from "../../packages/monitor/dist/drift.js";
import { rowsView } from "./monitor-rows-view.ts";
import { methods, type Subjects, well } from "./subjects.ts";

const dayMs = 86_400_000;
const windows = Array.from({ length: 12 }, (_, day) => ({
  startMs: day * dayMs,
  endMs: (day + 1) * dayMs,
  profile: profileOf(batchOf({ km: Array.from({ length: 20 }, (__, row) => Math.sin(day * 20 + row)) })),
}));
const options: drift.CalibratedDriftOptions = {
  alpha: 0.05,
  minimumSamples: 10,
  correction: "hierarchical",
  groups: { distances: ["km"] },
  acrossWindows: { kind: "spending", windows: 10 },
  persistence: { windows: 2, of: 3 },
  calendar: { holidays: ["2026-12-25"], events: [{ name: "sale", fromMs: 1, toMs: 2 }], utcOffsetMs: 3_600_000 },
};

const outcomes = {
  features: batchOf({ km: [1, 2, 3, 4], place: ["a", "b", "a", "b"] }),
  predictions: [0.1, 0.9, 0.2, 0.8],
  labels: [0, 1, 0, 1],
};

const remembered = {
  formatVersion: 1,
  variants: { main: { judgedMs: [0, 1], driftedMs: { x: [1] }, acceptedMs: {} } },
};

/** What `@millwright/monitor/drift` exports. */
export const driftSubjects: Subjects = {
  calibratedDrift: well(drift.calibratedDrift, () => [options], {
    MONITOR_PARAMETER_INVALID: () => drift.calibratedDrift({ alpha: 2 }),
    MONITOR_HISTORY_INVALID: () => drift.calibratedDrift()(windows.toReversed()),
  }),
  ...methods("calibratedDrift()()", () => drift.calibratedDrift(options)(windows.slice(0, 11)), {
    judge: [() => [windows[11]]],
  }),
  createDriftMemory: well(drift.createDriftMemory, () => [remembered], {
    MONITOR_STATE_INVALID: () => drift.createDriftMemory({ formatVersion: 2 }),
  }),
  ...methods("createDriftMemory()", () => drift.createDriftMemory(remembered), {
    remembered: [() => ["main"]],
    remember: [() => ["main", remembered.variants.main]],
    accept: [() => ["main", 1, "x"]],
    state: [() => []],
  }),
  adjustPValues: well(drift.adjustPValues, () => [[0.1, Number.NaN, 0.2], "hierarchical", ["a", "a", "b"]]),
  kindOfDriftAlert: well(
    drift.kindOfDriftAlert,
    () => [
      { endpoint: "late", output: "probability", reference: outcomes, kinds: ["prior"], bins: 2, minimumSamples: 4 },
    ],
    { MONITOR_RULE_INVALID: () => drift.kindOfDriftAlert({ endpoint: "late", output: "probability", kinds: [] }) },
  ),
  ...methods(
    "kindOfDriftAlert()",
    () => drift.kindOfDriftAlert({ endpoint: "late", output: "probability", minimumSamples: 20 }),
    { evaluate: [() => [rowsView()]] },
  ),
  kindOfDrift: well(
    drift.kindOfDrift,
    () => [outcomes, outcomes, { alpha: 0.05, minimumSamples: 2, bins: 2, minimumChange: 0.1 }],
    { MONITOR_ROWS_INVALID: () => drift.kindOfDrift(outcomes, { ...outcomes, predictions: [1] }) },
  ),
};
