import { type QuickModel, answerBatch } from "../simd/posterior.ts";
import { factorRows, rowStart, solveLower, solveLowerFour } from "./cholesky.ts";
import { type KernelFrame, covariances, distance, matern } from "./kernel.ts";

export interface Posterior {
  /** Of the function itself, without noise. */
  readonly means: Float64Array;
  readonly variances: Float64Array;
}

/** Observed points as the kernel reads them, and the factor of their covariance. */
export interface Conditioned {
  readonly frame: KernelFrame;
  readonly framed: Float64Array;
  readonly factor: Float64Array;
}

export function lowestOfLast(
  factor: Float64Array,
  whitened: Float64Array,
  pending: number,
  normals: Float64Array,
): Float64Array {
  const known = whitened.length - pending;
  const lowest = new Float64Array(pending === 0 ? 0 : normals.length / pending).fill(Infinity);
  for (let row = known; row < whitened.length; row += 1) {
    const start = rowStart(row);
    let mean = 0;
    for (let k = 0; k < known; k += 1) mean += (factor[start + k] as number) * (whitened[k] as number);
    for (let draw = 0; draw < lowest.length; draw += 1) {
      let value = mean;
      for (let k = known; k <= row; k += 1)
        value += (factor[start + k] as number) * (normals[draw * pending + k - known] as number);
      if (value < (lowest[draw] as number)) lowest[draw] = value;
    }
  }
  return lowest;
}

/** Four queries at a time share each read of the factor. */
export function posteriorOf(
  model: QuickModel,
  asked: Float64Array,
  queries: number,
  last: number,
): Posterior & { readonly last: Float64Array } {
  const { frame, framed, factor, whitened } = model;
  const count = whitened.length;
  const quick = answerBatch(model, asked, queries, { rows: count, last });
  if (quick !== undefined) {
    const { means, squares } = quick;
    return { means, variances: squares.map((square) => Math.max(0, frame.scale - square)), last: quick.last };
  }
  const ends = new Float64Array(queries * last);
  const means = new Float64Array(queries);
  const variances = new Float64Array(queries);
  const block = new Float64Array(4 * count);
  const offsets = [0, count, 2 * count, 3 * count] as const;
  for (let first = 0; first < queries; first += 4) {
    const width = Math.min(4, queries - first);
    for (let lane = 0; lane < width; lane += 1) {
      covariances(frame, asked, (first + lane) * frame.dimensions, framed, count, block, lane * count);
    }
    solveLowerFour(factor, count, block, offsets);
    for (let lane = 0; lane < width; lane += 1) {
      const { mean, square } = project(block, lane * count, whitened);
      means[first + lane] = mean;
      variances[first + lane] = Math.max(0, frame.scale - square);
      const end = (lane + 1) * count;
      ends.set(block.subarray(end - last, end), (first + lane) * last);
    }
  }
  return { means, variances, last: ends };
}

export function outlookOf(model: QuickModel, asked: Float64Array, queries: number, rows: number): Posterior {
  const { frame, framed, factor, weights } = model;
  const count = weights.length;
  const solvedRows = Math.min(rows, count);
  const quick = solvedRows === count ? undefined : answerBatch(model, asked, queries, { rows: solvedRows, last: 0 });
  if (quick !== undefined)
    return { means: quick.means, variances: quick.squares.map((square) => Math.max(0, frame.scale - square)) };
  const means = new Float64Array(queries);
  const variances = new Float64Array(queries);
  const block = new Float64Array(4 * count);
  const offsets = [0, count, 2 * count, 3 * count] as const;
  for (let first = 0; first < queries; first += 4) {
    const width = Math.min(4, queries - first);
    for (let lane = 0; lane < width; lane += 1) {
      covariances(frame, asked, (first + lane) * frame.dimensions, framed, count, block, lane * count);
      let mean = 0;
      for (let row = 0; row < count; row += 1) mean += (block[lane * count + row] as number) * (weights[row] as number);
      means[first + lane] = mean;
    }
    solveLowerFour(factor, solvedRows, block, offsets);
    for (let lane = 0; lane < width; lane += 1) {
      const solved = block.subarray(lane * count, lane * count + solvedRows);
      variances[first + lane] = Math.max(0, frame.scale - project(solved, 0, solved).square);
    }
  }
  return { means, variances };
}

export function project(
  solved: Float64Array,
  offset: number,
  whitened: Float64Array,
): { mean: number; square: number } {
  let mean = 0;
  let square = 0;
  for (let k = 0; k < whitened.length; k += 1) {
    const value = solved[offset + k] as number;
    mean += value * (whitened[k] as number);
    square += value * value;
  }
  return { mean, square };
}

export function ownMeansOf(
  factor: Float64Array,
  whitened: Float64Array,
  weights: Float64Array,
  noise: number,
): Float64Array {
  return weights.map((weight, row) => {
    const start = rowStart(row);
    let target = 0;
    for (let k = 0; k <= row; k += 1) target += (factor[start + k] as number) * (whitened[k] as number);
    return target - noise * weight;
  });
}

export function sampleJointly(
  { frame, framed, factor }: Conditioned,
  whitened: Float64Array,
  asked: Float64Array,
  queries: number,
  normals: Float64Array,
): Float64Array {
  const count = whitened.length;
  const { dimensions, scale } = frame;
  const solved = new Float64Array(queries * count);
  const means = new Float64Array(queries);
  const joint = new Float64Array(rowStart(queries));
  for (let query = 0; query < queries; query += 1) {
    covariances(frame, asked, query * dimensions, framed, count, solved, query * count);
    solveLower(factor, count, solved, query * count);
    means[query] = project(solved, query * count, whitened).mean;
  }
  for (let jitter = 1e-9 * scale; ; jitter *= 10) {
    for (let query = 0; query < queries; query += 1) {
      for (let other = 0; other <= query; other += 1) {
        let value = matern(scale, distance(frame, asked, query * dimensions, asked, other * dimensions));
        for (let k = 0; k < count; k += 1)
          value -= (solved[query * count + k] as number) * (solved[other * count + k] as number);
        joint[rowStart(query) + other] = value + (query === other ? jitter : 0);
      }
    }
    if (factorRows(joint, 0, queries)) break;
  }
  const draws = new Float64Array(normals.length);
  for (let first = 0; first < normals.length; first += queries) {
    for (let query = 0; query < queries; query += 1) {
      let value = means[query] as number;
      for (let k = 0; k <= query; k += 1)
        value += (joint[rowStart(query) + k] as number) * (normals[first + k] as number);
      draws[first + query] = value;
    }
  }
  return draws;
}
