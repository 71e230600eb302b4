import type { EventCounts, EventCountsState } from "./event-counts.ts";
import { createSloCounts } from "./slo-status.ts";
import type { Slo } from "./slo.ts";

/** Good and total events by the begin of their bucket. */
export type CountedEvents = readonly (readonly [timeMs: number, good: number, total: number])[];

/** Counts of this process and of others. */
export interface MergedCounts {
  /** Of all together. */
  readonly all: EventCounts;
  add(timeMs: number, good: number, total: number): void;
  /** What was counted here. */
  state(): EventCountsState;
  /** Goes on from what an earlier process counted, before anything else is. Throws `MONITOR_SLO_STATE_INVALID`. */
  resume(events: CountedEvents, state: EventCountsState | undefined): void;
  /** What another counted; what it told before is taken back. */
  put(source: string, events: CountedEvents): void;
}

export function createMergedCounts(slo: Slo): MergedCounts {
  let own = createSloCounts(slo);
  const told = new Map<string, CountedEvents>();
  let all = own;
  return {
    get all() {
      return all;
    },
    add(timeMs, good, total) {
      own.add(timeMs, good, total);
      if (all !== own) all.add(timeMs, good, total);
    },
    state: () => own.state(),
    resume(events, state) {
      if (state === undefined) {
        for (const [timeMs, good, total] of events) own.add(timeMs, good, total);
        return;
      }
      // Slices of another length are told anew, from the buckets that are kept one by one.
      const { slices, ...rest } = state;
      const fits = slices?.lengthMs === own.state().slices?.lengthMs;
      all = own = createSloCounts(slo, { state: fits ? state : rest });
    },
    put(source, events) {
      if (all === own) all = createSloCounts(slo, { state: own.state() });
      for (const [timeMs, good, total] of told.get(source) ?? []) all.add(timeMs, -good, -total);
      for (const [timeMs, good, total] of events) all.add(timeMs, good, total);
      told.set(source, events);
    },
  };
}

/** Fine buckets, and what coarse ones hold beyond these. */
export function eventsOf({
  bucketMs,
  coarseFactor,
  fine,
  coarse,
}: Pick<EventCountsState, "bucketMs" | "coarseFactor" | "fine" | "coarse">): CountedEvents {
  const rest = new Map(coarse.map(([bucket, bad, total]) => [bucket, [bad, total] as [number, number]]));
  const found = fine.map(([bucket, bad, total]): [number, number, number] => {
    const whole = rest.get(Math.floor(bucket / coarseFactor));
    if (whole !== undefined) [whole[0], whole[1]] = [whole[0] - bad, whole[1] - total];
    return [bucket * bucketMs, total - bad, total];
  });
  for (const [bucket, [bad, total]] of rest)
    if (total !== 0 || bad !== 0) found.push([bucket * coarseFactor * bucketMs, total - bad, total]);
  return found.toSorted(([a], [b]) => a - b);
}
