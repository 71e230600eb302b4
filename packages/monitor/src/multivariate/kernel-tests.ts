import { type Batch, createRandom, type Random } from "@millwright/contracts";
import { Matrix as DenseMatrix, inverse } from "ml-matrix";
import { fitFeatures, readFeatures } from "../features/feature-table.ts";
import { fitScores, type Matrix, scoresOf } from "../features/standard-scores.ts";
import { rowsInvalid } from "../errors.ts";
import {
  gaussianKernel,
  medianBandwidth,
  mostKernelRows,
  sampleRows,
  shuffled,
  squaredDistances,
  upperQuantile,
} from "./kernel.ts";

export interface KernelTestOptions {
  /** Default: all numbers, booleans and texts. */
  readonly columns?: readonly string[] | undefined;
  /** `standard`: the columns' standard scores, as the reference has them. `none`: numbers as they are, none of them missing. Default: `standard`. */
  readonly scale?: "standard" | "none" | undefined;
  /** How often rows change sides at random, 20 to 10,000. Default: 100, as alibi-detect. */
  readonly permutations?: number | undefined;
  /** The share of false alarms that `threshold` stands for, in (0, 1). Default: 0.05. */
  readonly alpha?: number | undefined;
  /** Most rows of each side, 10 to 2,000: of more, so many are drawn. Default: 1,000. */
  readonly maxRows?: number | undefined;
  /** Default: a stream that begins the same in each call. */
  readonly random?: Random | undefined;
}

export interface KernelTest {
  readonly statistic: number;
  /** (1 + permutations with as large a statistic) / (1 + permutations): never 0, and right at any number of permutations (Phipson and Smyth, 2010). */
  readonly pValue: number;
  /** What the statistic of rows that changed sides exceeds with the share `alpha`. */
  readonly threshold: number;
  /** Of the Gaussian kernel, by the median heuristic on the reference. */
  readonly bandwidth: number;
  readonly referenceRows: number;
  readonly currentRows: number;
}

interface Sides {
  readonly x: Matrix;
  readonly y: Matrix;
  readonly permutations: number;
  readonly alpha: number;
  readonly random: Random;
}

const within = (what: string, value: number, low: number, high: number): void => {
  if (!(Number.isInteger(value) && value >= low && value <= high))
    throw new RangeError(`${what} must be a whole number from ${low} to ${high}, not ${value}.`);
};

function sidesOf(reference: Batch, current: Batch, options: KernelTestOptions): Sides {
  const { columns, scale = "standard", permutations = 100, alpha = 0.05, maxRows = 1_000 } = options;
  const { random = createRandom(0) } = options;
  within("The number of permutations", permutations, 20, 10_000);
  within("maxRows", maxRows, 10, mostKernelRows);
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha must be in (0, 1), not ${alpha}.`);
  const scores = scale === "none" ? undefined : fitScores(reference, columns);
  const features = scores?.map(({ feature }) => feature) ?? fitFeatures(reference, columns);
  const matrixOf = (rows: Batch): Matrix => {
    if (rows.length < 2) throw rowsInvalid(`a side has ${rows.length}, and two are the least`);
    const matrix = scores === undefined ? plainMatrix(rows, features) : scoresOf(rows, scores);
    return sampleRows(matrix, maxRows, random);
  };
  return { x: matrixOf(reference), y: matrixOf(current), permutations, alpha, random };
}

function plainMatrix(rows: Batch, features: ReturnType<typeof fitFeatures>): Matrix {
  const text = features.find(({ kind }) => kind === "category");
  if (text !== undefined) throw rowsInvalid(`the column "${text.name}" holds texts, which the scale none cannot take`);
  const columns = readFeatures(rows, features);
  const values = new Float64Array(rows.length * columns.length);
  for (const [index, column] of columns.entries()) {
    for (let row = 0; row < rows.length; row += 1) values[row * columns.length + index] = column[row]!;
  }
  if (!values.every(Number.isFinite))
    throw rowsInvalid("a number is missing or not finite, which the scale none cannot take");
  return { rows: rows.length, width: columns.length, values };
}

const joined = (x: Matrix, y: Matrix): Matrix => {
  const values = new Float64Array(x.values.length + y.values.length);
  values.set(x.values);
  values.set(y.values, x.values.length);
  return { rows: x.rows + y.rows, width: x.width, values };
};

function verdictOf(statistic: number, permuted: Float64Array, { alpha, x, y }: Sides, bandwidth: number): KernelTest {
  const above = permuted.reduce((count, each) => count + (each >= statistic ? 1 : 0), 0);
  return {
    statistic,
    pValue: (1 + above) / (1 + permuted.length),
    threshold: upperQuantile(permuted, alpha),
    bandwidth,
    referenceRows: x.rows,
    currentRows: y.rows,
  };
}

/**
 * Squared maximum mean discrepancy with a Gaussian kernel, the unbiased estimate (Gretton and others, 2012, equation 3), and its permutation test; the statistic and the bandwidth
 * are alibi-detect's. Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range.
 */
export function maximumMeanDiscrepancy(reference: Batch, current: Batch, options: KernelTestOptions = {}): KernelTest {
  const sides = sidesOf(reference, current, options);
  const { x, y, permutations, random } = sides;
  const bandwidth = medianBandwidth(squaredDistances(x, x), x.rows);
  const all = joined(x, y);
  const kernel = gaussianKernel(squaredDistances(all, all), bandwidth);
  const order = Uint32Array.from({ length: all.rows }, (_, index) => index);
  const statistic = discrepancy(kernel, order, y.rows);
  const permuted = Float64Array.from({ length: permutations }, () =>
    discrepancy(kernel, shuffled(all.rows, random), y.rows),
  );
  return verdictOf(statistic, permuted, sides, bandwidth);
}

/** The statistic where the last `m` of `order` are the current side. */
function discrepancy(kernel: Float64Array, order: Uint32Array, m: number): number {
  const rows = order.length;
  const n = rows - m;
  const isCurrent = new Uint8Array(rows);
  for (let at = n; at < rows; at += 1) isCurrent[order[at]!] = 1;
  // Pairs once: all three sums come from rows' halves of the symmetric kernel.
  const sums = [0, 0, 0];
  for (let i = 1; i < rows; i += 1) {
    let [same, other] = [0, 0];
    const side = isCurrent[i]!;
    for (let j = 0, at = i * rows; j < i; j += 1, at += 1) {
      if (isCurrent[j] === side) same += kernel[at]!;
      else other += kernel[at]!;
    }
    sums[side]! += same;
    sums[2]! += other;
  }
  const [xx, yy, xy] = sums as [number, number, number];
  return (2 * xx) / (n * (n - 1)) + (2 * yy) / (m * (m - 1)) - (2 * xy) / (n * m);
}

/**
 * Least-squares density difference (Bu, Alippi and Zhao, 2017) with Gaussian kernels about a twentieth of the reference's rows, which are put aside, and its permutation test; the statistic is alibi-detect's
 * of the same centers. Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range.
 */
export function leastSquaresDensityDifference(
  reference: Batch,
  current: Batch,
  options: KernelTestOptions = {},
): KernelTest {
  const sides = sidesOf(reference, current, options);
  const centers = shuffled(sides.x.rows, sides.random).subarray(0, Math.max(1, Math.floor(sides.x.rows / 20)));
  return densityDifference(sides, centers);
}

/** @param centers Rows of the reference that kernels stand about. */
export function densityDifference(sides: Sides, centers: Uint32Array): KernelTest {
  const { x, y, permutations, random } = sides;
  const bandwidth = medianBandwidth(squaredDistances(x, x), x.rows);
  const aside = new Set(centers);
  const pick = (rows: readonly number[]): Matrix => ({
    rows: rows.length,
    width: x.width,
    values: Float64Array.from(rows.flatMap((row) => [...x.values.subarray(row * x.width, (row + 1) * x.width)])),
  });
  const middle = pick([...centers]);
  const rest = pick(Array.from({ length: x.rows }, (_, row) => row).filter((row) => !aside.has(row)));
  if (rest.rows < 2) throw rowsInvalid("the reference has too few for kernels and a side of its own");
  const near = gaussianKernel(squaredDistances(joined(rest, y), middle), bandwidth);
  const overlap = gaussianKernel(squaredDistances(middle, middle), Math.SQRT2 * bandwidth);
  const plain = Uint32Array.from({ length: rest.rows + y.rows }, (_, index) => index);
  const observed = meanDifference(near, plain, rest.rows, middle.rows);
  const permuted = Array.from({ length: permutations }, () =>
    meanDifference(near, shuffled(plain.length, random), rest.rows, middle.rows),
  );
  const weights = differenceWeights(DenseMatrix.from1DArray(middle.rows, middle.rows, overlap), permuted);
  const statistics = Float64Array.from(permuted, (h) => quadratic(weights, h));
  return verdictOf(quadratic(weights, observed), statistics, sides, bandwidth);
}

/** Mean kernels about each center of the first `n` rows of `order`, less those of the others (their equation 7). */
function meanDifference(near: Float64Array, order: Uint32Array, n: number, centers: number): Float64Array {
  const h = new Float64Array(centers);
  for (const [at, row] of order.entries()) {
    const weight = at < n ? 1 / n : -1 / (order.length - n);
    for (let center = 0; center < centers; center += 1) h[center]! += weight * near[row * centers + center]!;
  }
  return h;
}

const quadratic = (matrix: DenseMatrix, h: Float64Array): number => {
  let sum = 0;
  for (let row = 0; row < h.length; row += 1)
    for (let column = 0; column < h.length; column += 1) sum += h[row]! * matrix.get(row, column) * h[column]!;
  return sum;
};

/** Largest relative difference of two estimates that the regularization may cause. */
const largestDifference = 0.2;

/** 2·A − A·H·A with A = (H + λI)⁻¹ (below their equation 11), for the largest λ = 4⁻ⁱ that changes the estimates little enough (their appendix A). */
function differenceWeights(overlap: DenseMatrix, permuted: readonly Float64Array[]): DenseMatrix {
  for (let power = 0; power < 10; power += 1) {
    const lambda = 4 ** -power;
    const inverted = inverse(DenseMatrix.add(overlap, DenseMatrix.eye(overlap.rows).mul(lambda)));
    const twice = inverted.mmul(overlap).mmul(inverted);
    const change = permuted.reduce((sum, h) => sum + (1 - quadratic(twice, h) / quadratic(inverted, h)), 0);
    if (change / permuted.length < largestDifference) return DenseMatrix.mul(inverted, 2).sub(twice);
  }
  throw rowsInvalid("too many are alike for a density difference; use maximumMeanDiscrepancy");
}
