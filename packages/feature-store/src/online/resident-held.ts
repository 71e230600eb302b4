import type { CallOptions } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import { createOnlineCursor, type OnlineCursor } from "./online-cursor.ts";
import type { OnlineMark, OnlineRecord, OnlineStore } from "./online-store.ts";
import { createOnlineView, type OnlineView } from "./online-view.ts";
import { createTurns, type Turns } from "./turns.ts";

/** What this process holds of a view. */
export interface Held {
  state: OnlineView;
  cursor: OnlineCursor;
  /** The last reload: the batches that it found, and up to when it took their rows. */
  reloaded: { readonly ids: ReadonlySet<string>; readonly upToUs: number } | undefined;
  /** Records the store has. */
  stored: number;
  readonly turns: Turns;
}

/** Brings back what a store has of a view. */
export async function loadHeld(
  view: FeatureView,
  { store, latenessMs, signal }: CallOptions & { readonly store: OnlineStore | undefined; readonly latenessMs: number },
): Promise<Held> {
  const state = createOnlineView(view, { latenessMs });
  const cursor = createOnlineCursor();
  let stored = 0;
  if (store !== undefined) {
    for await (const record of store.read(view.id, { signal })) {
      state.add([record]);
      cursor.take(record);
      stored++;
    }
  }
  return { state, cursor, reloaded: undefined, stored, turns: createTurns() };
}

/** All that is to be kept of a view. */
export function* recordsOf({ state, cursor }: Pick<Held, "state" | "cursor">): IterableIterator<OnlineRecord> {
  yield* state.records();
  yield* cursor.records();
}

/** Does work whose rows carry a mark: from here on nobody else brings them online. */
export async function marked<Result>(
  { cursor }: Pick<Held, "cursor">,
  mark: OnlineMark | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  if (mark !== undefined) cursor.take(mark);
  try {
    return await work();
  } catch (error) {
    if (mark !== undefined) cursor.drop(mark);
    throw error;
  }
}
