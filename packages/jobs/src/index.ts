export type { LentGpu } from "./devices/grant.ts";
export { discoverGpus, type DiscoverGpusOptions, type GpuDevice, type GpuDiscovery } from "./devices/nvidia-smi.ts";
export {
  type BatchPlan,
  type CostEstimate,
  type DeploymentPlan,
  estimateBatch,
  estimateDeployment,
  estimateTraining,
  estimateTuning,
  halvingShare,
  type RunTimes,
  type TrainingPlan,
  type TuningPlan,
} from "./costs/cost-estimates.ts";
export { type CostRecord, costsOf, type JobCosts } from "./costs/job-costs.ts";
export { jobHistories, type ToldJob } from "./costs/job-histories.ts";
export {
  type DurationSli,
  type TrainingPage,
  type TrainingRecord,
  type TrainingSlis,
  trainingSlis,
} from "./costs/training-slis.ts";
export { JobsError, type JobsErrorCode } from "./errors.ts";
export { describeFile, type FileDescription } from "./fetch/describe-file.ts";
export type {
  FetchedFile,
  FetcherOptions,
  FetchOptions,
  FetchProgress,
  FetchRequest,
  FileParts,
} from "./fetch/fetch-request.ts";
export { createFetcher, type Fetcher } from "./fetch/fetcher.ts";
export type { HttpFetch, HttpResponse } from "./fetch/http-range.ts";
export type { LogLine, LogOptions } from "./job-logs.ts";
export type { InterruptOptions, Jobs, JobsOptions } from "./jobs.ts";
export { openJobs } from "./open-jobs.ts";
export { type MetricPoint, type MetricSeries, readMetrics } from "./metric-series.ts";
export {
  type ProcessingContext,
  type ProcessingOptions,
  type ProcessingOutput,
  type ProcessingResult,
  type ProcessingSpec,
  runProcessing,
} from "./processing.ts";
export type { JobFile, JobFiles, JobInput, LinkedFile } from "./job-files.ts";
export {
  encodeFrame,
  parseSupervisorFrame,
  parseWorkerFrame,
  protocolVersion,
  type SupervisorFrame,
  type WorkerFailure,
  type WorkerFrame,
  type WorkerPhase,
} from "./protocol.ts";
export type { NoticeOptions } from "./supervision/interruption-notice.ts";
export type { WarmPoolStatus } from "./supervision/warm-pool.ts";
export { jobTimes, type JobTimes, type JobTimesOptions } from "./supervision/job-times.ts";
export { type JobTelemetrySeries, readTelemetry, type TelemetryState } from "./telemetry-series.ts";
export type { CheckpointSyncOptions, CheckpointSyncReport } from "./supervision/checkpoint-sync.ts";
export { runTraining, type TrainingOptions, type TrainingResult } from "./training.ts";
export type { TrainingChannel } from "./channels/training-channel.ts";
export type { TrainingContext, TrainingProgram, TrainingSpec } from "./training-spec.ts";
