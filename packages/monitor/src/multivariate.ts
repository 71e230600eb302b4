export {
  type DomainClassification,
  type DomainClassifierOptions,
  classifyDomains,
} from "./multivariate/domain-classifier.ts";
export {
  type ColumnImpact,
  type DriftImpactOptions,
  type DriftImpactReport,
  rankDriftImpact,
} from "./multivariate/drift-impact.ts";
export {
  type KernelTest,
  type KernelTestOptions,
  leastSquaresDensityDifference,
  maximumMeanDiscrepancy,
} from "./multivariate/kernel-tests.ts";
export {
  type DomainClassifierDriftOptions,
  type KernelDriftOptions,
  type ReconstructionDriftOptions,
  densityDifferenceDrift,
  domainClassifierDrift,
  meanDiscrepancyDrift,
  reconstructionDrift,
} from "./multivariate/multivariate-monitors.ts";
export {
  type Reconstruction,
  type ReconstructionOptions,
  fitReconstruction,
  reconstructionErrors,
} from "./multivariate/reconstruction.ts";
export type { Feature } from "./features/feature-table.ts";
export type { ScoreColumn } from "./features/standard-scores.ts";
