import type { CallOptions, FeatureRequest, FeatureVectors } from "@millwright/contracts";
import type { FeatureService, FeatureView } from "./definition.ts";
import type { HistoryBatch } from "./history-log.ts";
import type { OnlineMark, OnlineRow } from "./online-store.ts";
import type { OnlineReading } from "./online-view.ts";

export interface PushResult {
  readonly rows: number;
  /** Rows left out, for a null key or a null event time. */
  readonly skippedRows: number;
}

export interface MaterializeOptions extends CallOptions {
  /**
   * UTC milliseconds: loads anew what happened before from the history, and keeps pushes of what happened from then on; a time to come is taken for now.
   * Default: nothing is loaded anew; batches that came into the history since the last time are added.
   */
  readonly upToMs?: number | undefined;
}

export interface MaterializeResult {
  /** Rows loaded from history. */
  readonly rows: number;
  /** Rows that were online and stayed. */
  readonly keptRows: number;
  /** Batches of the history that were not online before. */
  readonly batches: number;
  /** Up to when the history was asked for, UTC milliseconds. */
  readonly upToMs: number;
  /** Whether another, later time was asked for, which is still to come. */
  readonly clamped: boolean;
}

/** What is done to an entity: it gets a row, loses all of them, or stays as it is. */
export interface OnlineChange {
  readonly row?: OnlineRow | undefined;
  readonly removes?: boolean | undefined;
}

export interface ChangeOptions extends CallOptions {
  /** Given the entity's newest row. */
  readonly decide: (newest: OnlineRow | undefined) => OnlineChange;
  /** Done before the change takes effect; where it fails, nothing is changed. @returns the mark that is kept with the change. */
  readonly before: (change: OnlineChange) => Promise<OnlineMark | undefined>;
}

export interface CatchUpOptions extends CallOptions {
  /** Only these batches. Default: all. */
  readonly select?: ((batch: HistoryBatch) => boolean) | undefined;
}

export type Loaded = Pick<MaterializeResult, "rows" | "keptRows" | "batches">;

/** The online side of the store. */
export interface Online {
  read(service: FeatureService, request: FeatureRequest): FeatureVectors;
  /** Takes rows in any order of time. With `mark`, that is kept together with them, and counts from the moment of the call. */
  add(view: FeatureView, rows: readonly OnlineRow[], signal: AbortSignal | undefined, mark?: OnlineMark): Promise<void>;
  /** Whether rows came with this mark. */
  isMarked(view: FeatureView, mark: OnlineMark): boolean;
  /** Decides on the newest row of one entity and changes it; no other change of the entity comes between. */
  change(view: FeatureView, key: string, options: ChangeOptions): Promise<OnlineChange>;
  /** The newest row of each entity, whatever it says, in the order of the keys. */
  newest(view: FeatureView, keys: readonly string[]): Promise<readonly (OnlineRow | undefined)[]>;
  readOne(view: FeatureView, key: string, timeUs: number): Promise<OnlineReading>;
  /** Loads what happened before a time anew. @param flush Writes what is on its way into the history there. */
  reload(
    view: FeatureView,
    options: CallOptions & { readonly upToMs: number; readonly flush: () => Promise<void> },
  ): Promise<Loaded>;
  /** Adds the batches of the history that are not online yet: whole ones, or where it is stopped, a part that the next call goes on from. */
  catchUp(view: FeatureView, options: CatchUpOptions): Promise<Loaded>;
  /** Waits for writes that go on in the background. */
  settle(): Promise<void>;
}
