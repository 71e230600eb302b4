import { bucketsOf, type QuantileSketch } from "./quantile-sketch.ts";

/** A bin of a histogram: values from `low` (inclusive) to `high` (exclusive; in the last bin inclusive). */
export interface HistogramBin {
  readonly low: number;
  readonly high: number;
  /** About how many values: exact where the edges lie between buckets of the sketch, interpolated where they cut one. */
  readonly count: number;
}

/**
 * @returns the histogram of a sketch between growing edges, at least two; values outside them are in no bin. A bucket that begins or ends at an edge
 * counts as lying on it. Throws a RangeError.
 */
export function histogramOf(sketch: QuantileSketch, edges: readonly number[]): readonly HistogramBin[] {
  const growing = edges.every((edge, at) => Number.isFinite(edge) && (at === 0 || edge > (edges[at - 1] as number)));
  if (edges.length < 2 || !growing)
    throw new RangeError(`The edges must be two or more, and grow: ${edges.join(", ")}.`);
  const last = edges.length - 1;
  const below = edges.map(() => 0);
  for (const { low, high, count } of bucketsOf(sketch)) {
    for (const [at, edge] of edges.entries()) {
      const isBelow = high < edge || (at === last && (high === edge || low === edge));
      if (isBelow) below[at] = (below[at] as number) + count;
      else if (low < edge && edge < high) below[at] = (below[at] as number) + count * ((edge - low) / (high - low));
    }
  }
  return edges.slice(1).map((high, at) => ({
    low: edges[at] as number,
    high,
    count: (below[at + 1] as number) - (below[at] as number),
  }));
}
