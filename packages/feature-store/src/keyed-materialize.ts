import type { FeatureView } from "./definition.ts";
import { historyRows } from "./history-rows.ts";
import type { HistorySource } from "./history-sql.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import type { KeyedView, LoadedRows } from "./keyed-view.ts";
import type { MaterializeOptions, MaterializeResult } from "./online.ts";
import type { OnlineRow } from "./online-store.ts";

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

/**
 * Puts the history in the place of the rows before a time, entity by entity: readers see each entity as it was or as it will be. Then takes away the
 * earlier rows of entities that the history does not have. Holds a piece of the entities in memory at a time.
 */
export async function materializeKeyed(
  load: KeyedLoad,
  view: FeatureView,
  { upToMs, signal }: MaterializeOptions,
): Promise<MaterializeResult> {
  const { source, latenessMs, generation } = load;
  const upToUs = await boundaryOf(load, Math.round(upToMs * 1000), signal);
  const { floorUs, rows: history } = await historyRows(source, view, {
    upToUs,
    latenessUs: latenessMs * 1000,
    byEntity: true,
    signal,
  });
  let rows = 0;
  let keptRows = 0;
  let piece = new Map<string, OnlineRow[]>();
  const writePiece = async (): Promise<void> => {
    const given = piece;
    piece = new Map();
    const loaded = [...given.values()].map((each) => ({ rows: each, upToUs, floorUs, generation }));
    keptRows += await writeLoaded(load, [...given.keys()], loaded, signal);
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
  keptRows += await sweep(load, upToUs, signal);
  return { rows, keptRows, upToMs: upToUs / 1000 };
}

/** Where every entity's rows can be told apart from those before. */
async function boundaryOf(
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
  signal: AbortSignal | undefined,
): Promise<number> {
  if (keys.length === 0) return 0;
  const kept = keys.map(() => 0);
  await store.update(
    keyed.group,
    keys,
    (index, current) => {
      const { after, keptRows } = keyed.loading(keyed.rowsOf(keys[index]!, current), loaded[index]!);
      kept[index] = keptRows;
      return keyed.withRows(current, after);
    },
    { signal },
  );
  return kept.reduce((sum, each) => sum + each, 0);
}

/** Goes through the entities that this load did not write. */
async function sweep(load: KeyedLoad, upToUs: number, signal: AbortSignal | undefined): Promise<number> {
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
      signal,
    );
  }
  return kept;
}
