import type { CallOptions } from "@millwright/contracts";
import type { Forgotten } from "../erasure/forgotten.ts";
import type { HistoryBatch } from "../history/history-log.ts";
import type { HistorySource } from "../history/history-sql.ts";
import { type NumberRanges, rangesCover, rangesOfBoth, rangesWith } from "../online/number-ranges.ts";
import type { OnlineRow } from "../online/online-store.ts";
import type { WaitingPuts } from "../online/waiting-puts.ts";
import { createBlobReader, withSectionsOf } from "./entity-blob.ts";
import { type EntityProgress, isWithin, NO_PROGRESS, progressTo, withoutSettled } from "./entity-progress.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import { entryError, type KeyedView } from "./keyed-view.ts";
import { floorAt, isMereRows, readHead } from "./row-section.ts";

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

/** A load under way: the entities that could not be written yet, and how many later rows were kept. */
export interface Written extends KeyedLoad {
  readonly late: Set<string>;
  keptRows: number;
}

/** What comes in the place of an entity's rows before the load: an entry that holds its one row and `loadedProgress`, or rows. */
export type Given = { readonly entry: Uint8Array } | { readonly rows: readonly OnlineRow[] };

export interface LoadedPiece {
  readonly keys: readonly string[];
  readonly given: readonly Given[];
  /** As in `LoadedRows`. */
  readonly floorUs: number | undefined;
}

export const numbersOf = (batches: readonly HistoryBatch[]): Set<number> =>
  new Set(batches.map(({ number }) => number));

const seenIn = (listed: readonly HistoryBatch[]): NumberRanges => rangesWith([], numbersOf(listed));

/** What entities know once they are loaded, of which nothing was known before. */
export const loadedProgress = ({ listed, upToUs }: LoadOptions): EntityProgress => ({
  ...NO_PROGRESS,
  seenBatches: seenIn(listed),
  loadedUs: upToUs,
});

/** Puts rows of the history in the place of what entities have from before a time. */
export async function writeLoaded(
  written: Written,
  { keys, given, floorUs }: LoadedPiece,
  options: LoadOptions,
): Promise<void> {
  if (keys.length === 0) return;
  const { keyed, store, forgotten, late, generation } = written;
  const { upToUs, listed, signal } = options;
  const seenBatches = seenIn(listed);
  const ids = new Set(listed.map(({ id }) => id));
  const kept = keys.map(() => 0);
  const putsOf = createPuts(written, options, seenBatches);
  const untilUs = forgotten.reader(keyed.view);
  const wholeEntry = createShortcut(keyed, seenBatches, upToUs);
  const change = (index: number, current: Uint8Array | undefined): Uint8Array | null | undefined => {
    const key = keys[index]!;
    const each = given[index]!;
    const before = keyed.progressOf(key, current);
    const goneUs = untilUs(key);
    kept[index] = 0;
    late.delete(key);
    if ("entry" in each && goneUs === Number.NEGATIVE_INFINITY) {
      const whole = wholeEntry(key, current, before, each.entry);
      if (whole !== undefined) return whole;
    }
    const puts = putsOf(key, before);
    if (puts === undefined) late.add(key);
    if (puts === undefined) return undefined;
    const rows = "entry" in each ? keyed.rowsOf(key, each.entry).rows : each.rows;
    const { removedUs = Number.NEGATIVE_INFINITY } = before;
    // A delete from that time on stays as it is; an earlier one stands among the rows.
    const isRemoved = removedUs >= upToUs;
    const all = isRemoved ? [] : [...rows, ...puts].filter(({ timeUs }) => timeUs < upToUs && timeUs > goneUs);
    const { after, keptRows } = keyed.loading(keyed.rowsOf(key, current), { rows: all, upToUs, floorUs, generation });
    kept[index] = keptRows;
    const isGone = !isRemoved && after.rows.length + after.others.length === 0;
    if (isGone) return keyed.withRows(current, after, NO_PROGRESS);
    const next = {
      ...progressTo(before, { seenBatches }),
      loadedUs: upToUs,
      removedUs: isRemoved ? removedUs : undefined,
    };
    return keyed.withRows(
      current,
      after,
      withoutSettled(next, (batch) => ids.has(batch)),
    );
  };
  await store.update(keyed.group, keys, change, { signal });
  written.keptRows += kept.reduce((sum, each) => sum + each, 0);
}

/** @returns what gives an entity's rows of puts that are in no listed batch; undefined where they cannot be told yet. */
function createPuts(
  { waiting, outdated }: Written,
  { listed, isLast = false }: LoadOptions,
  seenBatches: NumberRanges,
): (key: string, progress: EntityProgress) => readonly OnlineRow[] | undefined {
  const known = rangesOfBoth(seenBatches, outdated);
  const ids = new Set(listed.map(({ id }) => id));
  return (key, progress) => {
    const later = progress.marks.filter(({ markedBatch }) => !ids.has(markedBatch));
    const puts = later.length === 0 ? [] : waiting.rowsOf(key, later);
    if (isLast) return puts ?? [];
    const isBeyond =
      !rangesCover(known, progress.seenBatches) ||
      progress.partway.some(([number]) => !rangesCover(known, [[number, number]]));
    return isBeyond ? undefined : puts;
  };
}

/** @returns what gives the bytes of an entity that has nothing that an entry does not replace as a whole; undefined where it may have. */
function createShortcut(
  keyed: KeyedView,
  seenBatches: NumberRanges,
  upToUs: number,
): (
  key: string,
  current: Uint8Array | undefined,
  progress: EntityProgress,
  entry: Uint8Array,
) => Uint8Array | undefined {
  const isBefore = createLooker(keyed, upToUs);
  let last = NO_PROGRESS;
  let isReplaced = true;
  return (key, current, progress, entry) => {
    if (current === undefined) return entry;
    if (progress !== last) {
      last = progress;
      isReplaced = isWithin(progress, seenBatches);
    }
    if (!isReplaced || !isBefore(key, current)) return undefined;
    return keyed.isAlone(key, current) ? entry : withSectionsOf(current, entry);
  };
}

/** Tells whether all that an entry has of the view are rows from before a time. */
function createLooker({ group, layout }: KeyedView, upToUs: number): (key: string, bytes: Uint8Array) => boolean {
  const reader = createBlobReader();
  return (key, bytes) => {
    try {
      reader.open(bytes, () => `The online entry "${key}" of "${group}"`);
      const at = reader.find(layout.mark);
      if (at < 0) return true;
      const { view } = reader;
      const { rows, rowsAt, shape } = readHead(layout, view, at);
      if (!isMereRows(view, at) || floorAt(view, at) > upToUs) return false;
      for (let row = 0; row < rows; row++) {
        if (view.getFloat64(rowsAt + row * shape.stride, true) >= upToUs) return false;
      }
      return true;
    } catch (error) {
      throw entryError(error, group, key);
    }
  };
}
