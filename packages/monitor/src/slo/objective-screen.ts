import { calendarSpan } from "./calendar-period.ts";
import type { EventCounts } from "./event-counts.ts";
import { allowedRatio, thresholdOf } from "./profiles.ts";
import type { Objective } from "./slo.ts";
import { missingAfter } from "./slo-policy.ts";

/**
 * Says of which objectives it is sure, without a look at their counts, that no row fires, that the budget is not spent and that they are not absent. It is never wrong: what it is not
 * sure of has to be read.
 */
export interface ObjectiveScreen {
  /** Events were added to the counts of the objective. */
  take(index: number, timeMs: number, good: number, total: number): void;
  /** The counts were changed otherwise than by adding. */
  wake(index: number): void;
  isQuiet(index: number, nowMs: number): boolean;
  /** Reads the counts of an objective. @returns true where it is quiet now, and may rest from here on. */
  rest(index: number, nowMs: number): boolean;
}

const minute = 60_000;
/** What lies further ahead is read anew, up to its time. */
const aheadMs = 2 * minute;
/** An event after a longer silence may begin new counts; one that is later than that is put in when the counts are read. */
const silenceMs = 50 * minute;
const lateMs = 10 * minute;
/** Counts are kept one by one for an hour longer than the longest window. */
const longestRestMs = 45 * minute;
/** Coarse buckets begin and end with up to so many buckets that do not belong to the window. */
const looseBuckets = 33;
const margin = 1 - 1e-9;
/** Where a long rest would not be safe, a short one may be. */
const shares = [1, 0.2];
const golden = 0.618_033_988_749_895;

/**
 * While an objective rests, events leave its windows and others come. A ratio stays below its threshold as long as the bad events of now and those that come are fewer than
 * threshold × the events of now that are still in the window when the rest ends: of this many bad ones each may come. Rests end at different times, so that an evaluation reads few.
 */
export function createObjectiveScreen(
  slos: readonly Objective[],
  countsOf: (index: number) => EventCounts,
): ObjectiveScreen {
  const size = slos.length;
  const longest = Float64Array.from(slos, (slo, index) => restOf(slo) * (0.5 + 0.5 * ((index * golden) % 1)));
  const [sinceMs, untilMs] = [new Float64Array(size), new Float64Array(size).fill(Number.NEGATIVE_INFINITY)];
  /** Bad events since the last look, and how many of them leave all as it is. */
  const [spent, spare] = [new Float64Array(size), new Float64Array(size)];
  /** No event from before the last look is later. */
  const markMs = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
  const newestMs = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
  const wake = (index: number, timeMs: number): void => {
    untilMs[index] = Number.NEGATIVE_INFINITY;
    markMs[index] = Math.max(markMs[index] as number, timeMs);
  };
  return {
    take(index, timeMs, good, total) {
      const [bad, until] = [total - good, untilMs[index] as number];
      const sinceLastMs = timeMs - (newestMs[index] as number);
      newestMs[index] = Math.max(newestMs[index] as number, timeMs);
      spent[index] = (spent[index] as number) + (bad > 0 ? bad : 0);
      const isBeyond = until > Number.NEGATIVE_INFINITY && timeMs > until + aheadMs;
      if (!(bad >= 0 && good >= 0 && sinceLastMs <= silenceMs) || isBeyond) wake(index, timeMs);
      else if (sinceLastMs < -lateMs) untilMs[index] = Number.NEGATIVE_INFINITY;
    },
    wake(index) {
      newestMs[index] = countsOf(index).lastMs ?? Number.NEGATIVE_INFINITY;
      wake(index, newestMs[index] as number);
    },
    isQuiet: (index, nowMs) =>
      nowMs <= (untilMs[index] as number) &&
      nowMs >= (sinceMs[index] as number) &&
      (spent[index] as number) < (spare[index] as number),
    rest(index, nowMs) {
      untilMs[index] = Number.NEGATIVE_INFINITY;
      const [slo, counts, lastMs] = [slos[index] as Objective, countsOf(index), newestMs[index] as number];
      // Of events that are still to come into the windows, only those since the last look are known.
      if (lastMs > nowMs + aheadMs || (lastMs > nowMs && (markMs[index] as number) > nowMs)) return false;
      const coming = lastMs > nowMs ? (spent[index] as number) : 0;
      markMs[index] = lastMs;
      spent[index] = 0;
      sinceMs[index] = nowMs;
      for (const share of shares) {
        const until = endOfRest(slo, nowMs, share * (longest[index] as number));
        if (!(until > nowMs)) return false;
        spare[index] = spareOf(slo, counts, nowMs, until) - coming;
        if (!((spare[index] as number) > 0)) continue;
        untilMs[index] = until;
        return true;
      }
      return false;
    },
  };
}

/** How long an objective may rest at most; 0 where time without events counts, or slices do. */
function restOf(slo: Objective): number {
  const { slices, missingData = "ignore", profile, lowTraffic } = slo;
  if (slices !== undefined || missingData === "good" || missingData === "bad") return 0;
  const grows = lowTraffic?.growUntilEvents !== undefined;
  const shortest = Math.min(...profile.map(({ longMs, shortMs }) => (grows ? shortMs : longMs)));
  return Math.min(longestRestMs, 0.75 * shortest, missingData === "alarm" ? missingAfter(slo) / 4 : longestRestMs);
}

/** No rest reaches into the next period of the calendar. */
function endOfRest({ calendar }: Objective, nowMs: number, durationMs: number): number {
  const endMs = calendar === undefined ? Number.POSITIVE_INFINITY : calendarSpan(calendar, nowMs).endMs;
  return Math.min(nowMs + durationMs, endMs - 1);
}

/** How many bad events may come until then: what is less than that is safe. */
function spareOf(slo: Objective, counts: EventCounts, nowMs: number, untilMs: number): number {
  const { profile, objective, lowTraffic, missingData } = slo;
  const passingMs = untilMs - nowMs + aheadMs + 2 * counts.bucketMs;
  const isSeen = (windowMs: number): boolean => windowMs > 0 && counts.totals(windowMs, nowMs).total > 0;
  if (missingData === "alarm" && !isSeen(missingAfter(slo) - passingMs)) return 0;
  const grows = lowTraffic?.growUntilEvents !== undefined;
  let least = spareOfBudget(slo, counts, nowMs, untilMs);
  for (const row of profile) {
    const threshold = thresholdOf(objective, row);
    const spareOfWindow = (windowMs: number): number => {
      const { good, total } = counts.totals(windowMs, nowMs);
      return spareBelow(
        threshold,
        total - good,
        windowMs > passingMs ? counts.totals(windowMs - passingMs, nowMs).total : 0,
      );
    };
    // A row fires where both windows are over: one that stays below is enough.
    const short = spareOfWindow(row.shortMs);
    least = Math.min(least, grows ? short : Math.max(short, spareOfWindow(row.longMs)));
  }
  return least;
}

function spareOfBudget(slo: Objective, counts: EventCounts, nowMs: number, untilMs: number): number {
  const { calendar, periodMs, missingData, objective } = slo;
  const looseMs = looseBuckets * counts.bucketMs;
  // With an alarm the budget may be that of the last event.
  const earliestMs = missingData === "alarm" ? nowMs - missingAfter(slo) - looseMs : nowMs;
  const rollingMs = untilMs + aheadMs - periodMs;
  let [fromMs, staysMs] = [earliestMs - periodMs, rollingMs];
  if (calendar !== undefined) {
    const { startMs } = calendarSpan(calendar, nowMs);
    if (calendarSpan(calendar, earliestMs).startMs !== startMs) return 0;
    [fromMs, staysMs] = [startMs, Math.max(startMs, rollingMs)];
  }
  const { good, total } = counts.between(fromMs - looseMs, nowMs);
  const stays = staysMs + looseMs < nowMs ? counts.between(staysMs + looseMs, nowMs).total : 0;
  return spareBelow(allowedRatio(objective), total - good, stays);
}

/** Without a bad event no ratio is over its threshold, whatever leaves the window: the first one may change that. */
const spareBelow = (threshold: number, bad: number, stays: number): number =>
  Math.max(threshold * stays * margin - bad, bad === 0 ? Number.MIN_VALUE : 0);
