export {
  type Counts,
  benjaminiHochberg,
  chiSquaredContingency,
  chiSquaredFit,
  hellinger,
  jensenShannon,
  largestDifference,
  populationStability,
  twoProportions,
  wilsonInterval,
} from "./count-tests.ts";
export { MonitorError, type MonitorErrorCode } from "./errors.ts";
export {
  type KolmogorovSmirnovOptions,
  type TestResult,
  kolmogorovSmirnov,
  kolmogorovSmirnovPValue,
  wasserstein,
} from "./sample-tests.ts";
export {
  type ColumnDrift,
  type DriftBaseline,
  type DriftMeasures,
  type DriftReport,
  type DriftVerdict,
  compare,
} from "./compare.ts";
export { type DriftPolicy, recommended } from "./drift-policy.ts";
export { type EventCounts, type EventTotals, createEventCounts } from "./event-counts.ts";
export { type AlignedCounts, type SketchDistance, equalShareBins, sketchDistance } from "./sketch-distance.ts";
export {
  type BurnRateReading,
  type BurnRateRow,
  type Indicator,
  type Slo,
  type SloOptions,
  type SloStatus,
  defineSlo,
  errorIndicator,
  googleProfile,
  latencyIndicator,
  pyrraProfile,
  readSlo,
  rescaleProfile,
  slothProfile,
  subjectOf,
} from "./slo.ts";
export type { Finding } from "./alert-book.ts";
export type { AlertRule, MonitorView, RuleOptions, VariantReading } from "./alert-rule.ts";
export type { CapturedTable, CaptureWriter } from "./capture-writer.ts";
export { type PrometheusMeter, createMeter } from "./meter.ts";
export {
  type DriftAlertOptions,
  type PredictionShiftOptions,
  type QualityAlertOptions,
  driftAlert,
  predictionShiftAlert,
  qualityAlert,
} from "./model-rules.ts";
export { type Monitor, type MonitorCounts, type MonitorOptions, openMonitor } from "./monitor.ts";
export type { Estimate, Quality, QualityOptions } from "./quality.ts";
export { type ErrorRateOptions, type LatencyOptions, errorRateAlert, latencyAlert } from "./traffic-rules.ts";
