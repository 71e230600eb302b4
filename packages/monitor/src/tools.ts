export { type AlibiOptions, alibiProfile } from "./tools/alibi.ts";
export {
  type Chunk,
  type ChunkOptions,
  type Incomplete,
  type MinimumChunkOptions,
  type Period,
  type SlidingOptions,
  chunksByCount,
  chunksByPeriod,
  chunksBySize,
  minimumChunkSize,
  slidingChunks,
} from "./tools/chunks.ts";
export {
  type ColumnVerdict,
  type DatasetDrift,
  type DatasetDriftOptions,
  datasetDrift,
} from "./tools/dataset-drift.ts";
export { type EvidentlyOptions, evidentlyProfile } from "./tools/evidently.ts";
export type { CategoricalMethod, ContinuousMethod } from "./tools/nannyml-methods.ts";
export { type NannymlOptions, nannymlProfile } from "./tools/nannyml.ts";
export { type SagemakerOptions, sagemakerProfile } from "./tools/sagemaker.ts";
export {
  type AdaptiveOptions,
  type BootstrapOptions,
  type ClipOptions,
  type Limits,
  type QuantileThresholdOptions,
  type StandardDeviationOptions,
  type ThresholdStrategy,
  adaptiveThreshold,
  bootstrapThreshold,
  clipLimits,
  constantThreshold,
  isBeyond,
  quantileThreshold,
  standardDeviationThreshold,
} from "./tools/thresholds.ts";
export type { ColumnKind, ToolChunk, ToolColumn, ToolProfile, ToolReport } from "./tools/tool-profile.ts";
export { toolMonitor } from "./tools/tool-monitor.ts";
