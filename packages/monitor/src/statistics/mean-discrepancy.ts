import { createRandom, type Random } from "@millwright/contracts";
import { parameterInvalid, sampleEmpty, sampleInvalid } from "../errors.ts";
import type { TestResult } from "./samples.ts";

/** Values, or rows of values of one length. */
export type Points = readonly number[] | Float64Array | readonly (readonly number[])[];

export interface MeanDiscrepancyOptions {
  /** Width σ of the kernel e^(−|a − b|² / 2σ²), above 0. Default: the root of half the median squared distance of all pairs, of both sides together. */
  readonly width?: number | undefined;
  /** Shuffles behind the p-value; 0: none, and the p-value is 1. Default: 100. */
  readonly permutations?: number | undefined;
  /** Default: seeded with 0. */
  readonly random?: Random | undefined;
}

export interface MeanDiscrepancyResult extends TestResult {
  readonly width: number;
}

/** The matrix of the kernel has a cell for each pair. */
const mostPoints = 5_000;

/**
 * Squared maximum mean discrepancy, its unbiased estimate (Gretton et al., "A kernel two-sample test", 2012, their eq. 3) with a Gaussian kernel, and the p-value
 * of permutations, (1 + at least as large) / (1 + permutations). Costs (n + m)² cells: sample what is larger. Throws `MONITOR_SAMPLE_EMPTY`, `MONITOR_SAMPLE_INVALID` for NaN,
 * infinities, one point on a side, rows of unequal length and more than 5,000 points, `MONITOR_PARAMETER_INVALID` for the options.
 */
export function meanDiscrepancy(
  x: Points,
  y: Points,
  { width, permutations = 100, random = createRandom(0) }: MeanDiscrepancyOptions = {},
): MeanDiscrepancyResult {
  if (!(Number.isInteger(permutations) && permutations >= 0 && permutations <= 100_000))
    throw parameterInvalid(`permutations is ${permutations}, and must be a whole number up to 100,000`);
  if (width !== undefined && !(width > 0 && Number.isFinite(width)))
    throw parameterInvalid(`width is ${width}, and must be above 0`);
  const rows = [...rowsOf(x, "first sample"), ...rowsOf(y, "second sample")];
  const n = x.length;
  const all = rows.length;
  if (all > mostPoints) throw sampleInvalid("two samples", `they hold ${all} points, of at most ${mostPoints}`);
  if (rows.some((row) => row.length !== rows[0]?.length))
    throw sampleInvalid("two samples", "their rows differ in length");
  const distances = squaredDistances(rows);
  const sigma = width ?? medianWidth(distances, all);
  const kernel = distances.map((distance) => Math.exp(-distance / (2 * sigma * sigma)));
  const order = Uint32Array.from(rows.keys());
  const statistic = unbiased(kernel, order, n);
  let atLeast = 0;
  for (let round = 0; round < permutations; round += 1) {
    for (let index = all - 1; index > 0; index -= 1) {
      const other = random.integer(index + 1);
      [order[index], order[other]] = [order[other] as number, order[index] as number];
    }
    if (unbiased(kernel, order, n) >= statistic) atLeast += 1;
  }
  return { statistic, pValue: (1 + atLeast) / (1 + permutations), width: sigma };
}

function rowsOf(points: Points, name: string): readonly (readonly number[])[] {
  if (points.length === 0) throw sampleEmpty(name);
  if (points.length === 1) throw sampleInvalid(name, "it holds one point");
  const rows = Array.from<number | readonly number[], readonly number[]>(points, (point) =>
    typeof point === "number" ? [point] : point,
  );
  if (rows.some((row) => !Array.isArray(row) || row.some((value) => !Number.isFinite(value))))
    throw sampleInvalid(name, "it holds what is no finite number");
  return rows;
}

function squaredDistances(rows: readonly (readonly number[])[]): Float64Array {
  const all = rows.length;
  const distances = new Float64Array(all * all);
  for (let i = 0; i < all; i += 1)
    for (let j = i + 1; j < all; j += 1) {
      const [a, b] = [rows[i] as readonly number[], rows[j] as readonly number[]];
      let sum = 0;
      for (let index = 0; index < a.length; index += 1) sum += ((a[index] as number) - (b[index] as number)) ** 2;
      distances[i * all + j] = sum;
      distances[j * all + i] = sum;
    }
  return distances;
}

/** √(median / 2) over all pairs of different points. */
function medianWidth(distances: Float64Array, all: number): number {
  const pairs = new Float64Array((all * (all - 1)) / 2);
  for (let i = 0, at = 0; i < all; i += 1)
    for (let j = i + 1; j < all; j += 1) pairs[at++] = distances[i * all + j] as number;
  pairs.sort();
  const middle = pairs.length / 2;
  const median = ((pairs[Math.ceil(middle) - 1] as number) + (pairs[Math.floor(middle)] as number)) / 2;
  // More than half of the pairs are equal: any width tells equal from different.
  return median > 0 ? Math.sqrt(median / 2) : 1;
}

/** The first n of the order against the rest. */
function unbiased(kernel: Float64Array, order: Uint32Array, n: number): number {
  const all = order.length;
  const m = all - n;
  let [within, beyond, between] = [0, 0, 0];
  for (let i = 0; i < all; i += 1) {
    const row = (order[i] as number) * all;
    for (let j = i + 1; j < all; j += 1) {
      const value = kernel[row + (order[j] as number)] as number;
      if (j < n) within += value;
      else if (i < n) between += value;
      else beyond += value;
    }
  }
  return (2 * within) / (n * (n - 1)) + (2 * beyond) / (m * (m - 1)) - (2 * between) / (n * m);
}
