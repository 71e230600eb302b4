export { type RestrictedStore, type RestrictOptions, restrictStore } from "./access.ts";
export type { Catalog, CatalogFeature, CatalogSearch, ForceOptions, Impact } from "./catalog/catalog.ts";
export type { Pin } from "./catalog/catalog-state.ts";
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
} from "./definition/aggregate.ts";
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
} from "./definition/definition.ts";
export { defineFeatureService, type FeatureService } from "./definition/service-definition.ts";
export { FeatureStoreError, type FeatureStoreErrorCode } from "./errors.ts";
export type { BackfillEstimate, BackfillOptions, BackfillProgress, BackfillResult } from "./ingestion/backfill.ts";
export type { CompactOptions, CompactProgress, CompactResult } from "./history/compaction.ts";
export {
  defineGate,
  type Gate,
  type GateAction,
  type GateDefinition,
  type GateRule,
  type NamedRule,
} from "./definition/gate.ts";
export type { BatchValidity } from "./history/history-log.ts";
export type { NumberRanges } from "./online/number-ranges.ts";
export type { ConsumeOptions, ConsumeResult, DeadLetter, StreamRecord } from "./ingestion/stream-ingest.ts";
export {
  type KeyedChange,
  type KeyedEntry,
  type KeyedOnlineStore,
  type KeyedOnlineStoreCapabilities,
} from "./keyed/keyed-store.ts";
export { openFeatureStore, type FeatureStore, type FeatureStoreOptions } from "./feature-store.ts";
export type { HistoryRequest, ReadRequest } from "./given-requests.ts";
export type { GivenRows } from "./definition/given-rows.ts";
export type { ColumnNames, RowFor, RowOf, RowValue } from "./definition/row-type.ts";
export { type IngestOptions, type IngestResult } from "./ingestion/ingest.ts";
export type { SourceRow } from "./definition/source-columns.ts";
export { type MaterializeOptions, type MaterializeResult, type PushResult } from "./online/online.ts";
export {
  defineAwaitedFeatures,
  defineOnDemandFeatures,
  type AwaitedDefinition,
  type ComputedFeatures,
  type OnDemandDefinition,
  type OnDemandFeatures,
  type Waiting,
} from "./definition/on-demand-definition.ts";
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
} from "./online/online-store.ts";
export { type HistoryEngine, type HistoryOptions } from "./retrieval/training-set.ts";
export type { ScanOptions } from "./records/record-scan.ts";
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
} from "./records/record-types.ts";
export type { ReplayOptions, TrainingSet, TrainingSetPin } from "./retrieval/training-pin.ts";
export type { ColumnMetadata, ColumnsMetadata, Metadata, Sensitivity } from "./definition/metadata.ts";
export type { FeatureLeakage, LeakageOptions, LeakageReport } from "./inspection/leakage.ts";
export {
  checkParity,
  type ParityMismatch,
  type ParityOptions,
  type ParityReport,
  proveParity,
} from "./inspection/parity.ts";
export {
  sampleServed,
  type SampleValue,
  type SamplingOptions,
  type ServedSample,
} from "./inspection/served-samples.ts";
export { type FeatureSkew, reportSkew, type SkewOptions, type SkewReport } from "./inspection/skew.ts";
export type { ReadNowOptions, VectorReader } from "./online/vector-reader.ts";
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
} from "./inspection/feature-statistics.ts";
export type { ForgetOptions } from "./erasure/forget.ts";
export type { ErasedPlace, ErasureReceipt, LeftPlace } from "./erasure/receipt.ts";
