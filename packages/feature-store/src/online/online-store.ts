import type { CallOptions } from "@millwright/contracts";
import type { NumberRanges } from "./number-ranges.ts";
import type { PartialText } from "../windows/partial.ts";

/** A value of a feature: bigint for 64-bit integers and timestamps (microseconds). */
export type OnlineValue = null | number | bigint | string | boolean;

/** A row of a view as it is kept for online reads. */
export interface OnlineRow {
  /** One text an entity. */
  readonly key: string;
  readonly timeUs: number;
  readonly createdUs: number | null;
  /** The view's inputs as whole numbers or texts, in order; null where the row has none. */
  readonly inputs: readonly (number | string | null)[];
  /** The view's features, in order, fewer where the view got more of them later; then, for a view with retractions, whether the row is one. */
  readonly values: readonly OnlineValue[];
  /** When the row expires, where it has a time to live of its own; else the view's holds. */
  readonly expiresUs?: number | undefined;
  /** True in a row that says that the entity is gone. */
  readonly isDeleted?: true | undefined;
}

/** Says that rows before a time were left out, but for each entity's newest. */
export interface OnlineFloor {
  readonly floorUs: number;
  /** Rows from this time up to `floorUs` are in tiles; null: all of them. Default: none are. */
  readonly tilesFromUs?: number | null | undefined;
}

/** Takes all rows of an entity away, as if there had been none. */
export interface OnlineRemoval {
  readonly removedKey: string;
}

/** Says which batches of the history are online; the last one counts. */
export interface OnlineCursorRecord {
  /** Their numbers, as runs with both ends. */
  readonly seenBatches: NumberRanges;
  /** Another batch, of which the rows up to this one are. */
  readonly partway?: { readonly batch: number; readonly row: number } | undefined;
  /** Marks that are of no more use, because their batches are among those. */
  readonly doneMarks?: readonly string[] | undefined;
}

/** Says that the rows beside it are those of a batch of the history, or will be once that is written. */
export interface OnlineMark {
  /** The batch's id. */
  readonly markedBatch: string;
  /** Of rows that were put: in which calls, as runs with both ends. */
  readonly calls?: NumberRanges | undefined;
}

/** Rows of an entity in a span of time, as the partials that windows in tiles need of them: all JSON. */
export interface OnlineTile {
  /** One text an entity. */
  readonly key: string;
  readonly tileUs: number;
  readonly widthUs: number;
  /** Times of its first and its last row. */
  readonly firstUs: number;
  readonly lastUs: number;
  /** How many rows are in it. */
  readonly rows: number;
  /** By what they are of; opaque to stores. */
  readonly partials: Readonly<Record<string, PartialText>>;
  /** Which events are in it, where the view tells them apart; opaque as well. */
  readonly events?: string | undefined;
}

export type OnlineRecord = OnlineRow | OnlineFloor | OnlineTile | OnlineRemoval | OnlineCursorRecord | OnlineMark;

export interface OnlineStoreCapabilities {
  /** Whether what was acknowledged is there after a crash. */
  readonly durable: boolean;
}

/** Keeps the rows behind online features, view by view, in order. What is computed on them lives in the feature store. */
export interface OnlineStore extends AsyncDisposable {
  readonly capabilities: OnlineStoreCapabilities;
  /** Adds records after those there. Calls take effect in the order they were made; one call's records are kept together or not at all. */
  append(view: string, records: readonly OnlineRecord[], options?: CallOptions): Promise<void>;
  /** All records of a view, in order; none for a view never written. */
  read(view: string, options?: CallOptions): AsyncIterable<OnlineRecord>;
  /** Puts other records in the place of all of a view's, at once: a reader after a crash finds the old or the new. */
  replace(view: string, records: Iterable<OnlineRecord>, options?: CallOptions): Promise<void>;
}
