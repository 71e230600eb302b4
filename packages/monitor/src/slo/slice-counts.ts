import { PackedRing } from "./packed-ring.ts";
import type { EventTotals, SliceTotals } from "./event-counts.ts";

export interface SliceOptions {
  readonly lengthMs: number;
  /** A slice is bad where less than this share of its events was good, in (0, 1]. */
  readonly target: number;
}

export interface SliceState {
  readonly lengthMs: number;
  readonly until: number;
  readonly entries: readonly (readonly [slice: number, bad: number, seen: number])[];
}

/** Slices of time, told good from bad once they are over; what came late is looked at again. */
export interface SliceCounts {
  touch(timeMs: number): void;
  totals(windowMs: number, nowMs: number): SliceTotals;
  state(): SliceState;
}

/** @param between Events of a stretch of time. */
export function createSliceCounts(
  { lengthMs, target }: SliceOptions,
  periodMs: number,
  between: (fromMs: number, untilMs: number) => EventTotals,
  firstMs: () => number | undefined,
  state?: SliceState,
): SliceCounts {
  const capacity = Math.ceil(periodMs / lengthMs) + 1;
  const ring = new PackedRing(capacity);
  const late = new Set<number>();
  /** Slices up to this one are in the ring. */
  let until = Number.NEGATIVE_INFINITY;
  for (const [slice, bad, seen] of state?.entries ?? []) ring.add(slice, bad, seen);
  if (state !== undefined) ({ until } = state);
  const read = (slice: number): readonly [bad: number, seen: number] => {
    const { good, total } = between(slice * lengthMs, (slice + 1) * lengthMs - 1);
    // Rounding must not make a slice bad that is exactly as good as it must be.
    return total <= 0 ? [0, 0] : [good < target * total * (1 - 1e-12) ? 1 : 0, 1];
  };
  const scan = (last: number): void => {
    for (const slice of late) {
      const [bad, seen] = read(slice);
      const known = ring.sum(slice, slice);
      // What is kept no longer one by one stays as it was judged.
      if (seen >= known.second) ring.add(slice, bad - known.first, seen - known.second);
    }
    late.clear();
    const first = firstMs();
    if (first === undefined) return;
    const from = Math.max(until + 1, Math.floor(first / lengthMs), last - capacity + 1);
    for (let slice = from; slice <= last; slice += 1) ring.add(slice, ...read(slice));
    until = Math.max(until, last);
  };
  return {
    touch(timeMs) {
      const slice = Math.floor(timeMs / lengthMs);
      if (slice <= until) late.add(slice);
    },
    totals(windowMs, nowMs) {
      const current = Math.floor(nowMs / lengthMs);
      scan(current - 1);
      const first = firstMs();
      if (first === undefined) return { seen: 0, bad: 0, expected: 0 };
      const from = current - Math.max(1, Math.round(windowMs / lengthMs)) + 1;
      const over = ring.sum(from, current - 1);
      const [bad, seen] =
        until >= current ? [ring.sum(current, current).first, ring.sum(current, current).second] : read(current);
      const began = Math.max(from, Math.floor(first / lengthMs));
      return { seen: over.second + seen, bad: over.first + bad, expected: Math.max(0, current - began) + seen };
    },
    state: () => ({ lengthMs, until: Number.isFinite(until) ? until : -1, entries: ring.entries() }),
  };
}
