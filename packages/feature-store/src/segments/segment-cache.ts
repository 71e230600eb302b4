import { abortable, type CallOptions } from "@millwright/contracts";
import type { FeatureView } from "../definition/definition.ts";
import type { HistorySource } from "../history/history-sql.ts";
import { createKeyedTurns } from "../online/turns.ts";
import { loadSegment, type Segment } from "./segment.ts";

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
  /** The segments that together hold the rows of these batches; undefined where the view is not loaded or does not fit. */
  find(source: HistorySource, view: FeatureView, options: FindOptions): Promise<readonly Segment[] | undefined>;
  clear(): void;
}

interface Held {
  readonly batches: ReadonlySet<number>;
  readonly segments: readonly Segment[];
}

/** Beside the first segment there are so many small ones, of what was ingested since, and together at most half as many rows; then all are loaded as one. */
const MOST_BESIDE = 4;

export function createSegmentCache(limitBytes: number): SegmentCache {
  /** Those asked for last come last. */
  const held = new Map<string, Held>();
  const askedFor = new Set<string>();
  /** By view: what did not fit. */
  const tooLarge = new Map<string, ReadonlySet<number>>();
  const turn = createKeyedTurns();
  const sizeOf = ({ segments }: Held): number => segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  const total = (): number => [...held.values()].reduce((sum, each) => sum + sizeOf(each), 0);

  const keep = (id: string, found: Held): readonly Segment[] => {
    held.delete(id);
    held.set(id, found);
    for (const other of held.keys()) {
      if (total() <= limitBytes) break;
      if (other !== id) held.delete(other);
    }
    return found.segments;
  };
  const load = async (source: HistorySource, view: FeatureView, options: FindOptions): Promise<Held | undefined> => {
    const { batches, signal } = options;
    const known = held.get(view.id);
    if (known !== undefined && includesAll(batches, known.batches)) {
      const added = new Set([...batches].filter((number) => !known.batches.has(number)));
      const segments = await withBeside(source, view, known, {
        batches: added,
        limitBytes: limitBytes - sizeOf(known),
        signal,
      });
      if (segments !== undefined) return { batches, segments };
    }
    held.delete(view.id);
    const whole = await loadSegment(source, view, { batches, limitBytes, signal });
    return whole === undefined ? undefined : { batches, segments: [whole] };
  };
  return {
    get sizeBytes() {
      return total();
    },
    find(source, view, options) {
      const { batches, load: when, signal } = options;
      const found = turn(view.id, async () => {
        signal?.throwIfAborted();
        const known = held.get(view.id);
        if (known !== undefined && isSame(known.batches, batches)) return keep(view.id, known);
        const isFirst = !askedFor.has(view.id);
        askedFor.add(view.id);
        if ((when === "again" && isFirst) || includesAll(batches, tooLarge.get(view.id))) return undefined;
        const loaded = await load(source, view, options);
        if (loaded !== undefined) return keep(view.id, loaded);
        tooLarge.set(view.id, batches);
        return undefined;
      });
      // Who waits for another's loading may leave.
      return abortable(found, signal);
    },
    clear() {
      held.clear();
    },
  };
}

/** What is held and a small segment of what was added; undefined where it is time to load all as one. */
async function withBeside(
  source: HistorySource,
  view: FeatureView,
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
