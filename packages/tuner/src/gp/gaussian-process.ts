import { factorRows, rowStart, solveLower, solveLowerFrom, solveUpper } from "./cholesky.ts";
import {
  type Coordinates,
  type Hyperparameters,
  type KernelFrame,
  covariances,
  distance,
  kernelFrame,
  matern,
  toFrame,
} from "./kernel.ts";
import {
  type Conditioned,
  type Posterior,
  lowestOfLast,
  outlookOf,
  ownMeansOf,
  posteriorOf,
  project,
  sampleJointly,
} from "./posterior.ts";
import { type PointAnswer, type QuickModel, pointAnswers } from "../simd/posterior.ts";
import { type LeaveOneOut, leaveOneOut } from "./leave-one-out.ts";

/** Observations: `points` holds `targets.length` points of `dimensions` coordinates, row by row. */
export interface Observations {
  readonly points: Float64Array;
  readonly targets: Float64Array;
}

/** The posterior at one point, with the way back to the point for gradients. Valid until the model's next `at`. */
export interface PosteriorAt {
  readonly mean: number;
  readonly variance: number;
  /** L⁻¹ k(x): the mean is its product with `whitened`, the variance `scale` less its square. */
  readonly solved: Float64Array;
  /** Adds byMean · ∂mean/∂x + byVariance · ∂variance/∂x to `gradient`; categorical coordinates get nothing. */
  pull(byMean: number, byVariance: number, gradient: Float64Array): void;
  /** The same for any function of `solved`, by its derivatives with respect to that. `bySolved` is overwritten. */
  pullSolved(bySolved: Float64Array, gradient: Float64Array): void;
}

/** A Gaussian process of zero mean conditioned on observations. Immutable. */
export interface GaussianProcess {
  readonly coordinates: Coordinates;
  readonly hyperparameters: Hyperparameters;
  /** How many points it is conditioned on. */
  readonly count: number;
  /** L⁻¹ y, where L Lᵀ is the covariance of the targets. */
  readonly whitened: Float64Array;
  /**
   * @param points `count` points, row by row.
   * @param last How many of the last values of L⁻¹ k(x) to give along, per point. Default: 0.
   */
  posterior(points: Float64Array, count: number, last?: number): Posterior & { readonly last: Float64Array };
  /**
   * What the last `pending` observations would be, given those before: per row of `normals` (`pending` standard normals each), the lowest of them.
   */
  drawsOfLast(pending: number, normals: Float64Array): Float64Array;
  /** Means alone: no triangular solve. */
  means(points: Float64Array, count: number): Float64Array;
  /** The means at the observations themselves. */
  ownMeans(): Float64Array;
  /**
   * Exact means, and variances that are no smaller than the true ones: those given the first `rows` observations alone. Costs (rows / count)² of
   * `posterior`.
   */
  outlook(points: Float64Array, count: number, rows: number): Posterior;
  at(point: Float64Array): PosteriorAt;
  /**
   * Draws of the function at `count` points together.
   * @param normals Standard normals, `count` per draw.
   * @returns as many values, draw by draw.
   */
  sample(points: Float64Array, count: number, normals: Float64Array): Float64Array;
  /**
   * Conditioned on more points, without factoring the old ones again.
   * @param targets Default: the posterior means there ("Kriging believer"), which leaves all means as they are.
   */
  extend(points: Float64Array, count: number, targets?: Float64Array): GaussianProcess;
  leaveOneOut(): LeaveOneOut;
}

const conditioned = new WeakMap<GaussianProcess, Conditioned>();

/**
 * Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006), algorithm 2.1.
 * @param previous A model with the same hyperparameters: what it has factored of the same leading points is not factored again. The result is the
 *   same to the bit without it.
 */
export function conditionGaussianProcess(
  coordinates: Coordinates,
  hyperparameters: Hyperparameters,
  { points, targets }: Observations,
  previous?: GaussianProcess,
): GaussianProcess {
  const count = targets.length;
  const frame = kernelFrame(coordinates, hyperparameters);
  const framed = toFrame(frame, points, count);
  const factor = new Float64Array(rowStart(count));
  const from = previous === undefined ? 0 : takeOver(previous, hyperparameters, framed, factor);
  factorFrom(frame, framed, factor, from, count, hyperparameters);
  const whitened = targets.slice();
  solveLower(factor, count, whitened);
  return build(coordinates, hyperparameters, { frame, framed, factor }, whitened);
}

/** Copies the rows of the points both have in common. @returns how many. */
function takeOver(
  previous: GaussianProcess,
  { weights, scale, noise }: Hyperparameters,
  framed: Float64Array,
  factor: Float64Array,
): number {
  const before = conditioned.get(previous);
  const old = previous.hyperparameters;
  if (before === undefined || old.scale !== scale || old.noise !== noise) return 0;
  if (old.weights.length !== weights.length || old.weights.some((weight, index) => weight !== weights[index])) return 0;
  let same = 0;
  const limit = Math.min(framed.length, before.framed.length);
  while (same < limit && framed[same] === before.framed[same]) same += 1;
  const rows = Math.min(previous.count, Math.floor(same / Math.max(1, weights.length)));
  factor.set(before.factor.subarray(0, rowStart(rows)));
  return rows;
}

function factorFrom(
  frame: KernelFrame,
  framed: Float64Array,
  factor: Float64Array,
  from: number,
  count: number,
  { scale, noise }: Hyperparameters,
): void {
  // Points that all but coincide can cost the last positive pivot where the noise is small: a larger one is as good a model.
  for (let jitter = 0; ; jitter = jitter === 0 ? 1e-9 * scale : jitter * 10) {
    for (let row = from; row < count; row += 1) {
      const start = rowStart(row);
      covariances(frame, framed, row * frame.dimensions, framed, row, factor, start);
      factor[start + row] = scale + noise + jitter;
    }
    if (factorRows(factor, from, count)) return;
  }
}

function build(
  coordinates: Coordinates,
  hyperparameters: Hyperparameters,
  parts: Conditioned,
  whitened: Float64Array,
): GaussianProcess {
  const { frame, framed, factor } = parts;
  const count = whitened.length;
  const { dimensions } = coordinates;
  const weights = whitened.slice();
  solveUpper(factor, count, weights);
  const whole = { ...parts, whitened, weights };
  const model: GaussianProcess = {
    coordinates,
    hyperparameters,
    count,
    whitened,
    posterior: (points, queries, last = 0) => posteriorOf(whole, toFrame(frame, points, queries), queries, last),
    drawsOfLast: (pending, normals) => lowestOfLast(factor, whitened, pending, normals),
    means(points, queries) {
      const asked = toFrame(frame, points, queries);
      const means = new Float64Array(queries);
      for (let query = 0; query < queries; query += 1) {
        let sum = 0;
        for (let row = 0; row < count; row += 1) {
          const squared = distance(frame, asked, query * dimensions, framed, row * dimensions);
          sum += (weights[row] as number) * matern(frame.scale, squared);
        }
        means[query] = sum;
      }
      return means;
    },
    ownMeans: () => ownMeansOf(factor, whitened, weights, hyperparameters.noise),
    outlook: (points, queries, rows) => outlookOf(whole, toFrame(frame, points, queries), queries, rows),
    at: posteriorAt(whole),
    sample: (points, queries, normals) =>
      sampleJointly(parts, whitened, toFrame(frame, points, queries), queries, normals),
    extend(points, added, targets) {
      const total = count + added;
      const allFramed = new Float64Array(total * dimensions);
      allFramed.set(framed);
      allFramed.set(toFrame(frame, points, added), count * dimensions);
      const larger = new Float64Array(rowStart(total));
      larger.set(factor);
      factorFrom(frame, allFramed, larger, count, total, hyperparameters);
      const more = new Float64Array(total);
      more.set(whitened);
      // A target at its predicted mean whitens to zero.
      if (targets !== undefined) {
        more.set(targets, count);
        solveLowerFrom(larger, count, total, more);
      }
      return build(coordinates, hyperparameters, { frame, framed: allFramed, factor: larger }, more);
    },
    leaveOneOut: () => leaveOneOut(factor, whitened, weights, hyperparameters),
  };
  conditioned.set(model, parts);
  return model;
}

function posteriorAt(model: QuickModel): GaussianProcess["at"] {
  const { frame } = model;
  const { numeric, order, roots, scale } = frame;
  const answers = pointAnswers(model);
  const slowly = slowAnswers(model);
  const moved = new Float64Array(frame.dimensions);
  const write = (gradient: Float64Array): void => {
    for (let place = 0; place < numeric; place += 1) {
      const index = order[place] as number;
      gradient[index] = (gradient[index] as number) + 2 * (roots[place] as number) * (moved[place] as number);
    }
  };
  return (point) => {
    const asked = toFrame(frame, point, 1);
    const { mean, square, solved, pull, pullSolved } = answers(asked) ?? slowly(asked);
    return {
      mean,
      variance: Math.max(0, scale - square),
      solved,
      pull(byMean, byVariance, gradient) {
        pull(byMean, byVariance, moved);
        write(gradient);
      },
      pullSolved(bySolved, gradient) {
        pullSolved(bySolved, moved);
        write(gradient);
      },
    };
  };
}

/** `pointAnswers` one number at a time. */
function slowAnswers({ frame, framed, factor, whitened }: QuickModel): (asked: Float64Array) => PointAnswer {
  const count = whitened.length;
  const { dimensions, numeric, scale } = frame;
  const solved = new Float64Array(count);
  const slopes = new Float64Array(count);
  const coefficients = new Float64Array(count);
  return (asked) => {
    for (let row = 0; row < count; row += 1) {
      const r = Math.sqrt(5 * distance(frame, asked, 0, framed, row * dimensions));
      const decay = scale * Math.exp(-r);
      solved[row] = (1 + r + (r * r) / 3) * decay;
      slopes[row] = (-5 / 6) * (1 + r) * decay;
    }
    solveLower(factor, count, solved);
    const { mean, square } = project(solved, 0, whitened);
    const pullSolved = (bySolved: Float64Array, moved: Float64Array): void => {
      solveUpper(factor, count, bySolved);
      moved.fill(0);
      for (let row = 0; row < count; row += 1) {
        const weight = (bySolved[row] as number) * (slopes[row] as number);
        const offset = row * dimensions;
        for (let place = 0; place < numeric; place += 1) {
          moved[place] =
            (moved[place] as number) + weight * ((asked[place] as number) - (framed[offset + place] as number));
        }
      }
    };
    return {
      mean,
      square,
      solved,
      pullSolved,
      pull(byMean, byVariance, moved) {
        for (let k = 0; k < count; k += 1) {
          coefficients[k] = byMean * (whitened[k] as number) - 2 * byVariance * (solved[k] as number);
        }
        pullSolved(coefficients, moved);
      },
    };
  };
}
