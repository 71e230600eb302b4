import type { CallOptions } from "./call-options.ts";
import type { Batch, Schema } from "./column.ts";
import type { Digest } from "./ids.ts";

/** What a feature service gives, as its reader needs to know it. */
export interface FeatureServiceDescription {
  readonly name: string;
  /** Digest of the whole definition: equal digests give equal features. */
  readonly digest: Digest;
  /** The columns that name the entities of a row. */
  readonly entityKeys: Schema;
  /** What the caller must send with a request beside the keys, for features computed on demand. */
  readonly requestInputs: Schema;
  /** The features, in the order of the batch that `read` gives. */
  readonly features: Schema;
}

/**
 * `missing`: the entity has no row; `expired`: it is older than its time to live; `deleted`: a delete was the last word; `stale`: it is older than
 * the view's freshness allows, and served all the same; `defaulted`: the view's defaults stand in for what is missing, expired, deleted or stale.
 */
export type FeatureStatus = "present" | "missing" | "expired" | "deleted" | "stale" | "defaulted";

export interface FeatureVectors {
  /** One row per entity, in the order asked; null where the status is neither `present`, `stale` nor `defaulted`. */
  readonly features: Batch;
  /** By feature view: status and age of each row. */
  readonly views: Readonly<Record<string, ViewStatus>>;
  /** By on-demand features that are waited for, where the service has such: the status of each row. */
  readonly onDemand?: Readonly<Record<string, readonly OnDemandStatus[]>> | undefined;
}

/** `timedOut`: the features did not come within their time, and are their defaults. */
export type OnDemandStatus = "computed" | "timedOut";

export interface ViewStatus {
  readonly status: readonly FeatureStatus[];
  /** Milliseconds between the row's event time and the reading; NaN where there is no row. */
  readonly ageMs: Float64Array;
}

export interface FeatureRequest extends CallOptions {
  /** Rows of keys: the columns that `describe` names as entity keys. */
  readonly entities: Batch;
  /** Columns of request inputs, row by row beside `entities`. */
  readonly request?: Batch | undefined;
  /** Time of the request, UTC milliseconds. Default: the clock's. */
  readonly timeMs?: number | undefined;
  /** Any object that stands for the request: reads that name the same one share what is computed on demand from equal inputs. Default: `request`, else `entities`. */
  readonly scope?: object | undefined;
}

/** Fresh feature vectors for serving. */
export interface FeatureSource {
  /** Throws `PORT_FEATURE_SERVICE_UNKNOWN`. */
  describe(service: string, options?: CallOptions): Promise<FeatureServiceDescription>;
  read(service: string, request: FeatureRequest): Promise<FeatureVectors>;
}
