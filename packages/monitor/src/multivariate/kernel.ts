import type { Random } from "@millwright/contracts";
import type { Matrix } from "../features/standard-scores.ts";

/** Most rows of a side that kernels take: time and memory grow with their square. */
export const mostKernelRows = 2_000;

/** The rows, or so many of them drawn without replacement. */
export function sampleRows(matrix: Matrix, limit: number, random: Random): Matrix {
  const { rows, width, values } = matrix;
  if (rows <= limit) return matrix;
  const order = shuffled(rows, random).subarray(0, limit);
  const drawn = new Float64Array(limit * width);
  for (const [at, row] of order.entries()) drawn.set(values.subarray(row * width, (row + 1) * width), at * width);
  return { rows: limit, width, values: drawn };
}

/** The numbers below `count` in a random order. */
export function shuffled(count: number, random: Random): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = random.integer(at + 1);
    [order[at], order[other]] = [order[other]!, order[at]!];
  }
  return order;
}

/** Squared Euclidean distances, `a.rows` × `b.rows`, row-major. */
export function squaredDistances(a: Matrix, b: Matrix): Float64Array {
  const { width } = a;
  const distances = new Float64Array(a.rows * b.rows);
  for (let i = 0; i < a.rows; i += 1) {
    for (let j = 0; j < b.rows; j += 1) {
      let sum = 0;
      for (let column = 0; column < width; column += 1)
        sum += (a.values[i * width + column]! - b.values[j * width + column]!) ** 2;
      distances[i * b.rows + j] = sum;
    }
  }
  return distances;
}

/**
 * The bandwidth σ of the Gaussian kernel exp(−d²/2σ²) by the median heuristic (Gretton and others, 2012, section 8) as alibi-detect takes it: σ² is half the median of
 * the squared distances of different rows. 1 where that is 0.
 * @param distances Of rows among themselves, rows × rows.
 */
export function medianBandwidth(distances: Float64Array, rows: number): number {
  const sorted = distances.slice().sort();
  const middle = rows + Math.floor((rows * rows - rows) / 2) - 1;
  return Math.sqrt(0.5 * (sorted[middle] ?? 0)) || 1;
}

/** The Gaussian kernel of squared distances, in place. */
export function gaussianKernel(distances: Float64Array, bandwidth: number): Float64Array {
  const gamma = 1 / (2 * bandwidth * bandwidth);
  for (let at = 0; at < distances.length; at += 1) distances[at] = Math.exp(-gamma * distances[at]!);
  return distances;
}

/** The value at the upper share `level` of the permuted statistics, as alibi-detect's threshold. */
export function upperQuantile(values: Float64Array, level: number): number {
  const sorted = values.slice().sort();
  return sorted[Math.max(0, sorted.length - 1 - Math.floor(level * sorted.length))] as number;
}
