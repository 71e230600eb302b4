import type { CallOptions } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import { type EntityProgress, NO_PROGRESS, progressTo, withoutSettled } from "./entity-progress.ts";
import type { Forgotten } from "../erasure/forgotten.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import { historyRows } from "../history/history-rows.ts";
import type { HistorySource } from "../history/history-sql.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import type { KeyedView, LoadedRows } from "./keyed-view.ts";
import { type NumberRanges, rangesCover, rangesOfBoth, rangesWith } from "../online/number-ranges.ts";
import type { OnlineRow } from "../online/online-store.ts";
import type { WaitingPuts } from "../online/waiting-puts.ts";

/** Entities written together. */
const PIECE_ENTITIES = 5_000;

export interface KeyedLoad {
  readonly keyed: KeyedView;
  readonly store: KeyedOnlineStore;
  readonly source: HistorySource;
  readonly latenessMs: number;
  /** A number no other load of the view has. */
  readonly generation: number;
  /** What was put and is not in the history yet. */
  readonly waiting: WaitingPuts;
  readonly forgotten: Forgotten;
  /** Numbers of batches that entities may have although no listing names them any more. */
  readonly outdated: NumberRanges;
}

/** The batches whose rows are loaded. */
export interface LoadOptions extends CallOptions {
  readonly upToUs: number;
  readonly listed: readonly HistoryBatch[];
  /** Only entities that have rows in these. Default: all, and entities without any lose their earlier rows. */
  readonly entitiesOf?: ReadonlySet<number> | undefined;
  /** Only these entities. Default: all. */
  readonly keys?: readonly string[] | undefined;
  /** Whether calls that are neither in a journal nor among the batches are given up: nobody has their rows. Default: false. */
  readonly isLast?: boolean | undefined;
}

export interface LoadResult {
  readonly rows: number;
  readonly keptRows: number;
  /** Entities that were left as they are, because they have rows of batches that came after these. */
  readonly late: ReadonlySet<string>;
}

/** Entities written together, and those that could not be. */
interface Written extends KeyedLoad {
  readonly late: Set<string>;
  keptRows: number;
}

/**
 * Puts the history in the place of the rows before a time, entity by entity: readers see each entity as it was or as it will be. Then takes away the
 * earlier rows of entities that the history does not have. Rows that anybody put and that are in no batch yet stay. Holds a piece of the entities in memory
 * at a time. May be done again from the beginning.
 */
export async function loadKeyed(load: KeyedLoad, view: FeatureView, options: LoadOptions): Promise<LoadResult> {
  const { source, latenessMs, generation } = load;
  const { upToUs, listed, entitiesOf, keys, signal } = options;
  const asked = { upToUs, latenessUs: latenessMs * 1000, batches: numbersOf(listed), entitiesOf, keys, signal };
  const { floorUs, rows: history } = await historyRows(source, view, { ...asked, byEntity: true });
  const written: Written = { ...load, late: new Set(), keptRows: 0 };
  let rows = 0;
  let piece = new Map<string, OnlineRow[]>();
  const writePiece = async (): Promise<void> => {
    const given = piece;
    piece = new Map();
    const loaded = [...given.values()].map((each) => ({ rows: each, upToUs, floorUs, generation }));
    await writeLoaded(written, [...given.keys()], loaded, options);
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
  if (entitiesOf === undefined) await sweep(written, options);
  signal?.throwIfAborted();
  return { rows, keptRows: written.keptRows, late: written.late };
}

export const numbersOf = (batches: readonly HistoryBatch[]): Set<number> =>
  new Set(batches.map(({ number }) => number));

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

async function writeLoaded(
  written: Written,
  keys: readonly string[],
  loaded: readonly LoadedRows[],
  { upToUs, listed, isLast = false, signal }: LoadOptions,
): Promise<void> {
  if (keys.length === 0) return;
  const { keyed, store, waiting, forgotten, outdated, late } = written;
  const seen = { seenBatches: rangesWith([], numbersOf(listed)) };
  const known = rangesOfBoth(seen.seenBatches, outdated);
  const ids = new Set(listed.map(({ id }) => id));
  const kept = keys.map(() => 0);
  /** @returns what the entity has of puts that are in no listed batch; undefined where that cannot be told yet. */
  const putsOf = (key: string, progress: EntityProgress): readonly OnlineRow[] | undefined => {
    const later = progress.marks.filter(({ markedBatch }) => !ids.has(markedBatch));
    const puts = later.length === 0 ? [] : waiting.rowsOf(key, later);
    if (isLast) return puts ?? [];
    const isBeyond =
      !rangesCover(known, progress.seenBatches) ||
      progress.partway.some(([number]) => !rangesCover(known, [[number, number]]));
    return isBeyond ? undefined : puts;
  };
  const change = (index: number, current: Uint8Array | undefined): Uint8Array | null | undefined => {
    const key = keys[index]!;
    const before = keyed.progressOf(key, current);
    const puts = putsOf(key, before);
    kept[index] = 0;
    late.add(key);
    if (puts === undefined) return undefined;
    late.delete(key);
    const { rows, ...rest } = loaded[index]!;
    const { removedUs = Number.NEGATIVE_INFINITY } = before;
    // A delete from that time on stays as it is; an earlier one stands among the rows.
    const goneUs = forgotten.untilUs(keyed.view, key);
    const isRemoved = removedUs >= upToUs;
    const all = isRemoved ? [] : [...rows, ...puts].filter(({ timeUs }) => timeUs < upToUs && timeUs > goneUs);
    const { after, keptRows } = keyed.loading(keyed.rowsOf(key, current), { ...rest, rows: all });
    kept[index] = keptRows;
    const isGone = !isRemoved && after.rows.length + after.others.length === 0;
    if (isGone) return keyed.withRows(current, after, NO_PROGRESS);
    const next = { ...progressTo(before, seen), loadedUs: upToUs, removedUs: isRemoved ? removedUs : undefined };
    const progress = withoutSettled(next, (batch) => ids.has(batch));
    return keyed.withRows(current, after, progress);
  };
  await store.update(keyed.group, keys, change, { signal });
  written.keptRows += kept.reduce((sum, each) => sum + each, 0);
}

/** Goes through the entities that this load did not write. */
async function sweep(written: Written, options: LoadOptions): Promise<void> {
  const { upToUs, keys: only, signal } = options;
  const { keyed, store, generation, late } = written;
  const clear = async (keys: readonly string[]): Promise<void> => {
    const loaded = keys.map(() => ({ rows: [], upToUs, floorUs: undefined, generation }));
    await writeLoaded(written, keys, loaded, options);
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
