import type { CallOptions } from "@millwright/contracts";
import { hasCall, progressWith } from "./entity-progress.ts";
import { createKeyedCursor, type KeyedCursor } from "./keyed-cursor.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import type { KeyedView } from "./keyed-view.ts";
import type { OnlineMark, OnlineRow } from "../online/online-store.ts";
import { createTurns, type Turns } from "../online/turns.ts";

/** What this process knows of a view whose rows stand in a keyed store. */
export interface HeldView {
  readonly keyed: KeyedView;
  readonly cursor: KeyedCursor;
  readonly turns: Turns;
  /** The newest event time that this process has seen, in microseconds. */
  newestUs: number;
  /** The last reload: the batches that it found, and up to when it took their rows. */
  reloaded: { readonly ids: ReadonlySet<string>; readonly upToUs: number } | undefined;
  /** Does work whose rows carry a mark: meanwhile nobody else in this process brings them online. */
  marked<Result>(mark: OnlineMark | undefined, work: () => Promise<Result>): Promise<Result>;
  /** Whether rows of a batch are on their way online. */
  isComing(batch: string): boolean;
}

export function holdView(store: KeyedOnlineStore, keyed: KeyedView): HeldView {
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
    newestUs: Number.NEGATIVE_INFINITY,
    reloaded: undefined,
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

/** Adds rows to their entities, each in one step; entities that have the call of the mark already stay. @returns the newest time that stood there. */
export async function writeRows(
  store: KeyedOnlineStore,
  { keyed }: HeldView,
  rows: readonly OnlineRow[],
  { mark, signal }: CallOptions & { readonly mark?: OnlineMark | undefined },
): Promise<number> {
  const byKey = new Map<string, OnlineRow[]>();
  for (const row of rows) {
    const known = byKey.get(row.key);
    if (known === undefined) byKey.set(row.key, [row]);
    else known.push(row);
  }
  const keys = [...byKey.keys()];
  const added = [...byKey.values()];
  let newestUs = Number.NEGATIVE_INFINITY;
  const change = (index: number, current: Uint8Array | undefined): Uint8Array | null | undefined => {
    const key = keys[index]!;
    const kept = keyed.rowsOf(key, current);
    for (const { timeUs } of kept.rows) newestUs = Math.max(newestUs, timeUs);
    if (mark === undefined) return keyed.withRows(current, keyed.adding(kept, added[index]!));
    const progress = keyed.progressOf(key, current);
    if (hasCall(progress, mark)) return undefined;
    return keyed.withRows(current, keyed.adding(kept, added[index]!), progressWith(progress, mark));
  };
  await store.update(keyed.group, keys, change, { signal });
  return newestUs;
}
