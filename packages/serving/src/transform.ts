export { type AsOf, createAsOfFeatures, type FeatureHistory } from "./transform/as-of-features.ts";
export type { BatchStrategy } from "./transform/chunks.ts";
export {
  artifactObject,
  type ManifestInput,
  type RowsInput,
  type TransformInput,
  type TransformObject,
} from "./transform/inputs.ts";
export { compareScores, type CompareScoresOptions, type ScoreComparison } from "./transform/compare-scores.ts";
export {
  compareTransforms,
  type CompareTransformsOptions,
  type TransformComparison,
} from "./transform/compare-transforms.ts";
export type { EntityRecords } from "./transform/entity-records.ts";
export type { InvocationPolicy } from "./transform/invoker.ts";
export { type ChunkFigures, type ObjectSummary, readTransformLedger } from "./transform/ledger.ts";
export { compareManifests, type ManifestComparison, type TransformManifest } from "./transform/manifest.ts";
export { transformEnvironment, type TransformOptions, type TransformShape } from "./transform/options.ts";
export type { PaceOptions, TransformWindow } from "./transform/pace.ts";
export { type TransformCost, type TransformSlis, transformSlis } from "./transform/slis.ts";
export type { TransformState, TransformStatus } from "./transform/progress.ts";
export type { SplitType } from "./transform/record-blocks.ts";
export type { DataProcessing } from "./transform/record-format.ts";
export type { RecordErrorPolicy, RecordFailure } from "./transform/run-chunk.ts";
export { startTransform } from "./transform/start-transform.ts";
export {
  createHttpTarget,
  type ExecutionParameters,
  type HttpTargetOptions,
  type Invocation,
  type InvocationAnswer,
  openModelTarget,
  type TransformModelOptions,
  type TransformTarget,
} from "./transform/target.ts";
export { openThreadTarget, type ThreadTargetOptions } from "./transform/thread-target.ts";
export type { MakeThreadTarget } from "./transform/thread-messages.ts";
export type { TransformJob, TransformResult } from "./transform/transform-job.ts";
export {
  publishScores,
  type PublishScoresOptions,
  type ScoredRow,
  type ScoreSink,
} from "./transform/publish-scores.ts";
export {
  createFeatureScoreSink,
  createFileScoreSink,
  createParquetScoreSink,
  type FeatureScoreSinkOptions,
  type FeatureWriter,
  openDatabaseScoreSink,
  type ParquetWriter,
} from "./transform/score-sinks.ts";
