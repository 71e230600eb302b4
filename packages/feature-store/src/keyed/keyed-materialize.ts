import type { CallOptions } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import { progressTo } from "./entity-progress.ts";
import { loadPlain } from "./plain-load.ts";
import { historyRows } from "../history/history-rows.ts";
import type { HistorySource } from "../history/history-sql.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import type { KeyedView, LoadedRows } from "./keyed-view.ts";
import { rangesWith } from "../online/number-ranges.ts";
import type { OnlineRow } from "../online/online-store.ts";

/** Entities written together. */
const PIECE_ENTITIES = 5_000;

export interface KeyedLoad {
  readonly keyed: KeyedView;
  readonly store: KeyedOnlineStore;
  readonly source: HistorySource;
  readonly latenessMs: number;
  /** A number no other load of the view has. */
  readonly generation: number;
}

/** The batches whose rows are loaded. */
export interface LoadOptions extends CallOptions {
  readonly upToUs: number;
  readonly batches: ReadonlySet<number>;
  /** Only entities that have rows in these. Default: all, and entities without any lose their earlier rows. */
  readonly entitiesOf?: ReadonlySet<number> | undefined;
}

export interface LoadCounts {
  readonly rows: number;
  readonly keptRows: number;
}

/**
 * Puts the history in the place of the rows before a time, entity by entity: readers see each entity as it was or as it will be. Then takes away the
 * earlier rows of entities that the history does not have. Holds a piece of the entities in memory at a time. May be done again from the beginning.
 */
export async function loadKeyed(load: KeyedLoad, view: FeatureView, options: LoadOptions): Promise<LoadCounts> {
  const { keyed, store } = load;
  // What comes into a group from here on came after this load.
  const isFirst = options.entitiesOf === undefined && (await isEmpty(store, keyed.group));
  const { rows, keptRows } = await (keyed.isPlain ? loadPlain : loadRows)(load, view, options);
  const sweptRows = options.entitiesOf === undefined && !isFirst ? await sweep(load, options) : 0;
  options.signal?.throwIfAborted();
  return { rows, keptRows: keptRows + sweptRows };
}

async function isEmpty(store: KeyedOnlineStore, group: string): Promise<boolean> {
  for await (const page of store.scan(group)) if (page.length > 0) return false;
  return true;
}

async function loadRows(load: KeyedLoad, view: FeatureView, options: LoadOptions): Promise<LoadCounts> {
  const { source, latenessMs, generation } = load;
  const { upToUs } = options;
  const found = await historyRows(source, view, { ...options, latenessUs: latenessMs * 1000, byEntity: true });
  const { floorUs, rows: history } = found;
  let rows = 0;
  let keptRows = 0;
  let piece = new Map<string, OnlineRow[]>();
  const writePiece = async (): Promise<void> => {
    const given = piece;
    piece = new Map();
    const loaded = [...given.values()].map((each) => ({ rows: each, upToUs, floorUs, generation }));
    keptRows += await writeLoaded(load, [...given.keys()], loaded, options);
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
  return { rows, keptRows };
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

/** @returns how many rows from `upToUs` on were kept. */
async function writeLoaded(
  { keyed, store }: KeyedLoad,
  keys: readonly string[],
  loaded: readonly LoadedRows[],
  { batches, signal }: LoadOptions,
): Promise<number> {
  if (keys.length === 0) return 0;
  const seen = { seenBatches: rangesWith([], batches) };
  const kept = keys.map(() => 0);
  await store.update(
    keyed.group,
    keys,
    (index, current) => {
      const { after, keptRows } = keyed.loading(keyed.rowsOf(keys[index]!, current), loaded[index]!);
      kept[index] = keptRows;
      const progress = progressTo(keyed.progressOf(keys[index]!, current), seen);
      return keyed.withRows(current, after, progress);
    },
    { signal },
  );
  return kept.reduce((sum, each) => sum + each, 0);
}

/** Goes through the entities that this load did not write. */
async function sweep(load: KeyedLoad, options: LoadOptions): Promise<number> {
  const { upToUs, signal } = options;
  const { keyed, store, generation } = load;
  let kept = 0;
  for await (const page of store.scan(keyed.group, { signal })) {
    const others = page.filter(({ key, bytes }) => {
      const found = keyed.generationOf(key, bytes);
      return found >= 0 && found !== generation;
    });
    const loaded = others.map(() => ({ rows: [], upToUs, floorUs: undefined, generation }));
    kept += await writeLoaded(
      load,
      others.map(({ key }) => key),
      loaded,
      options,
    );
  }
  return kept;
}
