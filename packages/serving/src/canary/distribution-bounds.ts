import type { BucketCounts } from "./quantile-test.ts";

/**
 * How far an empirical distribution function is from the true one at most, at all values and all times at once, with probability 1 − α:
 * 0.85 √((ln ln(e n) + 0.8 ln(1612 / α)) / n), the Dvoretzky-Kiefer-Wolfowitz inequality made uniform in time
 * (S. R. Howard and A. Ramdas, "Sequential estimation of quantiles", Bernoulli 28, 2022, theorem 2). At least 1 is no bound.
 */
export function distributionBand(count: number, alpha: number): number {
  if (count <= 0) return Number.POSITIVE_INFINITY;
  return 0.85 * Math.sqrt((Math.log(1 + Math.log(count)) + 0.8 * Math.log(1612 / alpha)) / count);
}

export interface DistributionShift {
  /** The greatest difference of the two empirical distribution functions at an edge of the buckets. */
  readonly distance: number;
  /** What the true distance is at least, at any time, with probability 1 − α. */
  readonly lower: number;
}

/** The Kolmogorov-Smirnov distance of two samples in common buckets, with a lower bound that holds at all times at once. */
export function distributionShift(baseline: BucketCounts, candidate: BucketCounts, alpha: number): DistributionShift {
  const totals = [baseline, candidate].map((counts) => counts.reduce((sum, count) => sum + count, 0));
  const [left = 0, right = 0] = totals;
  if (left === 0 || right === 0) return { distance: 0, lower: 0 };
  let distance = 0;
  let first = 0;
  let second = 0;
  for (let at = 0; at < Math.max(baseline.length, candidate.length); at += 1) {
    first += baseline[at] ?? 0;
    second += candidate[at] ?? 0;
    distance = Math.max(distance, Math.abs(first / left - second / right));
  }
  const band = distributionBand(left, alpha / 2) + distributionBand(right, alpha / 2);
  return { distance, lower: Math.max(0, distance - band) };
}
