export type { AcrossWindows } from "./calibration/alpha-schedule.ts";
export type { ColumnEvidence, NullModel } from "./calibration/column-null.ts";
export type { Calendar, Cycle, KnownEvent } from "./calibration/cycle.ts";
export { type Correction, adjustPValues } from "./calibration/multiplicity.ts";
export { type AlarmingKind, type KindOfDriftAlertOptions, kindOfDriftAlert } from "./alerts/kind-of-drift-rule.ts";
export { calibratedDrift } from "./drift/calibrated-drift.ts";
export type { CalibratedDriftOptions } from "./drift/calibrated-options.ts";
export { createDriftMemory, type DriftMemory, type RememberedDrift } from "./drift/drift-memory.ts";
export type { CalibratedMeasure } from "./drift/compare.ts";
export type { DriftMonitor, DriftMonitorFactory, DriftWindow } from "./drift/drift-monitor.ts";
export {
  type DriftKind,
  type KindOfDrift,
  type KindOfDriftEvidence,
  type KindOfDriftOptions,
  type OutcomeWindow,
  kindOfDrift,
} from "./drift/kind-of-drift.ts";
