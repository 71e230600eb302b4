export { type RestrictedStore, type RestrictOptions, restrictStore } from "./access.ts";
export type { Catalog, CatalogFeature, CatalogSearch, ForceOptions, Impact } from "./catalog.ts";
export type { Pin } from "./catalog-state.ts";
export {
  count,
  days,
  distinct,
  first,
  firstValue,
  hours,
  last,
  lastValue,
  max,
  mean,
  min,
  minutes,
  quantile,
  seconds,
  standardDeviation,
  sum,
  variance,
  type Aggregate,
  type AggregateKind,
  type SketchOptions,
  type WindowLike,
} from "./aggregate.ts";
export {
  defineEntity,
  defineFeatureView,
  type Entity,
  type FeatureDefault,
  type FeatureType,
  type FeatureView,
  type FeatureViewDefinition,
  type Freshness,
  type InputRow,
  type InputType,
  type InputValue,
  type KeyType,
} from "./definition.ts";
export { defineFeatureService, type FeatureService } from "./service-definition.ts";
export { FeatureStoreError, type FeatureStoreErrorCode } from "./errors.ts";
export type { BackfillEstimate, BackfillOptions, BackfillProgress, BackfillResult } from "./backfill.ts";
export type { CompactOptions, CompactProgress, CompactResult } from "./compaction.ts";
export { defineGate, type Gate, type GateAction, type GateDefinition, type GateRule, type NamedRule } from "./gate.ts";
export type { BatchValidity } from "./history-log.ts";
export type { NumberRanges } from "./number-ranges.ts";
export type { ConsumeOptions, ConsumeResult, DeadLetter, StreamRecord } from "./stream-ingest.ts";
export {
  type KeyedChange,
  type KeyedEntry,
  type KeyedOnlineStore,
  type KeyedOnlineStoreCapabilities,
} from "./keyed-store.ts";
export { openFeatureStore, type FeatureStore, type FeatureStoreOptions } from "./feature-store.ts";
export { type IngestOptions, type IngestResult } from "./ingest.ts";
export type { SourceRow } from "./source-columns.ts";
export { type MaterializeOptions, type MaterializeResult, type PushResult } from "./online.ts";
export {
  defineAwaitedFeatures,
  defineOnDemandFeatures,
  type AwaitedDefinition,
  type ComputedFeatures,
  type OnDemandDefinition,
  type OnDemandFeatures,
  type Waiting,
} from "./on-demand-definition.ts";
export {
  type OnlineCursorRecord,
  type OnlineFloor,
  type OnlineMark,
  type OnlineRecord,
  type OnlineRemoval,
  type OnlineRow,
  type OnlineStore,
  type OnlineStoreCapabilities,
  type OnlineTile,
  type OnlineValue,
} from "./online-store.ts";
export { type HistoryEngine, type HistoryOptions } from "./training-set.ts";
export type { ScanOptions } from "./record-scan.ts";
export type {
  DeleteOptions,
  FeatureRecord,
  GetManyOptions,
  GetOptions,
  PutOptions,
  PutResult,
  RecordOutcome,
  RecordRequest,
  UpdateOptions,
} from "./record-types.ts";
export type { ReplayOptions, TrainingSet, TrainingSetPin } from "./training-pin.ts";
export type { ColumnMetadata, ColumnsMetadata, Metadata, Sensitivity } from "./metadata.ts";
export type { FeatureLeakage, LeakageOptions, LeakageReport } from "./leakage.ts";
export { checkParity, type ParityMismatch, type ParityOptions, type ParityReport, proveParity } from "./parity.ts";
export { sampleServed, type SampleValue, type SamplingOptions, type ServedSample } from "./served-samples.ts";
export { type FeatureSkew, reportSkew, type SkewOptions, type SkewReport } from "./skew.ts";
export type { ReadNowOptions, VectorReader } from "./vector-reader.ts";
export { type PartialText } from "./windows/partial.ts";
export {
  session,
  sliding,
  tumbling,
  type SessionOptions,
  type SessionWindow,
  type SteppedWindow,
  type TimeWindow,
  type TumblingOptions,
  type TumblingWindow,
} from "./windows/time-window.ts";
export {
  type FeatureBaseline,
  type FeatureDrift,
  type FeatureDriftOptions,
  reportFeatureDrift,
  type StatisticsRange,
  takeBaseline,
} from "./feature-statistics.ts";
