import { columnType } from "./errors.ts";
import type { FrequentTexts } from "./frequent.ts";
import type { ColumnProfile } from "./profile.ts";
import type { QuantileSketch } from "./quantile-sketch.ts";

export interface DistributionDistanceOptions {
  /**
   * `Simple`: the largest distance itself. `Robust`: less 1.8·√((n+m)/(n·m)), at least 0: what chance explains in samples of n and m values
   * with a risk of 0.3 % (Knuth, The Art of Computer Programming 2, section 3.3.1, as in Deequ and Model Monitor). Default: `"Robust"`.
   */
  readonly method?: "Simple" | "Robust" | undefined;
}

/**
 * How far two samples of a column are apart, in [0, 1]: for numbers the largest difference of their cumulative distributions (Kolmogorov and Smirnov), from
 * sketches at the edges of their buckets, where ranks are exact, so the true distance is not smaller; for texts the largest difference of the share of
 * one text, exact while both profiles hold all their texts, else within their `error`. NaN where a side has no value.
 * Throws `DATA_COLUMN_TYPE` where one profile is of numbers and the other of texts, or either of neither.
 */
export function distributionDistance(
  reference: ColumnProfile,
  current: ColumnProfile,
  { method = "Robust" }: DistributionDistanceOptions = {},
): number {
  if (reference.frequent !== undefined && current.frequent !== undefined)
    return corrected(
      largestShareDifference(reference.frequent, current.frequent),
      reference.frequent.total,
      current.frequent.total,
      method,
    );
  if (reference.quantiles !== undefined && current.quantiles !== undefined)
    return corrected(
      largestRankDifference(reference.quantiles, current.quantiles),
      reference.quantiles.count,
      current.quantiles.count,
      method,
    );
  throw columnType("(compared)", current.type, `a type comparable with the reference's ${reference.type}`);
}

function corrected(distance: number, n: number, m: number, method: "Simple" | "Robust"): number {
  return method === "Simple" ? distance : Math.max(0, distance - 1.8 * Math.sqrt((n + m) / (n * m)));
}

function largestShareDifference(a: FrequentTexts, b: FrequentTexts): number {
  if (a.total === 0 || b.total === 0) return Number.NaN;
  let largest = 0;
  for (const text of new Set([...a.counts.keys(), ...b.counts.keys()])) {
    const difference = (a.counts.get(text) ?? 0) / a.total - (b.counts.get(text) ?? 0) / b.total;
    largest = Math.max(largest, Math.abs(difference));
  }
  return largest;
}

/** At the edges of the coarser sketch's buckets: each is a whole number of buckets of the finer one. */
function largestRankDifference(a: QuantileSketch, b: QuantileSketch): number {
  if (a.count === 0 || b.count === 0) return Number.NaN;
  const shift = Math.max(a.shift, b.shift);
  const steps = new Map<number, number>();
  for (const [sketch, sign] of [
    [a, 1],
    [b, -1],
  ] as const) {
    for (let index = 0; index < sketch.keys.length; index += 1) {
      const key = (sketch.keys[index] as number) >> (shift - sketch.shift);
      steps.set(key, (steps.get(key) ?? 0) + (sign * (sketch.counts[index] as number)) / sketch.count);
    }
  }
  let difference = 0;
  let largest = 0;
  for (const [, step] of [...steps].sort(([x], [y]) => x - y)) {
    difference += step;
    largest = Math.max(largest, Math.abs(difference));
  }
  // The sums of shares end at 0 but for rounding.
  return Math.min(1, largest < 1e-12 ? 0 : largest);
}
