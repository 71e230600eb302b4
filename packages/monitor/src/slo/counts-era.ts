import { PackedRing } from "./packed-ring.ts";

/** Buckets from one to another, both included. */
export interface BucketRange {
  readonly from: number;
  readonly to: number;
}

/** Counts of a stretch of time without a jump longer than the period. */
export interface CountsEra {
  /** −∞ while nothing was added. */
  readonly newest: number;
  /** The oldest bucket that still counts. */
  readonly oldest: number;
  add(bucket: number, bad: number, total: number): void;
  totals(range: BucketRange): { readonly good: number; readonly total: number };
  entries(ring: "fine" | "coarse"): readonly (readonly [bucket: number, bad: number, total: number])[];
  restore(ring: "fine" | "coarse", bucket: number, bad: number, total: number): void;
}

export interface CountsSize {
  /** Buckets of the period. */
  readonly buckets: number;
  /** Buckets that are kept one by one. */
  readonly fine: number;
  readonly coarseFactor: number;
}

export function createCountsEra({ buckets, fine: fineBuckets, coarseFactor }: CountsSize): CountsEra {
  const fine = new PackedRing(fineBuckets);
  const coarse = fineBuckets >= buckets ? undefined : new PackedRing(Math.ceil(buckets / coarseFactor) + 1);
  const coarseOf = (bucket: number): number => Math.floor(bucket / coarseFactor);
  let newest = Number.NEGATIVE_INFINITY;
  return {
    get newest() {
      return newest;
    },
    get oldest() {
      return newest - buckets + 1;
    },
    add(bucket, bad, total) {
      if (bucket < newest - buckets + 1) return;
      newest = Math.max(newest, bucket);
      fine.add(bucket, bad, total);
      coarse?.add(coarseOf(bucket), bad, total);
    },
    totals({ from, to }) {
      const last = to < newest ? to : newest;
      const oldest = newest - buckets + 1;
      const first = from > oldest ? from : oldest;
      if (coarse === undefined || first >= fine.oldest) {
        fine.read(first, last);
        return { good: fine.second - fine.first, total: fine.second };
      }
      const lastCoarse = coarseOf(last);
      // What lies before the fine buckets is told by whole coarse ones, at its end as at its beginning; up to the newest event there is nothing beyond them.
      if (last === newest || lastCoarse * coarseFactor < fine.oldest) {
        coarse.read(coarseOf(first), lastCoarse);
        return { good: coarse.second - coarse.first, total: coarse.second };
      }
      coarse.read(coarseOf(first), lastCoarse - 1);
      fine.read(lastCoarse * coarseFactor, last);
      const total = coarse.second + fine.second;
      return { good: total - coarse.first - fine.first, total };
    },
    entries: (ring) => (ring === "fine" ? fine : coarse)?.entries() ?? [],
    restore(ring, bucket, bad, total) {
      if (ring === "fine") newest = Math.max(newest, bucket);
      (ring === "fine" ? fine : coarse)?.add(bucket, bad, total);
    },
  };
}
