import { abortable, type CallOptions } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import type { HistorySource } from "../history/history-sql.ts";
import { createKeyedTurns } from "../online/turns.ts";
import { loadSegment, type Segment, type SegmentReader } from "./segment.ts";
import { findSegment, noteAsked, saveSegment, type SegmentOrigin } from "./segment-file.ts";

export interface FindOptions extends CallOptions {
  /** The numbers of the batches whose rows count. */
  readonly batches: ReadonlySet<number>;
  /** Whether a view that is not there is loaded: at once, or where it was asked for before. */
  readonly load: "now" | "again";
}

/** Segments of views, as many as the limit allows; those not asked for the longest go first. */
export interface SegmentCache {
  /** Bytes held. */
  readonly sizeBytes: number;
  /**
   * The segments that together have the rows of these batches, to be disposed of; undefined where the view is neither loaded nor in a file, or does not fit.
   */
  find(source: HistorySource, view: FeatureView, options: FindOptions): Promise<readonly SegmentReader[] | undefined>;
  /** Sees to it that a file has the rows of these batches, where files are kept and the rows fit. */
  keepFile(
    source: HistorySource,
    view: FeatureView,
    options: CallOptions & { readonly batches: ReadonlySet<number> },
  ): Promise<void>;
  clear(): void;
}

interface Held {
  readonly batches: ReadonlySet<number>;
  readonly segments: readonly Segment[];
}

export interface SegmentCacheOptions {
  readonly limitBytes: number;
  /** Whether segments are kept in files beside the history, and found there. */
  readonly keepsFiles: boolean;
}

/** Beside the first segment there are so many small ones, of what was ingested since, and together at most half as many rows; then all are loaded as one. */
const MOST_BESIDE = 4;

export function createSegmentCache(options: SegmentCacheOptions): SegmentCache {
  const { limitBytes, keepsFiles } = options;
  const held = createHeldSegments(limitBytes);
  const search = createSearch(held, options);
  const turn = createKeyedTurns();
  return {
    get sizeBytes() {
      return held.sizeBytes;
    },
    find(source, view, wanted) {
      const { signal } = wanted;
      const opened = turn(view.id, async () => {
        signal?.throwIfAborted();
        const origin = originOf(source, view);
        const found = await search(origin, wanted);
        if (found === undefined) return undefined;
        const readers = await openAll(found);
        if (readers !== undefined) return readers;
        // Another process took the file away. What it put in its place is looked for once.
        held.delete(view.id);
        const anew = await search(origin, wanted);
        return anew === undefined ? undefined : await openAll(anew);
      });
      // Who waits for another's loading may leave.
      return abortable(opened, signal);
    },
    async keepFile(source, view, { batches, signal }) {
      if (!keepsFiles || batches.size === 0) return;
      await turn(view.id, async () => {
        const from = await originOf(source, view).at(batches);
        const present = await findSegment(from, { limitBytes, signal });
        if (present !== undefined && isSame(present.batches, batches)) return;
        const whole = await loadSegment(source, view, { batches, limitBytes, signal });
        if (whole !== undefined && whole.rows > 0) await saveSegment(from, whole);
      });
    },
    clear() {
      held.clear();
    },
  };
}

/** Finds what together has the rows of batches: held, in a file, or loaded now where it is time for that. */
function createSearch(
  held: HeldSegments,
  { limitBytes, keepsFiles }: SegmentCacheOptions,
): (origin: Origin, options: FindOptions) => Promise<Held | undefined> {
  const askedFor = new Set<string>();
  const wasAsked = async ({ source, view }: Origin): Promise<boolean> =>
    keepsFiles && (await noteAsked(await source.log(view.id)));
  /** By view: what did not fit. */
  const tooLarge = new Map<string, ReadonlySet<number>>();
  /** What is held or in a file, with what was added since; undefined where it is time to load all as one. */
  const known = async (origin: Origin, { batches, signal }: FindOptions): Promise<Held | undefined> => {
    const inFile = async (): Promise<Held | undefined> =>
      keepsFiles ? toHeld(await findSegment(await origin.at(batches), { limitBytes, signal })) : undefined;
    const base = held.get(origin.view.id) ?? (await inFile());
    if (base === undefined || !includesAll(batches, base.batches)) return undefined;
    if (isSame(base.batches, batches)) return base;
    const added = new Set([...batches].filter((number) => !base.batches.has(number)));
    const room = limitBytes - sizeOf(base);
    const segments = await withBeside(origin, base, { batches: added, limitBytes: room, signal });
    return segments === undefined ? undefined : { batches, segments };
  };
  const load = async ({ source, view, at }: Origin, { batches, signal }: FindOptions): Promise<Held | undefined> => {
    const from = await at(batches);
    const whole = await loadSegment(source, view, { batches, limitBytes, signal });
    if (whole === undefined) return undefined;
    const saved = keepsFiles && whole.rows > 0 ? await saveSegment(from, whole) : undefined;
    return { batches, segments: [saved ?? whole] };
  };
  return async (origin, options) => {
    const { id } = origin.view;
    const isFirst = !askedFor.has(id);
    askedFor.add(id);
    const base = await known(origin, options);
    if (base !== undefined) {
      held.keep(id, base);
      // Who asks again will go on asking: from now on no file is read.
      if (!isFirst || options.load === "now") await held.hold(id);
      return base;
    }
    held.delete(id);
    if (includesAll(options.batches, tooLarge.get(id))) return undefined;
    if (options.load === "again" && isFirst && !(await wasAsked(origin))) return undefined;
    const loaded = await load(origin, options);
    if (loaded === undefined) tooLarge.set(id, options.batches);
    else held.keep(id, loaded);
    return loaded;
  };
}

interface Origin {
  readonly source: HistorySource;
  readonly view: FeatureView;
  /** Where the history stands now. */
  at(batches: ReadonlySet<number>): Promise<SegmentOrigin>;
}

function originOf(source: HistorySource, view: FeatureView): Origin {
  return {
    source,
    view,
    async at(batches) {
      const log = await source.log(view.id);
      return { view, log, batches, compactions: (await log.snapshot()).compactions };
    },
  };
}

const toHeld = (
  found: { readonly segment: Segment; readonly batches: ReadonlySet<number> } | undefined,
): Held | undefined => (found === undefined ? undefined : { batches: found.batches, segments: [found.segment] });

/** @returns undefined where a file is gone. */
async function openAll({ segments }: Held): Promise<readonly SegmentReader[] | undefined> {
  const readers: SegmentReader[] = [];
  try {
    for (const segment of segments) readers.push(await segment.open());
    return readers;
  } catch (error) {
    for (const reader of readers) await reader[Symbol.asyncDispose]();
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

const sizeOf = ({ segments }: Held): number => segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);

interface HeldSegments {
  readonly sizeBytes: number;
  get(id: string): Held | undefined;
  /** Those kept or got last go last, where there is no room for all. */
  keep(id: string, found: Held): void;
  /** Brings a view's columns into memory, where they fit. */
  hold(id: string): Promise<void>;
  delete(id: string): void;
  clear(): void;
}

function createHeldSegments(limitBytes: number): HeldSegments {
  /** Those asked for last come last. */
  const held = new Map<string, Held>();
  const total = (): number => [...held.values()].reduce((sum, each) => sum + sizeOf(each), 0);
  const makeRoom = (id: string): void => {
    for (const other of held.keys()) {
      if (total() <= limitBytes) break;
      if (other !== id) held.delete(other);
    }
  };
  return {
    get sizeBytes() {
      return total();
    },
    get: (id) => held.get(id),
    keep(id, found) {
      held.delete(id);
      held.set(id, found);
      makeRoom(id);
    },
    async hold(id) {
      const segments = held.get(id)?.segments ?? [];
      if (segments.reduce((sum, { wholeBytes }) => sum + wholeBytes, 0) > limitBytes) return;
      try {
        for (const segment of segments) await segment.hold();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
      makeRoom(id);
    },
    delete: (id) => void held.delete(id),
    clear: () => held.clear(),
  };
}

/** What is held and a small segment of what was added; undefined where it is time to load all as one. */
async function withBeside(
  { source, view }: Origin,
  { segments }: Held,
  options: CallOptions & { readonly batches: ReadonlySet<number>; readonly limitBytes: number },
): Promise<readonly Segment[] | undefined> {
  const [first, ...beside] = segments;
  if (first === undefined || beside.length >= MOST_BESIDE) return undefined;
  const added = await loadSegment(source, view, options);
  if (added === undefined) return undefined;
  if (added.rows === 0) return segments;
  const rows = beside.reduce((sum, segment) => sum + segment.rows, added.rows);
  return rows * 2 > first.rows ? undefined : [...segments, added];
}

/** Whether a set has all of another one; false where there is no other. */
const includesAll = (all: ReadonlySet<number>, some: ReadonlySet<number> | undefined): boolean =>
  some !== undefined && [...some].every((each) => all.has(each));

const isSame = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean => a.size === b.size && includesAll(a, b);
