import type { CallOptions } from "@millwright/contracts";
import { type EntityProgress, hasCall, isCrowded, progressWith } from "./entity-progress.ts";
import { createKeyedCursor, type KeyedCursor } from "./keyed-cursor.ts";
import type { Forgotten } from "../erasure/forgotten.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import type { KeyedView } from "./keyed-view.ts";
import { rangesHave } from "../online/number-ranges.ts";
import type { OnlineMark, OnlineRow } from "../online/online-store.ts";
import { createTurns, type Turns } from "../online/turns.ts";
import type { WaitingPuts } from "../online/waiting-puts.ts";

/** What this process knows of a view whose rows stand in a keyed store. */
export interface HeldView {
  readonly keyed: KeyedView;
  readonly cursor: KeyedCursor;
  readonly turns: Turns;
  readonly waiting: WaitingPuts;
  readonly forgotten: Forgotten;
  /** The newest event time that this process has seen, in microseconds. */
  newestUs: number;
  /** Does work whose rows carry a mark: meanwhile nobody else in this process brings them online. */
  marked<Result>(mark: OnlineMark | undefined, work: () => Promise<Result>): Promise<Result>;
  /** Whether rows of a batch are on their way online. */
  isComing(batch: string): boolean;
}

export function holdView(
  store: KeyedOnlineStore,
  keyed: KeyedView,
  { waiting, forgotten }: Pick<HeldView, "waiting" | "forgotten">,
): HeldView {
  const coming = new Map<string, number>();
  const count = (batch: string, step: number): void => {
    const calls = (coming.get(batch) ?? 0) + step;
    if (calls === 0) coming.delete(batch);
    else coming.set(batch, calls);
  };
  return {
    keyed,
    cursor: createKeyedCursor(store, keyed.view.id),
    turns: createTurns(),
    waiting,
    forgotten,
    newestUs: Number.NEGATIVE_INFINITY,
    async marked(mark, work) {
      if (mark === undefined) return await work();
      count(mark.markedBatch, 1);
      try {
        return await work();
      } finally {
        count(mark.markedBatch, -1);
      }
    },
    isComing: (batch) => coming.has(batch),
  };
}

export interface MarkedRows extends CallOptions {
  readonly mark?: OnlineMark | undefined;
  /** Where the batch of the mark is in the history already: its number there. */
  readonly number?: number | undefined;
}

export interface WrittenRows {
  /** The newest time that stood there. */
  readonly newestUs: number;
  /** Entities that were left as they are: the batch of the mark came into the history meanwhile, and they may have it from there. */
  readonly unsure: ReadonlySet<string>;
  /** Entities that know of many batches of calls. */
  readonly crowded: readonly string[];
}

/** Adds rows to their entities, each in one step; entities that have the call of the mark already stay. */
export async function writeRows(
  store: KeyedOnlineStore,
  { keyed, waiting, forgotten }: HeldView,
  rows: readonly OnlineRow[],
  { mark, number, signal }: MarkedRows,
): Promise<WrittenRows> {
  const byKey = new Map<string, OnlineRow[]>();
  for (const row of rows) {
    const known = byKey.get(row.key);
    if (known === undefined) byKey.set(row.key, [row]);
    else known.push(row);
  }
  const keys = [...byKey.keys()];
  const added = [...byKey.values()];
  const unsure = new Set<string>();
  const crowded = new Set<string>();
  let newestUs = Number.NEGATIVE_INFINITY;
  const untilUs = forgotten.reader(keyed.view);
  const change = (index: number, current: Uint8Array | undefined): Uint8Array | null | undefined => {
    const key = keys[index]!;
    const kept = keyed.rowsOf(key, current);
    // Looked at here, and not before: somebody may forget the entity at this moment.
    const goneUs = untilUs(key);
    const rows = added[index]!.filter(({ timeUs }) => timeUs > goneUs);
    if (rows.length === 0) return undefined;
    for (const { timeUs } of kept.rows) newestUs = Math.max(newestUs, timeUs);
    if (mark === undefined) return keyed.withRows(current, keyed.adding(kept, rows));
    const progress = keyed.progressOf(key, current);
    if (hasCall(progress, mark)) return undefined;
    unsure.delete(key);
    if (number === undefined && progress.seenBatches.length > 0 && !waiting.isWaiting(mark.markedBatch)) {
      unsure.add(key);
      return undefined;
    }
    const after = progressWith(progress, mark);
    if (isCrowded(after)) crowded.add(key);
    return keyed.withRows(current, keyed.adding(kept, notLoaded(progress, rows, number)), after);
  };
  await store.update(keyed.group, keys, change, { signal });
  return { newestUs, unsure, crowded: [...crowded] };
}

/** Of a batch that the entity has, the rows that it has not from there. */
function notLoaded(
  { seenBatches, loadedUs = Number.POSITIVE_INFINITY }: EntityProgress,
  rows: readonly OnlineRow[],
  number: number | undefined,
): readonly OnlineRow[] {
  if (number === undefined || !rangesHave(seenBatches, number)) return rows;
  return rows.filter(({ timeUs }) => timeUs >= loadedUs);
}
