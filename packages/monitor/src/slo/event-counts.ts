import { sloStateInvalid } from "../errors.ts";
import { type BucketRange, createCountsEra, type CountsEra } from "./counts-era.ts";
import { createSliceCounts, type SliceOptions, type SliceState } from "./slice-counts.ts";

/** Good and total events of a span of time. */
export interface EventTotals {
  readonly good: number;
  readonly total: number;
}

/** Slices of time: those with events, those of them that were bad, and those that passed since the first event. */
export interface SliceTotals {
  readonly seen: number;
  readonly bad: number;
  readonly expected: number;
}

/** What counts hold, JSON-safe: `createEventCounts({ …, state })` goes on from it. Buckets are `[bucket, bad, total]`. */
export interface EventCountsState {
  readonly formatVersion: 1;
  readonly bucketMs: number;
  readonly coarseFactor: number;
  readonly firstMs?: number | undefined;
  readonly lastMs?: number | undefined;
  readonly fine: readonly (readonly [bucket: number, bad: number, total: number])[];
  readonly coarse: readonly (readonly [bucket: number, bad: number, total: number])[];
  /** Slices, `[slice, bad, seen]`, up to the one named last. */
  readonly slices?: SliceState | undefined;
}

/** Counts of events in buckets of time, for windows that end now. */
export interface EventCounts {
  readonly bucketMs: number;
  /** Time of the first and of the last event so far; undefined without events. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
  /**
   * Adds events, in any order; what is older than the period is dropped, what lies in the future counts once it is that time. Fewer than before (a label
   * that turned out otherwise) is told by negative numbers. Throws a `RangeError` for what is no finite number.
   */
  add(timeMs: number, good: number, total: number): void;
  /**
   * Events in the buckets of `(nowMs − windowMs, nowMs]`: exact to one bucket. A window that begins before the buckets are kept one by one
   * (`fineMs`) begins with the coarse bucket of 30 that its first one lies in.
   */
  totals(windowMs: number, nowMs: number): EventTotals;
  /** Events from the bucket of one moment to that of another. */
  between(fromMs: number, untilMs: number): EventTotals;
  /** Slices of `(nowMs − windowMs, nowMs]`, the one under way only where it has events. Undefined where slices are not counted. */
  slices(windowMs: number, nowMs: number): SliceTotals | undefined;
  /** The state to go on from after a restart. */
  state(): EventCountsState;
}

export interface EventCountsOptions {
  readonly periodMs: number;
  /** Length of a bucket. Default: 10,000. */
  readonly bucketMs?: number | undefined;
  /** How long single buckets are kept: longer than the longest window of the burn-rate table. Default: 4.5 days. */
  readonly fineMs?: number | undefined;
  /** Counts slices of time too: a slice is bad where less than `target` of its events were good. A whole number of buckets. Default: none. */
  readonly slices?: SliceOptions | undefined;
  /** What counts held before. Throws `MONITOR_SLO_STATE_INVALID` where it is not of this bucket length, or no state. */
  readonly state?: EventCountsState | undefined;
}

const coarseFactor = 30;
const dayMs = 86_400_000;
/** As far as dates go. */
const latestMs = 8.64e15;
/** What lies further ahead than this may come of a clock that is wrong, and waits until it is that time. */
const aheadMs = 3_600_000;
/** So many buckets ahead are no mistake: time went on and nobody asked. */
const mostAhead = 512;

/**
 * Running sums by bucket in two rings, fine and coarse: any window is read by a few look-ups, however long. A clock that jumps far ahead does not wipe what
 * was counted: when it comes back, so do the counts from before.
 */
export function createEventCounts(options: EventCountsOptions): EventCounts {
  const { periodMs, bucketMs = 10_000, state } = options;
  const eras = createEras(options, bucketMs);
  let [firstMs, lastMs] = [state?.firstMs ?? Number.POSITIVE_INFINITY, newestOf(state, bucketMs)];
  const first = (): number | undefined => (firstMs === Number.POSITIVE_INFINITY ? undefined : firstMs);
  const between = (fromMs: number, untilMs: number): EventTotals =>
    eras.totals({ from: Math.floor(fromMs / bucketMs), to: Math.floor(untilMs / bucketMs) });
  const slices =
    options.slices === undefined
      ? undefined
      : createSliceCounts(checkedSlices(options.slices, bucketMs), periodMs, between, first, state?.slices);
  return {
    bucketMs,
    get firstMs() {
      return first();
    },
    get lastMs() {
      return lastMs === Number.NEGATIVE_INFINITY ? undefined : lastMs;
    },
    add(timeMs, good, total) {
      if (!(Number.isFinite(timeMs) && Number.isFinite(good) && Number.isFinite(total)))
        throw new RangeError(`Events are counted by finite numbers, not ${good} of ${total} at ${timeMs}.`);
      if (Math.abs(timeMs) > latestMs) throw new RangeError(`${timeMs} is no time of a clock.`);
      firstMs = Math.min(firstMs, timeMs);
      lastMs = Math.max(lastMs, timeMs);
      eras.add(Math.floor(timeMs / bucketMs), total - good, total);
      slices?.touch(timeMs);
    },
    totals(windowMs, nowMs) {
      const to = Math.floor(nowMs / bucketMs);
      return eras.totals({ from: to - Math.max(1, Math.round(windowMs / bucketMs)) + 1, to });
    },
    between,
    slices: (windowMs, nowMs) => slices?.totals(windowMs, nowMs),
    state: () => ({
      formatVersion: 1,
      bucketMs,
      coarseFactor,
      ...(lastMs === Number.NEGATIVE_INFINITY ? {} : { firstMs, lastMs }),
      ...eras.entries(),
      ...(slices === undefined ? {} : { slices: slices.state() }),
    }),
  };
}

interface Eras {
  add(bucket: number, bad: number, total: number): void;
  totals(range: BucketRange): EventTotals;
  entries(): Pick<EventCountsState, "fine" | "coarse">;
}

/** The counts of now, and those from before a jump of the clock. */
function createEras({ periodMs, fineMs = 4.5 * dayMs, state }: EventCountsOptions, bucketMs: number): Eras {
  if (!(bucketMs >= 1 && periodMs > 0 && Number.isFinite(periodMs) && fineMs > 0))
    throw new RangeError(
      `bucketMs must be at least 1, periodMs and fineMs positive, not ${bucketMs}, ${periodMs} and ${fineMs}.`,
    );
  const buckets = Math.ceil(periodMs / bucketMs) + 1;
  if (buckets > 1e8) throw new RangeError(`A period of ${periodMs} ms has too many buckets of ${bucketMs} ms.`);
  const size = { buckets, fine: Math.ceil(Math.min(periodMs, fineMs) / bucketMs) + 1, coarseFactor };
  let present = createCountsEra(size);
  let past: CountsEra | undefined;
  const ahead = new Map<number, [bad: number, total: number]>();
  const mostBucketsAhead = Math.max(1, Math.ceil(aheadMs / bucketMs));
  const isFresh = (): boolean => present.newest === Number.NEGATIVE_INFINITY;
  const eraOf = (bucket: number): CountsEra => (past !== undefined && bucket < present.oldest ? past : present);
  const put = (bucket: number, bad: number, total: number): void => {
    if (!isFresh() && bucket - present.newest > buckets) [past, present] = [present, createCountsEra(size)];
    eraOf(bucket).add(bucket, bad, total);
  };
  const fold = (until: number): void => {
    for (const [bucket, [bad, total]] of [...ahead].toSorted((a, b) => a[0] - b[0])) {
      if (bucket > until) continue;
      ahead.delete(bucket);
      put(bucket, bad, total);
    }
  };
  if (state !== undefined) restore(state, bucketMs, present, buckets);
  return {
    add(bucket, bad, total) {
      if (isFresh() || bucket - present.newest <= mostBucketsAhead) {
        put(bucket, bad, total);
        return;
      }
      const waiting = ahead.get(bucket);
      ahead.set(bucket, [(waiting?.[0] ?? 0) + bad, (waiting?.[1] ?? 0) + total]);
      if (ahead.size > mostAhead) fold(Number.POSITIVE_INFINITY);
    },
    totals(range) {
      if (ahead.size > 0) fold(range.to);
      return (past === undefined ? present : eraOf(range.to)).totals(range);
    },
    entries() {
      fold(Number.POSITIVE_INFINITY);
      return { fine: present.entries("fine"), coarse: present.entries("coarse") };
    },
  };
}

/** Time of the last event; no bucket is later, also where a state does not say. */
const newestOf = (state: EventCountsState | undefined, bucketMs: number): number =>
  (state?.fine ?? []).reduce(
    (newest, [bucket]) => Math.max(newest, bucket * bucketMs),
    state?.lastMs ?? Number.NEGATIVE_INFINITY,
  );

function restore(state: EventCountsState, bucketMs: number, era: CountsEra, buckets: number): void {
  checkState(state, bucketMs);
  const { fine, coarse } = state;
  const newest = fine.reduce((most, [bucket]) => Math.max(most, bucket), Number.NEGATIVE_INFINITY);
  const isKept = (bucket: number): boolean => bucket > newest - buckets && bucket <= newest;
  for (const [bucket, bad, total] of coarse)
    if (isKept((bucket + 1) * coarseFactor - 1) || isKept(bucket * coarseFactor))
      era.restore("coarse", bucket, bad, total);
  for (const [bucket, bad, total] of fine) if (isKept(bucket)) era.restore("fine", bucket, bad, total);
}

function checkedSlices({ lengthMs, target }: SliceOptions, bucketMs: number): SliceOptions {
  if (!(lengthMs >= bucketMs && lengthMs % bucketMs === 0))
    throw new RangeError(`A slice must last a whole number of buckets of ${bucketMs} ms, not ${lengthMs} ms.`);
  if (!(target > 0 && target <= 1)) throw new RangeError(`The target of a slice must be in (0, 1], not ${target}.`);
  return { lengthMs, target };
}

function checkState(state: EventCountsState, bucketMs: number): void {
  const { formatVersion, fine, coarse } = state;
  if (formatVersion !== 1) throw sloStateInvalid(`its format is ${String(formatVersion)}, and 1 is read here`);
  if (state.bucketMs !== bucketMs || state.coarseFactor !== coarseFactor)
    throw sloStateInvalid(`its buckets are ${String(state.bucketMs)} ms long, and not ${bucketMs} ms`);
  for (const entries of [fine, coarse]) {
    if (!Array.isArray(entries)) throw sloStateInvalid("it lacks its buckets");
    for (const entry of entries as readonly unknown[]) {
      const isEntry =
        Array.isArray(entry) && entry.length === 3 && Number.isSafeInteger(entry[0]) && entry.every(Number.isFinite);
      if (!isEntry) throw sloStateInvalid("a bucket is not told as [bucket, bad, total]");
    }
  }
  for (const time of [state.firstMs, state.lastMs])
    if (time !== undefined && !Number.isFinite(time)) throw sloStateInvalid(`it names the time ${String(time)}`);
}
