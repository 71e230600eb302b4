import type { AxisOrder } from "./parzen-orders.ts";

/** How wide the kernels of the observations are, as a share of the range. */
export interface WidthRule {
  /**
   * `neighbours`: the larger distance to the next observation on either side, with the ends of the range for neighbours, but at the outermost
   * observations the inner distance (Optuna 5). `neighbours-and-prior`: the same, with the prior's centre, ½, as one more observation (Optuna 4,
   * one parameter at a time). `shrinking`: 0.2 n^(−1/(d + 4)) for all, d parameters at once (Optuna 4, multivariate).
   */
  readonly rule: "neighbours" | "neighbours-and-prior" | "shrinking";
  /** The least width beside so many observations. Optuna: 1/min(100, n + 2), which it calls magic clipping. */
  readonly floor: (observations: number) => number;
}

/**
 * Writes centres and inverse widths of the kernels of one axis: the observation at position i to `offset + i · stride`.
 * @param axes How many axes the kernels have.
 */
export function writeKernels(
  { count, positions, values }: AxisOrder,
  { rule, floor }: WidthRule,
  axes: number,
  centres: Float64Array,
  inverses: Float64Array,
  offset: number,
  stride: number,
): void {
  const smallest = floor(count);
  const largest = 1 / smallest;
  const shared = rule === "shrinking" ? 0.2 * Math.max(1, count) ** (-1 / (axes + 4)) : undefined;
  const prior = rule === "neighbours-and-prior" ? 0.5 : NaN;
  const last = count - 1;
  let before = NaN;
  let centre = last < 0 ? NaN : (values[0] as number);
  for (let rank = 0; rank <= last; rank += 1) {
    let after = rank === last ? NaN : (values[rank + 1] as number);
    // The prior stands behind observations of its own place.
    if (before <= prior && prior < centre) before = prior;
    else if (rank === 0 && prior < centre) before = prior;
    const next = after;
    if (centre <= prior && !(after <= prior)) after = prior;
    const left = centre - (Number.isNaN(before) ? 0 : before);
    const right = (Number.isNaN(after) ? 1 : after) - centre;
    let width = left > right ? left : right;
    if (Number.isNaN(before) && !Number.isNaN(after)) width = right;
    else if (Number.isNaN(after) && !Number.isNaN(before)) width = left;
    if (shared !== undefined) width = shared;
    const at = offset + (positions[rank] as number) * stride;
    centres[at] = centre;
    inverses[at] = width < smallest ? largest : width > 1 ? 1 : 1 / width;
    before = centre;
    centre = next;
  }
}
