import type { Batch, CallOptions } from "@millwright/contracts";
import { sliceBatch } from "@millwright/data";
import type { FeatureView } from "../definition/definition.ts";
import { entityKeysOf } from "../definition/source-columns.ts";
import { historyColumns, historyRowColumns } from "../history/history-rows.ts";
import { createBlobReader, FIRST_SECTION } from "./entity-blob.ts";
import type { KeyedLoad, LoadCounts, LoadOptions } from "./keyed-materialize.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import { entryError, type KeyedView } from "./keyed-view.ts";
import { plainEntries } from "./plain-entries.ts";
import { floorAt, isMereRows, readHead } from "./row-section.ts";
import { onlineRows } from "../online/online-rows.ts";
import type { OnlineRow } from "../online/online-store.ts";

/** Rows that are read, and their entities written, together. */
const PIECE_ROWS = 8_192;

/** What comes in the place of an entity's rows before the load: an entry that holds its one row, or several rows. */
type Given = { readonly entry: Uint8Array } | { readonly rows: OnlineRow[] };

interface Piece {
  readonly keys: string[];
  readonly given: Given[];
}

/** Loads a view without windows: nearly all entities come with one row, and their entries are made straight from the history's columns. */
export async function loadPlain(load: KeyedLoad, view: FeatureView, options: LoadOptions): Promise<LoadCounts> {
  const { source, latenessMs } = load;
  const latenessUs = latenessMs * 1000;
  const found = await historyColumns(source, view, { ...options, latenessUs, byEntity: true, batchRows: PIECE_ROWS });
  const pieces = createPieces(load, found.floorUs);
  let rows = 0;
  let keptRows = 0;
  let writing: Promise<number> = Promise.resolve(0);
  try {
    for await (const batch of found.batches) {
      rows += batch.length;
      const piece = pieces.next(batch);
      // One piece goes to disk while the next is made.
      keptRows += await writing;
      writing = write(load, piece, found.floorUs, options);
      writing.catch(() => {});
    }
    keptRows += await writing;
    return { rows, keptRows: keptRows + (await write(load, pieces.last(), found.floorUs, options)) };
  } finally {
    await Promise.allSettled([writing]);
  }
}

/** Rows by entity. The last entity of a batch may go on in the next one, and waits for it. */
function createPieces({ keyed, generation }: KeyedLoad, floorUs: number): { next(batch: Batch): Piece; last(): Piece } {
  const { view, layout } = keyed;
  let held: { readonly key: string; readonly rows: OnlineRow[] } | undefined;
  const release = (piece: Piece): void => {
    if (held === undefined) return;
    piece.keys.push(held.key);
    piece.given.push({ rows: held.rows });
    held = undefined;
  };
  return {
    next(batch) {
      const piece: Piece = { keys: [], given: [] };
      const columns = historyRowColumns(batch);
      const entries = plainEntries(layout, batch, columns, { floorUs, generation });
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
      const piece: Piece = { keys: [], given: [] };
      release(piece);
      return piece;
    },
  };
}

/** @returns how many rows from `upToUs` on were kept. */
async function write(
  { keyed, store, generation }: KeyedLoad,
  { keys, given }: Piece,
  floorUs: number,
  { upToUs, signal }: LoadOptions,
): Promise<number> {
  if (keys.length === 0) return 0;
  const isBefore = createLooker(keyed, upToUs);
  const kept = new Map<number, number>();
  const change = (index: number, current: Uint8Array | undefined): Uint8Array | null => {
    const key = keys[index]!;
    const each = given[index]!;
    kept.delete(index);
    if ("entry" in each) {
      if (current === undefined) return each.entry;
      const place = isBefore(key, current);
      if (place === "alone") return each.entry;
      if (place === "among others") return keyed.withSection(current, each.entry.subarray(FIRST_SECTION));
    }
    const rows = "entry" in each ? keyed.rowsOf(key, each.entry).rows : each.rows;
    const { after, keptRows } = keyed.loading(keyed.rowsOf(key, current), { rows, upToUs, floorUs, generation });
    kept.set(index, keptRows);
    return keyed.withRows(current, after);
  };
  await store.update(keyed.group, keys, change, { signal });
  let all = 0;
  for (const rows of kept.values()) all += rows;
  return all;
}

/** Adds rows of the history to what is kept: entities that have none yet get entries that are made straight from the columns. */
export async function addPlain(
  store: KeyedOnlineStore,
  keyed: KeyedView,
  batch: Batch,
  { floorUs = Number.NEGATIVE_INFINITY, signal }: CallOptions & { readonly floorUs?: number | undefined },
): Promise<void> {
  const entries = plainEntries(keyed.layout, batch, historyRowColumns(batch), { floorUs, generation: 0 });
  const rowsOf = new Map<string, number[]>();
  entityKeysOf(keyed.view.entity.keys, batch).forEach((key, row) => {
    const known = rowsOf.get(key!);
    if (known === undefined) rowsOf.set(key!, [row]);
    else known.push(row);
  });
  const keys = [...rowsOf.keys()].toSorted();
  const isWithout = createFinder(keyed);
  const change = (index: number, current: Uint8Array | undefined): Uint8Array | null => {
    const key = keys[index]!;
    const [first, ...others] = rowsOf.get(key)!.map((row) => entries[row]!) as [Uint8Array, ...Uint8Array[]];
    if (others.length === 0) {
      if (current === undefined) return first;
      if (isWithout(key, current)) return keyed.withSection(current, first.subarray(FIRST_SECTION));
    }
    const rows = [first, ...others].flatMap((entry) => keyed.rowsOf(key, entry).rows);
    return keyed.withRows(current, keyed.adding(keyed.rowsOf(key, current), rows, floorUs));
  };
  if (keys.length > 0) await store.update(keyed.group, keys, change, { signal });
}

/** Tells whether an entry has nothing of the view. */
function createFinder({ group, layout }: KeyedView): (key: string, bytes: Uint8Array) => boolean {
  const reader = createBlobReader();
  return (key, bytes) => {
    try {
      reader.open(bytes, () => `The online entry "${key}" of "${group}"`);
      return reader.find(layout.mark) < 0;
    } catch (error) {
      throw entryError(error, group, key);
    }
  };
}

/**
 * Tells where an entry has rows of the view, all of them from before a time: alone, or among those of other views, or none of the view's but others'.
 * @returns undefined where it has later ones, or cannot tell.
 */
function createLooker(
  { group, layout }: KeyedView,
  upToUs: number,
): (key: string, bytes: Uint8Array) => "alone" | "among others" | undefined {
  const reader = createBlobReader();
  return (key, bytes) => {
    try {
      reader.open(bytes, () => `The online entry "${key}" of "${group}"`);
      const at = reader.find(layout.mark);
      if (at < 0) return "among others";
      const { view } = reader;
      const { rows, rowsAt, shape } = readHead(layout, view, at);
      if (!isMereRows(view, at) || floorAt(view, at) > upToUs) return undefined;
      for (let row = 0; row < rows; row++) {
        if (view.getFloat64(rowsAt + row * shape.stride, true) >= upToUs) return undefined;
      }
      return reader.sections === 1 ? "alone" : "among others";
    } catch (error) {
      throw entryError(error, group, key);
    }
  };
}
