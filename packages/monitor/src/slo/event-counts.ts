/** Good and total events of a span of time. */
export interface EventTotals {
  readonly good: number;
  readonly total: number;
}

/** Counts of events in buckets of time, for windows that end now. */
export interface EventCounts {
  readonly bucketMs: number;
  /** Adds events; what is older than the period is dropped, what lies in the future counts in its own bucket. */
  add(timeMs: number, good: number, total: number): void;
  /** Events in the buckets of `(nowMs − windowMs, nowMs]`: exact to one bucket; what began more than four and a half days ago to sixty buckets. */
  totals(windowMs: number, nowMs: number): EventTotals;
}

const coarseFactor = 60;
/** Longer than the longest window of the usual tables. */
const fineMs = 4.5 * 86_400_000;

/**
 * Fine buckets for some days, and sixty times longer ones for the whole period, so that a window of days costs a few hundred steps and a
 * month a few megabytes.
 * @param bucketMs Length of a bucket. Default: 10,000.
 */
export function createEventCounts({
  periodMs,
  bucketMs = 10_000,
}: {
  readonly periodMs: number;
  readonly bucketMs?: number | undefined;
}): EventCounts {
  const fine = new Map<number, [number, number]>();
  const coarse = new Map<number, [number, number]>();
  const put = (into: Map<number, [number, number]>, bucket: number, good: number, total: number): void => {
    const counts = into.get(bucket);
    if (counts === undefined) into.set(bucket, [good, total]);
    else {
      counts[0] += good;
      counts[1] += total;
    }
  };
  let newest = Number.NEGATIVE_INFINITY;
  const forget = (bucket: number): void => {
    newest = bucket;
    const oldest = bucket - Math.ceil(periodMs / bucketMs);
    const oldestFine = Math.max(oldest, bucket - Math.ceil(fineMs / bucketMs));
    // Buckets are met in about the order of time, so the first ones are the oldest.
    for (const key of fine.keys()) {
      if (key >= oldestFine) break;
      fine.delete(key);
    }
    for (const key of coarse.keys()) {
      if ((key + 1) * coarseFactor > oldest) break;
      coarse.delete(key);
    }
  };
  return {
    bucketMs,
    add(timeMs, good, total) {
      const bucket = Math.floor(timeMs / bucketMs);
      if (bucket < newest - Math.ceil(periodMs / bucketMs)) return;
      put(fine, bucket, good, total);
      put(coarse, Math.floor(bucket / coarseFactor), good, total);
      if (bucket > newest) forget(bucket);
    },
    totals(windowMs, nowMs) {
      const end = Math.floor(nowMs / bucketMs);
      // Nothing is kept outside these two, however long the window.
      const last = Math.min(end, newest);
      const oldest = newest - Math.ceil(periodMs / bucketMs);
      let first = Math.max(end - Math.max(1, Math.round(windowMs / bucketMs)) + 1, oldest);
      const oldestFine = newest - Math.ceil(fineMs / bucketMs);
      if (first < oldestFine) first = Math.floor(first / coarseFactor) * coarseFactor;
      let good = 0;
      let total = 0;
      for (let bucket = first; bucket <= last;) {
        const whole = bucket % coarseFactor === 0 && (bucket + coarseFactor - 1 <= last || bucket < oldestFine);
        const counts = whole ? coarse.get(bucket / coarseFactor) : fine.get(bucket);
        good += counts?.[0] ?? 0;
        total += counts?.[1] ?? 0;
        bucket += whole ? coarseFactor : 1;
      }
      return { good, total };
    },
  };
}
