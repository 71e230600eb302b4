import type { FeatureView } from "../definition/definition.ts";
import { historyRows } from "../history/history-rows.ts";
import type { OnlineRow } from "../online/online-store.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import { loadPlain } from "./plain-load.ts";
import { type KeyedLoad, type LoadOptions, numbersOf, writeLoaded, type Written } from "./write-loaded.ts";

/** Entities written together. */
const PIECE_ENTITIES = 5_000;

export interface LoadResult {
  readonly rows: number;
  readonly keptRows: number;
  /** Entities that were left as they are, because they have rows of batches that came after these. */
  readonly late: ReadonlySet<string>;
}

/**
 * Puts the history in the place of the rows before a time, entity by entity: readers see each entity as it was or as it will be. Then takes away the
 * earlier rows of entities that the history does not have. Rows that anybody put and that are in no batch yet stay. Holds a piece of the entities in memory
 * at a time. May be done again from the beginning.
 */
export async function loadKeyed(load: KeyedLoad, view: FeatureView, options: LoadOptions): Promise<LoadResult> {
  const { keyed, store } = load;
  const { entitiesOf, keys, signal } = options;
  const written: Written = { ...load, late: new Set(), keptRows: 0 };
  // What comes into a group from here on came after this load.
  const isFirst = entitiesOf === undefined && keys === undefined && (await isEmpty(store, keyed.group));
  const rows = await (keyed.isPlain ? loadPlain : loadRows)(written, view, options);
  if (entitiesOf === undefined && !isFirst) await sweep(written, options);
  signal?.throwIfAborted();
  return { rows, keptRows: written.keptRows, late: written.late };
}

async function isEmpty(store: KeyedOnlineStore, group: string): Promise<boolean> {
  for await (const page of store.scan(group)) if (page.length > 0) return false;
  return true;
}

async function loadRows(written: Written, view: FeatureView, options: LoadOptions): Promise<number> {
  const { source, latenessMs } = written;
  const { upToUs, listed, entitiesOf, keys, signal } = options;
  const asked = { upToUs, latenessUs: latenessMs * 1000, batches: numbersOf(listed), entitiesOf, keys, signal };
  const { floorUs, rows: history } = await historyRows(source, view, { ...asked, byEntity: true });
  let rows = 0;
  let piece = new Map<string, OnlineRow[]>();
  const writePiece = async (): Promise<void> => {
    const given = Array.from(piece.values(), (each) => ({ rows: each }));
    const named = [...piece.keys()];
    piece = new Map();
    await writeLoaded(written, { keys: named, given, floorUs }, options);
  };
  for await (const batch of history) {
    for (const row of batch) {
      rows++;
      const known = piece.get(row.key);
      if (known !== undefined) known.push(row);
      else {
        // Rows of an entity come together: those in the piece are complete.
        if (piece.size >= PIECE_ENTITIES) await writePiece();
        piece.set(row.key, [row]);
      }
    }
  }
  await writePiece();
  return rows;
}

/** Where every entity's rows can be told apart from those before. */
export async function boundaryOf(
  { keyed, store }: KeyedLoad,
  upToUs: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (keyed.aggregates.tiles === undefined) return upToUs;
  let earliestUs = upToUs;
  for await (const page of store.scan(keyed.group, { signal })) {
    for (const { key, bytes } of page) {
      earliestUs = Math.min(earliestUs, keyed.boundaryAt(keyed.rowsOf(key, bytes), upToUs));
    }
  }
  return earliestUs;
}

/** Goes through the entities that this load did not write. */
async function sweep(written: Written, options: LoadOptions): Promise<void> {
  const { keys: only, signal } = options;
  const { keyed, store, generation, late } = written;
  const clear = async (keys: readonly string[]): Promise<void> => {
    await writeLoaded(written, { keys, given: keys.map(() => ({ rows: [] })), floorUs: undefined }, options);
  };
  const isOther = (key: string, bytes: Uint8Array): boolean => {
    const found = keyed.generationOf(key, bytes);
    return found >= 0 && found !== generation && !late.has(key);
  };
  if (only !== undefined) {
    const found = await store.read(keyed.group, only, { signal });
    await clear(only.filter((key, index) => found[index] !== undefined && isOther(key, found[index])));
    return;
  }
  for await (const page of store.scan(keyed.group, { signal })) {
    await clear(page.filter(({ key, bytes }) => isOther(key, bytes)).map(({ key }) => key));
  }
}
