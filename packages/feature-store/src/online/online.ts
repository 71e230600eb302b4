import type { CallOptions, FeatureRequest, FeatureVectors } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import type { Unpurged } from "../keyed/keyed-store.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import type { OnlineMark, OnlineRow } from "./online-store.ts";
import type { OnlineReading } from "./online-view.ts";
import type { ViewNumbers } from "./vector-reader.ts";

export interface PushResult {
  readonly rows: number;
  /** Rows left out, for a null key or a null event time. */
  readonly skippedRows: number;
  /** Rows left out because their entity was forgotten after they happened; absent where there are none. */
  readonly forgottenRows?: number | undefined;
  /** Rows that came later than `latenessMs` behind the newest row there was before. They count where windows still reach, but answers given may have missed them. */
  readonly lateRows: number;
  /** UTC milliseconds: the newest row's event time less `latenessMs`; undefined without rows. No answer for a time up to it changes, except by late rows. */
  readonly watermarkMs: number | undefined;
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
  /** Rows that were online and stayed. A keyed store counts them with `upToMs` alone, and says 0 without. */
  readonly keptRows: number;
  /** Batches of the history that were not online before. */
  readonly batches: number;
  /**
   * UTC milliseconds: where history ended and pushes began. It is the `upToMs` asked for, at most now, or, for a view with windows in tiles that was
   * materialized before, the start of the tile that falls in: what is in a tile cannot be told apart. Without `upToMs`: now.
   */
  readonly upToMs: number;
  /** Whether a later time was asked for, which is still to come. */
  readonly clamped: boolean;
}

/** How rows stand to those that were there before them. */
export type Arrival = Pick<PushResult, "lateRows" | "watermarkMs">;

/** What is done to an entity: it gets a row, loses all that it had, both, or stays as it is. */
export interface OnlineChange {
  readonly row?: OnlineRow | undefined;
  /** It loses the rows it had: when that was, in microseconds. */
  readonly removedUs?: number | undefined;
}

export interface ChangeOptions extends CallOptions {
  /** Given the entity's newest row. */
  readonly decide: (newest: OnlineRow | undefined) => OnlineChange;
  /** Done before the change takes effect; where it fails, nothing is changed. @returns the mark that is kept with the change. */
  readonly before: (change: OnlineChange) => Promise<OnlineMark | undefined>;
}

export interface ReloadOptions extends CallOptions {
  /** Not later than now. */
  readonly upToMs: number;
  /** Writes what is on its way into the history there. */
  readonly flush: () => Promise<void>;
}

export interface CatchUpOptions extends CallOptions {
  /** Only these batches. Default: all. */
  readonly select?: ((batch: HistoryBatch) => boolean) | undefined;
}

export type Loaded = Omit<MaterializeResult, "clamped">;

/** The online side of the store. */
export interface Online {
  read(service: FeatureService, request: FeatureRequest): Promise<FeatureVectors>;
  /** One reader a view of the service, in order. Throws `PORT_UNSUPPORTED` where rows cannot be read without waiting. */
  numbers(service: FeatureService): readonly ViewNumbers[];
  /** Counts the age of a row that is served. */
  observe(view: FeatureView, ageMs: number): void;
  /** Takes rows in any order of time. With `mark`, that is kept together with them, and counts from the moment of the call. */
  add(
    view: FeatureView,
    rows: readonly OnlineRow[],
    signal: AbortSignal | undefined,
    mark?: OnlineMark,
  ): Promise<Arrival>;
  /** Whether rows came with this mark. */
  isMarked(view: FeatureView, mark: OnlineMark): Promise<boolean>;
  /** Decides on the newest row of one entity and changes it; no other change of the entity comes between. */
  change(view: FeatureView, key: string, options: ChangeOptions): Promise<OnlineChange>;
  /** The newest row of each entity, whatever it says, in the order of the keys. */
  newest(
    view: FeatureView,
    keys: readonly string[],
    options?: CallOptions,
  ): Promise<readonly (OnlineRow | undefined)[]>;
  readOne(view: FeatureView, key: string, timeUs: number, options?: CallOptions): Promise<OnlineReading>;
  /** Loads what happened before a time anew. */
  reload(view: FeatureView, options: ReloadOptions): Promise<Loaded>;
  /** Adds the batches of the history that are not online yet: whole ones, or where it is stopped, a part that the next call goes on from. */
  catchUp(view: FeatureView, options: CatchUpOptions): Promise<Loaded>;
  /** Takes away all that is kept of an entity. @returns what it stood under: the view, or the group of all its views; undefined where there was nothing. */
  forget(view: FeatureView, key: string, options: CallOptions): Promise<string | undefined>;
  /** Takes what is left of a forgotten entity out of files. @returns what may still be there. */
  purge(view: FeatureView, key: string, options: CallOptions): Promise<readonly Unpurged[]>;
  /** Waits for writes that go on in the background. */
  settle(): Promise<void>;
}
