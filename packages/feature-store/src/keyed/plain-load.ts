import type { Batch } from "@millwright/contracts";
import { sliceBatch } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import { entityKeysOf } from "../definition/source-columns.ts";
import { historyColumns, historyRowColumns } from "../history/history-rows.ts";
import { onlineRows } from "../online/online-rows.ts";
import type { OnlineRow } from "../online/online-store.ts";
import { withSectionsOf } from "./entity-blob.ts";
import type { EntityProgress } from "./entity-progress.ts";
import type { KeyedView } from "./keyed-view.ts";
import { plainEntries } from "./plain-entries.ts";
import {
  type Given,
  loadedProgress,
  type LoadedPiece,
  type LoadOptions,
  numbersOf,
  writeLoaded,
  type Written,
} from "./write-loaded.ts";

/** Rows that are read, and their entities written, together. */
const PIECE_ROWS = 8_192;

/** Loads a view without windows: nearly all entities come with one row, and their entries are made straight from the history's columns. @returns how many rows. */
export async function loadPlain(written: Written, view: FeatureView, options: LoadOptions): Promise<number> {
  const { source, latenessMs } = written;
  const { upToUs, listed, entitiesOf, keys, signal } = options;
  const asked = { upToUs, latenessUs: latenessMs * 1000, batches: numbersOf(listed), entitiesOf, keys, signal };
  const found = await historyColumns(source, view, { ...asked, byEntity: true, batchRows: PIECE_ROWS });
  const pieces = createPieces(written, found.floorUs, loadedProgress(options));
  let rows = 0;
  let writing = Promise.resolve();
  try {
    for await (const batch of found.batches) {
      rows += batch.length;
      const piece = pieces.next(batch);
      // One piece goes to disk while the next is made.
      await writing;
      writing = writeLoaded(written, piece, options);
      writing.catch(() => {});
    }
    await writing;
    await writeLoaded(written, pieces.last(), options);
    return rows;
  } finally {
    await Promise.allSettled([writing]);
  }
}

/** Rows by entity. The last entity of a batch may go on in the next one, and waits for it. */
function createPieces(
  { keyed, generation }: Written,
  floorUs: number,
  progress: EntityProgress,
): { next(batch: Batch): LoadedPiece; last(): LoadedPiece } {
  const { view, layout } = keyed;
  const head = { floorUs, generation, progress: keyed.progressSection(progress) };
  let held: { readonly key: string; readonly rows: OnlineRow[] } | undefined;
  const begin = (): { keys: string[]; given: Given[]; floorUs: number } => ({ keys: [], given: [], floorUs });
  const release = (piece: ReturnType<typeof begin>): void => {
    if (held === undefined) return;
    piece.keys.push(held.key);
    piece.given.push({ rows: held.rows });
    held = undefined;
  };
  return {
    next(batch) {
      const piece = begin();
      const entries = plainEntries(layout, batch, historyRowColumns(batch), head);
      const keys = entityKeysOf(view.entity.keys, batch);
      const rowsAt = (from: number, to: number): OnlineRow[] => {
        const some = sliceBatch(batch, from, to);
        return onlineRows(view, some, historyRowColumns(some));
      };
      for (let from = 0, to = 0; from < batch.length; from = to) {
        const key = keys[from]!;
        for (to = from + 1; to < batch.length && keys[to] === key; to++);
        if (held?.key === key) held.rows.push(...rowsAt(from, to));
        else {
          release(piece);
          if (to === batch.length) held = { key, rows: rowsAt(from, to) };
          else {
            piece.keys.push(key);
            piece.given.push(to === from + 1 ? { entry: entries[from]! } : { rows: rowsAt(from, to) });
          }
        }
      }
      return piece;
    },
    last() {
      const piece = begin();
      release(piece);
      return piece;
    },
  };
}

/** Rows that come to what is kept, by entity. */
export interface Added {
  readonly byKey: ReadonlyMap<string, readonly number[]>;
  rowAt(key: string, index: number): OnlineRow;
  /** The bytes of an entity of which nothing was there, with its one row; undefined where something was, or may have been. */
  entryOf(key: string, indexes: readonly number[], current: Uint8Array | undefined): Uint8Array | undefined;
}

/** Rows of a view without windows. @param head.progress What entities know that had nothing before. */
export function plainAdded(
  keyed: KeyedView,
  batch: Batch,
  head: { readonly floorUs: number | undefined; readonly progress: EntityProgress },
): Added {
  const { floorUs = Number.NEGATIVE_INFINITY, progress } = head;
  const said = { floorUs, generation: 0, progress: keyed.progressSection(progress) };
  const entries = plainEntries(keyed.layout, batch, historyRowColumns(batch), said);
  const keys = entityKeysOf(keyed.view.entity.keys, batch) as string[];
  // What is written in the order of a store's keys is written fastest.
  const byKey = new Map<string, number[]>(keys.toSorted().map((key) => [key, []]));
  keys.forEach((key, row) => byKey.get(key)!.push(row));
  return {
    byKey,
    rowAt: (key, index) => keyed.rowsOf(key, entries[index]).rows[0]!,
    entryOf(key, indexes, current) {
      if (indexes.length > 1) return undefined;
      const entry = entries[indexes[0]!]!;
      if (current === undefined) return entry;
      return keyed.hasAny(key, current) ? undefined : withSectionsOf(current, entry);
    },
  };
}
