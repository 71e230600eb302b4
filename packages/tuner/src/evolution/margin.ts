import type { GaussianState } from "./gaussian.ts";
import { normalBelow, normalQuantile } from "./normal.ts";

/** A coordinate whose values are levels: the borders between neighbouring levels, rising; one fewer than there are levels. */
export interface DiscreteAxis {
  readonly axis: number;
  readonly borders: Float64Array;
}

/** Which level a coordinate means; a value on a border belongs to the lower level. */
export function levelOf(borders: Float64Array, value: number): number {
  let low = 0;
  let high = borders.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((borders[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Keeps every discrete coordinate able to move: the mean and the stretch A of the coordinate change so that both neighbouring levels (at the edge:
 * the only one) keep a probability of at least margin / 2 (at the edge: margin).
 * Hamano et al., "CMA-ES with Margin", GECCO 2022, arXiv 2205.13482, eq. 10 to 19.
 * @param stretch The diagonal of A, one entry per coordinate: a point x means the level of mean + A (x − mean).
 */
export function applyMargin(
  state: GaussianState,
  stretch: Float64Array,
  discrete: readonly DiscreteAxis[],
  margin: number,
): { readonly mean: Float64Array; readonly stretch: Float64Array } {
  const mean = state.mean.slice();
  const stretched = stretch.slice();
  const n = mean.length;
  for (const { axis, borders } of discrete) {
    if (borders.length === 0) continue;
    const centre = mean[axis] as number;
    const deviation = state.sigma * Math.sqrt(state.covariance[axis * n + axis] as number);
    const level = levelOf(borders, centre);
    const lower = borders[Math.max(0, level - 1)] as number;
    const upper = borders[Math.min(borders.length - 1, level)] as number;
    const scale = deviation * (stretch[axis] as number);
    const below = normalBelow((lower - centre) / scale);
    const above = normalBelow((centre - upper) / scale);
    if (Math.max(below, above) > 0.5) {
      if (Math.min(below, above) < margin)
        mean[axis] = upper + Math.sign(centre - upper) * -normalQuantile(margin) * scale;
      continue;
    }
    const [low, high] = liftTails(below, above, margin);
    // Distances of the borders from the new mean, in deviations.
    const lowDistance = -normalQuantile(low);
    const highDistance = -normalQuantile(high);
    stretched[axis] = (upper - lower) / ((lowDistance + highDistance) * deviation);
    mean[axis] = (lower * highDistance + upper * lowDistance) / (lowDistance + highDistance);
  }
  return { mean, stretch: stretched };
}

/** Tail probabilities of at least margin / 2; what they gain is taken from the middle and the larger tail (eq. 14 to 17). */
function liftTails(below: number, above: number, margin: number): readonly [number, number] {
  const middle = 1 - (below + above);
  const low = Math.max(below, margin / 2);
  const high = Math.max(above, margin / 2);
  const excess = 1 - low - high - middle;
  const spare = low + middle + high - 1.5 * margin;
  const lifted = (tail: number): number =>
    Math.min(0.5 - 1e-10, Math.max(1e-10, tail + (excess * (tail - margin / 2)) / spare));
  return [lifted(low), lifted(high)];
}
