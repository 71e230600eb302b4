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
} from "./statistics/count-tests.ts";
export { MonitorError, type MonitorErrorCode } from "./errors.ts";
export {
  type KolmogorovSmirnovOptions,
  kolmogorovSmirnov,
  kolmogorovSmirnovPValue,
  wasserstein,
} from "./statistics/sample-tests.ts";
export type { TestResult } from "./statistics/samples.ts";
export {
  type ColumnDrift,
  type DriftBaseline,
  type DriftMeasures,
  type DriftReport,
  type DriftVerdict,
  type MultivariateReading,
  compare,
} from "./drift/compare.ts";
export type { DriftMonitor, DriftMonitorFactory, DriftWindow } from "./drift/drift-monitor.ts";
export { type DriftPolicy, recommended } from "./drift/drift-policy.ts";
export { type EventCounts, type EventTotals, createEventCounts } from "./slo/event-counts.ts";
export { type AlignedCounts, type SketchDistance, equalShareBins, sketchDistance } from "./drift/sketch-distance.ts";
export { type BurnRateRow, googleProfile, pyrraProfile, rescaleProfile, slothProfile } from "./slo/profiles.ts";
export { type BurnRateReading, type SloStatus, readSlo } from "./slo/slo-status.ts";
export {
  type AnsweredRequests,
  type Indicator,
  type Slo,
  type SloOptions,
  defineSlo,
  errorIndicator,
  latencyIndicator,
  subjectOf,
} from "./slo/slo.ts";
export {
  type BaselineDriftOptions,
  type DriftAlertOptions,
  type StreamDriftOptions,
  driftAlert,
} from "./alerts/drift-rule.ts";
export type { Finding } from "./alerts/alert-book.ts";
export {
  type AlertRule,
  evidenceOf,
  type MonitorView,
  type RuleOptions,
  type VariantReading,
} from "./alerts/alert-rule.ts";
export type { CapturedTable, CaptureWriter } from "./capture/capture-writer.ts";
export type { SampledRows } from "./capture/row-sample.ts";
export { type PrometheusMeter, createMeter } from "./metrics/meter.ts";
export {
  type PredictionShiftOptions,
  type QualityAlertOptions,
  type QualityMetric,
  predictionShiftAlert,
  qualityAlert,
} from "./alerts/model-rules.ts";
export { openMonitor } from "./monitor.ts";
export type { Monitor, MonitorCounts, MonitorOptions, RowsOptions } from "./monitor-options.ts";
export type { Estimate, Quality, QualityOptions } from "./quality/quality.ts";
export { type ErrorRateOptions, type LatencyOptions, errorRateAlert, latencyAlert } from "./alerts/traffic-rules.ts";
export type { AnswerSource, FindAnswersOptions } from "./capture/answer-lookup.ts";
