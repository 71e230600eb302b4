import { logBeta } from "./log-gamma.ts";

/** Observations counted in buckets that are the same for both samples; bucket `i` holds what is over edge `i - 1` and not over edge `i`. */
export type BucketCounts = readonly number[];

export interface QuantileTestOptions {
  /** In (0, 1): 0.95. */
  readonly quantile: number;
  /** By how many buckets the candidate's quantile may be higher. Default: 0. */
  readonly buckets?: number | undefined;
  /** Strength of the mixture's prior, for a test that is sharpest at about 1,000 observations. Default: `quantile (1 − quantile) 100`. */
  readonly prior?: number | undefined;
}

/**
 * ln of the evidence that the candidate's quantile is higher than the baseline's by more than the tolerated buckets.
 *
 * For each value x, the number of observations not over x is a Bernoulli count, and the beta-binomial mixture against its probability being p is a nonnegative martingale
 * where x is the quantile; the product over both independent samples, made least over all pairs of quantiles that the null hypothesis allows, is then below one
 * (S. R. Howard and A. Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm identification", Bernoulli 28, 2022, section 5; without buckets and tolerance
 * it is the test of their package confseq). It is valid at any time: with probability at most α it ever exceeds 1/α. Within a bucket nothing is known but the counts at its edges, and the
 * least value is taken, so that buckets cost power and never validity.
 */
export function logEvidenceOfHigherQuantile(
  baseline: BucketCounts,
  candidate: BucketCounts,
  { quantile, buckets = 0, prior = quantile * (1 - quantile) * 100 }: QuantileTestOptions,
): number {
  const left = leastByBucket(baseline, quantile, prior);
  const right = leastByBucket(candidate, quantile, prior);
  // What the candidate's quantile costs at least when it lies in this bucket or below.
  const below: number[] = [];
  for (const [at, value] of right.entries()) below.push(Math.min(value, below[at - 1] ?? Number.POSITIVE_INFINITY));
  let least = Number.POSITIVE_INFINITY;
  for (const [at, value] of left.entries())
    least = Math.min(least, value + (below[Math.min(below.length - 1, at + buckets)] ?? 0));
  return Number.isFinite(least) ? least : 0;
}

/** For each bucket the least ln evidence against the quantile lying in it. */
function leastByBucket(counts: BucketCounts, quantile: number, prior: number): readonly number[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const a = prior / (1 - quantile);
  const b = prior / quantile;
  const base = logBeta(a, b);
  const evidence = (count: number): number =>
    logBeta(a + count, b + total - count) - base - count * Math.log(quantile) - (total - count) * Math.log1p(-quantile);
  // Convex in the count: least where its derivative changes sign, close to total · quantile.
  let bottom = Math.min(total, Math.max(0, Math.round(total * quantile)));
  while (bottom > 0 && evidence(bottom - 1) < evidence(bottom)) bottom -= 1;
  while (bottom < total && evidence(bottom + 1) < evidence(bottom)) bottom += 1;
  let under = 0;
  return counts.map((count) => {
    const from = under;
    under += count;
    return evidence(Math.min(under, Math.max(from, bottom)));
  });
}

/** The bucket that holds the quantile of what was counted; -1 where nothing was. */
export function quantileBucket(counts: BucketCounts, quantile: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return -1;
  const rank = Math.min(total, Math.floor(total * quantile) + 1);
  let under = 0;
  return counts.findIndex((count) => (under += count) >= rank);
}
