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
  defineFeatureService,
  defineFeatureView,
  type Entity,
  type FeatureService,
  type FeatureType,
  type FeatureView,
  type FeatureViewDefinition,
  type InputRow,
  type InputType,
  type InputValue,
  type KeyType,
} from "./definition.ts";
export { FeatureStoreError, type FeatureStoreErrorCode } from "./errors.ts";
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
  type OnlineFloor,
  type OnlineRecord,
  type OnlineRow,
  type OnlineStore,
  type OnlineStoreCapabilities,
  type OnlineTile,
  type OnlineValue,
} from "./online-store.ts";
export { type HistoryOptions } from "./training-set.ts";
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
