export type { ConversionLoss, ImportedStudy } from "./interop/losses.ts";
export { type SqlQuery, readOptunaDatabase, writeOptunaDatabase } from "./interop/optuna-database.ts";
export { type OptunaDistribution, type OptunaParameter, fromOptuna, toOptuna } from "./interop/optuna-distributions.ts";
export { readOptunaJournal, writeOptunaJournal } from "./interop/optuna-journal.ts";
export { type RayImportOptions, readRayResults } from "./interop/ray.ts";
export {
  type ImportedTuningJob,
  type SageMakerTrainingSummary,
  type SageMakerTuningConfig,
  type SageMakerTuningOptions,
  fromSageMakerTrainingJobs,
  fromSageMakerTuningJob,
  toSageMakerTuningJob,
} from "./interop/sagemaker-job.ts";
export {
  type SageMakerRange,
  type SageMakerRanges,
  fromSageMakerRanges,
  toSageMakerRanges,
} from "./interop/sagemaker-ranges.ts";
