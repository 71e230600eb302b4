/** A monotone transform of losses to targets of mean 0 and variance 1. */
export interface Warp {
  /** Power of Yeo and Johnson; 1 leaves the shape as it is. */
  readonly power: number;
  readonly targets: Float64Array;
  /** Σ log |d target / d loss|, up to a constant that all warps of the same losses share. */
  readonly logJacobian: number;
}

/** Losses shifted by the median and scaled by the spread below and about it; extremes far above are cut, so that one of 10³⁰ leaves the others their shape. */
export function robustScores(losses: Float64Array): Float64Array {
  const sorted = losses.toSorted();
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] as number;
  const median = at(0.5);
  const best = at(0);
  const limit = median + 5 * Math.max(median - best, at(0.75) - at(0.25));
  const cut = limit > median ? losses.map((loss) => Math.min(loss, limit)) : losses.slice();
  return standardized(cut);
}

/** Mean 0 and variance 1; all 0 where all are equal. */
export function standardized(values: Float64Array): Float64Array {
  const count = Math.max(1, values.length);
  // Dividing first keeps the sum of huge values finite.
  const mean = values.reduce((sum, value) => sum + value / count, 0);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value - mean)), 0);
  if (!(largest > 0)) return new Float64Array(values.length);
  let square = 0;
  for (const value of values) square += ((value - mean) / largest) ** 2;
  const deviation = Math.sqrt(square / count);
  return values.map((value) => (value - mean) / largest / deviation);
}

/**
 * Yeo and Johnson, "A new family of power transformations to improve normality or symmetry", Biometrika 87 (2000), standardised again.
 * @param scores Standardised losses.
 */
export function warped(scores: Float64Array, power: number): Warp {
  if (power === 1) return { power, targets: standardized(scores), logJacobian: 0 };
  const moved = scores.map((score) => yeoJohnson(score, power));
  let logJacobian = 0;
  for (const score of scores) logJacobian += (power - 1) * Math.sign(score) * Math.log1p(Math.abs(score));
  const targets = standardized(moved);
  const deviation = spread(moved);
  return { power, targets, logJacobian: logJacobian - scores.length * Math.log(deviation || 1) };
}

function yeoJohnson(score: number, power: number): number {
  if (score >= 0) return power === 0 ? Math.log1p(score) : ((1 + score) ** power - 1) / power;
  return power === 2 ? -Math.log1p(-score) : -((1 - score) ** (2 - power) - 1) / (2 - power);
}

function spread(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
