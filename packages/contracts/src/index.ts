export { abortable } from "./abortable.ts";
export type { Alert, AlertEvidence, AlertSource } from "./alert-source.ts";
export type { ArtifactInfo, ArtifactStore } from "./artifact-store.ts";
export {
  type AccessDecision,
  type AccessRequest,
  type Authorizer,
  type Redactor,
  allowAll,
  redactFields,
} from "./authorizer.ts";
export { type BoundedQueue, createBoundedQueue } from "./bounded-queue.ts";
export type { Amount, Budget, Reservation } from "./budget.ts";
export { canonicalJson } from "./canonical-json.ts";
export type { CallOptions } from "./call-options.ts";
export { type Clock, type ManualClock, createManualClock, systemClock } from "./clock.ts";
export type {
  Batch,
  BoolColumn,
  BytesColumn,
  Column,
  ColumnType,
  DictionaryColumn,
  Field,
  ListColumn,
  NumericArrays,
  NumericColumn,
  NumericType,
  Schema,
} from "./column.ts";
export {
  type ColumnKind,
  type DataSchema,
  type Declarations,
  type RowInputOf,
  type RowOf,
  columnKinds,
  defineSchema,
  parseRow,
} from "./data-schema.ts";
export type { BatchesOptions, Dataset, DatasetPart, DatasetRef } from "./dataset.ts";
export type { Deployer, DeploymentPlan, DeploymentState, DeploymentStatus } from "./deployer.ts";
export { type DigestBuilder, createDigestBuilder, digestOf, digestOfJson } from "./digest.ts";
export {
  type ErrorCategory,
  MillwrightError,
  type MillwrightErrorOptions,
  hasCode,
  isMillwrightError,
} from "./error.ts";
export { ContractsError, type ContractsErrorCode } from "./errors.ts";
export type { EntityReference, EventData, EventDraft, EventFamily, EventType, MillwrightEvent } from "./event.ts";
export { formatEventTime, parseDate, parseEventTime } from "./event-time.ts";
export {
  type TraceContext,
  childTrace,
  createEvent,
  eventTypes,
  matchesType,
  readTraceparent,
  sageMakerEventTypes,
  writeTraceparent,
} from "./event-types.ts";
export type { EventLog, EventReadOptions, LoggedEvent } from "./event-log.ts";
export { createNewestEvents, type NewestEvents, type NewestEventsOptions } from "./newest-events.ts";
export type {
  FeatureRequest,
  FeatureServiceDescription,
  FeatureSource,
  FeatureStatus,
  FeatureVectors,
  OnDemandStatus,
  ViewStatus,
} from "./feature-source.ts";
export {
  type AnyDeclaration,
  type DictionaryFieldOptions,
  type FieldDeclaration,
  type FieldOptions,
  type FloatInput,
  type ItemTypes,
  type LongInput,
  type NumberFieldOptions,
  binary,
  bool,
  date,
  dictionary,
  float32,
  float64,
  int16,
  int32,
  int64,
  int8,
  list,
  timestamp,
  uint16,
  uint32,
  uint64,
  uint8,
  utf8,
} from "./field-declaration.ts";
export { type IdSource, createIdSource } from "./id-source.ts";
export type {
  Branded,
  Digest,
  EventId,
  FeatureViewRef,
  JobId,
  ModelRef,
  ModelVersionRef,
  RunId,
  TrialId,
} from "./ids.ts";
export type { JobFailureCause, JobRetries, JobRetryKind, JobSpot, PreviousAttempt } from "./job-failure.ts";
export type {
  JobEvent,
  JobHandle,
  JobLauncher,
  JobLimits,
  JobResources,
  JobResult,
  JobSpec,
  MetricDefinition,
} from "./job-launcher.ts";
export {
  type JobHistory,
  type JobHistoryEntry,
  type JobState,
  type SageMakerJobStatus,
  assertJobTransition,
  currentJobState,
  isFinalJobState,
  jobTransitions,
  nextJobState,
  sageMakerJobStatus,
  startJobHistory,
} from "./job-state.ts";
export { decodeTensor, encodeTensor } from "./json-tensor.ts";
export type { JsonObject, JsonValue } from "./json.ts";
export { type JsonSchemas, jsonSchemas } from "./json-schemas.ts";
export type { Lease, LeaseStore } from "./lease-store.ts";
export { type Logger, silentLogger } from "./logger.ts";
export { createBudget } from "./memory-budget.ts";
export {
  type Counter,
  type Gauge,
  type Histogram,
  type HistogramOptions,
  type InstrumentOptions,
  type Labels,
  type Meter,
  silentMeter,
} from "./meter.ts";
export type { GoldenRequest, ModelFile, ModelManifest, ModelProvenance } from "./model-manifest.ts";
export type {
  ApprovalDecision,
  ApprovalStatus,
  ModelRegistry,
  ModelVersion,
  RegisterOptions,
  SetAliasOptions,
} from "./model-registry.ts";
export type { LoadedModel, ModelRuntime, PredictOptions, RequestIdentity } from "./model-runtime.ts";
export type { ModelSource, ResolvedModel } from "./model-source.ts";
export { type NumericValue, decodeNumbers, encodeNumbers } from "./numbers.ts";
export {
  type ParsedModelRef,
  featureViewRef,
  modelRef,
  modelVersionRef,
  parseDatasetRef,
  parseDigest,
  parseEvent,
  parseJobHistory,
  parseJobId,
  parseModelManifest,
  parseModelRef,
  parseRunId,
  parseTrialId,
} from "./parsers.ts";
export {
  PortError,
  type PortErrorCode,
  artifactCorrupt,
  artifactMissing,
  budgetExhausted,
  closed,
  deploymentRunning,
  featureServiceUnknown,
  jobUnknown,
  leaseLost,
  modelCorrupt,
  modelUnknown,
  transitionIllegal,
  unsupported,
  versionConflict,
} from "./port-errors.ts";
export type {
  CapturedExplanation,
  CapturedLabel,
  CapturedPrediction,
  CapturedTensors,
  LabelSink,
  LoggedPrediction,
  PredictionReader,
  PredictionSink,
} from "./prediction-sink.ts";
export { type Random, type RandomState, createRandom, hashSeed, restoreRandom } from "./random.ts";
export type { ConditionalOptions, RecordStore, StoredRecord } from "./record-store.ts";
export type { MetricPoint, RunHandle, RunOptions, RunStatus, RunTracker } from "./run-tracker.ts";
export {
  type OpenInferenceDatatype,
  type OpenInferenceTensor,
  type SageMakerFeature,
  openInferenceDatatypes,
  openInferenceTensors,
  rowJsonSchema,
  sageMakerFeatures,
} from "./schema-projections.ts";
export type { InferOutput, StandardIssue, StandardResult, StandardSchema } from "./standard-schema.ts";
export type { JsonTensor, ModelSignature, Tensor, TensorArrays, TensorSpec, TensorType, Tensors } from "./tensor.ts";
export type { TrialHandle, TrialReportOptions, TrialVerdict } from "./trial-handle.ts";
