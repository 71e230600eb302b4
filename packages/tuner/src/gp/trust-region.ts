/** A box about the best point that grows with successes and shrinks with failures. */
export interface TrustRegion {
  /** Side of the box where all length scales are alike. */
  readonly length: number;
  /** How often it became too small and began anew. */
  readonly restarts: number;
}

const FIRST = 0.8;
const SMALLEST = 2 ** -7;
const LARGEST = 1.6;

/**
 * The region after these losses, in the order they were made: doubled after three successes in a row, halved after max(4, dimensions) failures, begun
 * anew below 2⁻⁷. A success lowers the best by more than a thousandth of its size. TuRBO-1: Eriksson et al., NeurIPS 2019, arXiv 1910.01739.
 * @param startup How many of the losses came before there was a region.
 */
export function trustRegion(losses: Float64Array, startup: number, dimensions: number): TrustRegion {
  let length = FIRST;
  let restarts = 0;
  let successes = 0;
  let failures = 0;
  let best = Infinity;
  const patience = Math.max(4, dimensions);
  for (const [index, loss] of losses.entries()) {
    const better = loss < best - 1e-3 * Math.abs(best) || best === Infinity;
    if (loss < best) best = loss;
    if (index < startup) continue;
    successes = better ? successes + 1 : 0;
    failures = better ? 0 : failures + 1;
    if (successes >= 3) {
      length = Math.min(LARGEST, 2 * length);
      successes = 0;
    }
    if (failures >= patience) {
      length /= 2;
      failures = 0;
    }
    if (length < SMALLEST) {
      length = FIRST;
      restarts += 1;
    }
  }
  return { length, restarts };
}

/** The box of a region: sides in proportion to the length scales, of unit geometric mean. Categorical coordinates keep their whole range. */
export function regionBounds(
  center: Float64Array,
  weights: Float64Array,
  length: number,
  categorical: readonly boolean[],
): { readonly lower: Float64Array; readonly upper: Float64Array } {
  const lower = new Float64Array(center.length);
  const upper = new Float64Array(center.length).fill(1);
  const numeric = [...center.keys()].filter((k) => categorical[k] !== true);
  if (numeric.length === 0) return { lower, upper };
  // Length scales beyond the cube count as the cube's size.
  const scales = weights.map((weight) => Math.min(2, 1 / Math.sqrt(weight)));
  let logs = 0;
  for (const k of numeric) logs += Math.log(scales[k] as number);
  const mean = Math.exp(logs / numeric.length);
  for (const k of numeric) {
    const half = ((scales[k] as number) / mean) * (length / 2);
    lower[k] = Math.max(0, (center[k] as number) - half);
    upper[k] = Math.min(1, (center[k] as number) + half);
  }
  return { lower, upper };
}
