import type { Batch, CallOptions, Clock, MillwrightError } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import type { Gate } from "../definition/gate.ts";
import type { Online } from "../online/online.ts";
import type { OnlineReading } from "../online/online-view.ts";
import type { OnlineValue } from "../online/online-store.ts";
import type { PutJournal } from "../online/put-journal.ts";
import type { SourceRow } from "../definition/source-columns.ts";

export interface PutOptions extends CallOptions {
  /** How long these rows are good, in the place of the view's `ttlMs`: they expire at their event time and this. */
  readonly ttlMs?: number | undefined;
  /** Where the rows go. Default: `"both"`. */
  readonly to?: "both" | "online" | "history" | undefined;
}

export interface PutResult {
  readonly rows: number;
  /** Rows that are now the newest of their entity online. All others are historic: they stand in the history alone. */
  readonly newest: number;
  /** Rows left out, for a null key or a null event time. */
  readonly skippedRows: number;
  /** Rows left out because their entity was forgotten after they happened; absent where there are none. */
  readonly forgottenRows?: number | undefined;
}

export interface UpdateOptions extends CallOptions {
  /** Event time of the changed record, UTC milliseconds. Default: now, and later than the record's. */
  readonly eventTimeMs?: number | undefined;
  /** Only if the record has this event time: otherwise `FEATURE_STORE_EVENT_TIME_CONFLICT`. */
  readonly ifEventTimeMs?: number | undefined;
}

export interface DeleteOptions extends CallOptions {
  /** UTC milliseconds; a delete counts only if it is later than the record. Default: now. */
  readonly eventTimeMs?: number | undefined;
  /**
   * Soft: the record reads as deleted; its marker goes to the history even where it came too late to count online. Hard: the record is as if it had
   * never been; one that comes too late throws `FEATURE_STORE_DELETE_OUTDATED` and leaves no marker. Default: soft.
   */
  readonly hard?: boolean | undefined;
}

export interface GetOptions extends CallOptions {
  /** Names of features. Default: all of the view. */
  readonly features?: readonly string[] | undefined;
  /** Time of the reading, UTC milliseconds. Default: the clock's. */
  readonly timeMs?: number | undefined;
}

/** An entity's newest record in a view. */
export interface FeatureRecord {
  readonly status: OnlineReading["status"];
  /** By feature; empty unless the status is `present`. */
  readonly values: Readonly<Record<string, OnlineValue>>;
  /** UTC milliseconds, fractions are microseconds; undefined where there is no record. */
  readonly eventTimeMs?: number | undefined;
  /** UTC milliseconds; undefined: never. */
  readonly expiresAtMs?: number | undefined;
}

export interface RecordRequest {
  readonly view: string | FeatureView;
  readonly keys: SourceRow;
  readonly features?: readonly string[] | undefined;
}

/** What became of one request: a record, an error of its own, or nothing, because the call was over before its turn. */
export type RecordOutcome =
  | FeatureRecord
  | { readonly status: "error"; readonly error: MillwrightError }
  | { readonly status: "unprocessed" };

export interface GetManyOptions extends CallOptions {
  /** Requests answered at most; the rest come back unprocessed. Default: 100. */
  readonly maxRecords?: number | undefined;
  readonly timeMs?: number | undefined;
}

/** Everything that reading and writing records needs of the store. */
export interface RecordsContext {
  readonly online: Online;
  readonly hasOnline: boolean;
  readonly clock: Clock;
  journal(view: FeatureView): Promise<PutJournal>;
  /** What rows of the view must be; undefined: anything goes. */
  gateOf(view: FeatureView): Gate | undefined;
}

/** Records one by one, online and in the history at once. */
export interface Records {
  put(view: FeatureView, rows: Batch | readonly SourceRow[], options: PutOptions): Promise<PutResult>;
  update(view: FeatureView, keys: SourceRow, patch: SourceRow, options: UpdateOptions): Promise<FeatureRecord>;
  delete(view: FeatureView, keys: SourceRow, options: DeleteOptions): Promise<void>;
  get(view: FeatureView, keys: SourceRow, options: GetOptions): Promise<FeatureRecord>;
  getMany(
    requests: readonly RecordRequest[],
    viewOf: (view: string | FeatureView) => FeatureView,
    options: GetManyOptions,
  ): Promise<RecordOutcome[]>;
}
