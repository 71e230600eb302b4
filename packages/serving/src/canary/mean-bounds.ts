import { logBeta } from "./log-gamma.ts";

/** Observations in [0, 1]: how many, and their sum. Counts of two disjoint samples are added. */
export interface MeanCounts {
  readonly count: number;
  readonly sum: number;
}

export interface MeanBounds {
  readonly lower: number;
  readonly upper: number;
}

/** A Beta prior for the mean; Jeffreys' by default. */
const half = 0.5;

/**
 * ln of the evidence against the mean being `mean`: the likelihood ratio of a Beta(a, b) mixture against it,
 * B(a + S, b + n − S) / B(a, b) / (m^S (1 − m)^(n − S)).
 * Its exponential starts at 1 and is a nonnegative supermartingale wherever the mean of each observation, given those before it, is `mean`: exactly a martingale for
 * Bernoulli observations (H. Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Stat. 41, 1970), below it for any others in [0, 1], by convexity.
 * So by Ville's inequality it ever exceeds 1/α with probability at most α, however often it is looked at.
 */
export function logEvidenceAgainstMean(
  { count, sum }: MeanCounts,
  mean: number,
  a: number = half,
  b: number = half,
): number {
  if (count === 0) return 0;
  const rest = count - sum;
  if ((mean <= 0 && sum > 0) || (mean >= 1 && rest > 0)) return Number.POSITIVE_INFINITY;
  const null_ = (sum > 0 ? sum * Math.log(mean) : 0) + (rest > 0 ? rest * Math.log1p(-mean) : 0);
  return logBeta(a + sum, b + rest) - logBeta(a, b) - null_;
}

/**
 * A confidence sequence for the mean of observations in [0, 1]: with probability 1 − α it holds the mean at all times at once.
 * The means that `logEvidenceAgainstMean` does not refute at level α; without observations all of [0, 1].
 */
export function meanBounds(counts: MeanCounts, alpha: number): MeanBounds {
  const { count, sum } = counts;
  if (count === 0) return { lower: 0, upper: 1 };
  const limit = Math.log(1 / alpha);
  const mean = Math.min(1, Math.max(0, sum / count));
  const refuted = (candidate: number): boolean => logEvidenceAgainstMean(counts, candidate) >= limit;
  return {
    lower: refuted(0) ? edge(0, mean, refuted) : 0,
    upper: refuted(1) ? edge(1, mean, refuted) : 1,
  };
}

/** Where between a refuted mean and one that is not the refutation ends, on the refuted side. */
function edge(from: number, to: number, refuted: (mean: number) => boolean): number {
  let outside = from;
  let inside = to;
  for (let step = 0; step < 60; step += 1) {
    const middle = (outside + inside) / 2;
    if (refuted(middle)) outside = middle;
    else inside = middle;
  }
  return outside;
}
