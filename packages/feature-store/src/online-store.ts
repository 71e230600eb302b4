import type { CallOptions } from "@millwright/contracts";
import type { NumberRanges } from "./number-ranges.ts";

/** A value of a feature: bigint for 64-bit integers and timestamps (microseconds). */
export type OnlineValue = null | number | bigint | string | boolean;

/** A row of a view as it is kept for online reads. */
export interface OnlineRow {
  /** One text an entity. */
  readonly key: string;
  readonly timeUs: number;
  readonly createdUs: number | null;
  /** The view's inputs as whole numbers, in order; null where the row has none. */
  readonly inputs: readonly (number | null)[];
  /** The view's features, in order; fewer where the view got more of them later. */
  readonly values: readonly OnlineValue[];
  /** When the row expires, where it has a time to live of its own; else the view's holds. */
  readonly expiresUs?: number | undefined;
  /** True in a row that says that the entity is gone. */
  readonly isDeleted?: true | undefined;
}

/** Says that rows before a time were left out, but for each entity's newest. */
export interface OnlineFloor {
  readonly floorUs: number;
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

export type OnlineRecord = OnlineRow | OnlineFloor | OnlineRemoval | OnlineCursorRecord | OnlineMark;

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
