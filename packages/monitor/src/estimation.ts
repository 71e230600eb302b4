export {
  type EstimatedMetric,
  type EstimatedQualityAlertOptions,
  type QualityEstimator,
  estimatedQualityAlert,
} from "./alerts/estimation-rule.ts";
export type { BinaryMetric } from "./estimation/binary-metrics.ts";
export {
  type CalibrationOptions,
  type CbpeOptions,
  type ConfidenceEstimate,
  type ConfidenceEstimator,
  type LabelledScores,
  type Numbers,
  estimateCbpe,
  fitCbpe,
} from "./estimation/confidence-based.ts";
export {
  type DirectLossEstimator,
  type DirectLossOptions,
  type LossModel,
  type PredictedRows,
  type RegressionMetric,
  type RowLoss,
  estimateDirectLoss,
  fitDirectLoss,
} from "./estimation/direct-loss.ts";
export {
  type LabelledClasses,
  type MulticlassEstimate,
  type MulticlassEstimator,
  type MulticlassMetric,
  estimateMulticlassCbpe,
  fitMulticlassCbpe,
} from "./estimation/multiclass.ts";
export type {
  BlindSpot,
  EstimationOptions,
  MetricEstimate,
  MetricReference,
  PerformanceEstimate,
} from "./estimation/performance-estimate.ts";
