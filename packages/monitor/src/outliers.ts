export { type OutlierAlertOptions, outlierAlert } from "./alerts/outlier-rule.ts";
export type { Forest } from "./outliers/isolation-forest.ts";
export {
  type IsolationForestOptions,
  type OutlierModel,
  type OutlierOptions,
  type ReconstructionOutlierOptions,
  fitIsolationForest,
  fitMahalanobis,
  fitReconstructionOutliers,
} from "./outliers/outlier-model.ts";
export { type OutlierRoute, type OutlierScorer, compileOutlierModel } from "./outliers/outlier-scorer.ts";
export type { ScoreColumn } from "./features/standard-scores.ts";
