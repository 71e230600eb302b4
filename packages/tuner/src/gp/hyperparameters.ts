import { factorRows, inverseOf, rowStart, solveLower, solveUpper } from "./cholesky.ts";
import type { Observations } from "./gaussian-process.ts";
import type { Coordinates, Hyperparameters } from "./kernel.ts";
import { minimize } from "./minimize.ts";
import { type Likelihood, quickLikelihood } from "../simd/likelihood.ts";

/** Variance of the noise that is always assumed: keeps the covariance positive definite. */
export const NOISE_FLOOR = 1e-6;
/** Of Optuna's prior on the noise. */
const NOISE_RATE = 30;

export interface FitOptions {
  /** Where to begin besides the start at all-default values: the result of an earlier fit. Default: none. */
  readonly start?: Hyperparameters | undefined;
  /** The observations carry no noise. Default: false. */
  readonly deterministic?: boolean | undefined;
  /** Of the prior Gamma(1.1, rate) on the noise's variance: the larger, the less of what varies counts as noise. Default: 30. */
  readonly noiseRate?: number | undefined;
  /** Evaluations of the likelihood per start at most. Default: 60. */
  readonly evaluations?: number | undefined;
}

export interface Fit {
  readonly hyperparameters: Hyperparameters;
  /** Negative log posterior of the hyperparameters, up to a constant; divided by the number of observations. */
  readonly loss: number;
}

/** Hyperparameters all at their defaults: where a fit without an earlier one begins. */
export function defaultHyperparameters({ dimensions }: Coordinates): Hyperparameters {
  return { weights: new Float64Array(dimensions).fill(1), scale: 1, noise: 1e-2 };
}

/**
 * The hyperparameters of largest posterior probability given standardised targets, with the priors of Optuna 5: −Σ(0.1/w + 0.1 w) on the inverse
 * squared length scales, Gamma(2, 1) on the scale, Gamma(1.1, noiseRate) on the noise. L-BFGS on their logarithms from the default start and from `start`.
 * A pure function of its arguments.
 */
export function fitHyperparameters(
  coordinates: Coordinates,
  observations: Observations,
  { start, deterministic = false, noiseRate = NOISE_RATE, evaluations = 60 }: FitOptions = {},
): Fit {
  const target = negativeLogPosterior(coordinates, observations, noiseRate);
  const size = coordinates.dimensions + 2;
  const lower = new Float64Array(size).fill(Math.log(1e-3));
  const upper = new Float64Array(size).fill(Math.log(1e4));
  lower[size - 2] = Math.log(1e-3);
  upper[size - 2] = Math.log(1e2);
  lower[size - 1] = Math.log(NOISE_FLOOR / 100);
  upper[size - 1] = deterministic ? (lower[size - 1] as number) : Math.log(1e1);
  const count = Math.max(1, observations.targets.length);
  const options = { lower, upper, evaluations: evaluations, gain: 1e-5 * count, gradientTolerance: 1e-2, firstStep: 1 };
  const starts = [defaultHyperparameters(coordinates), ...(start === undefined ? [] : [start])];
  const [first, second] = starts.map((from) => minimize(target, toLogs(from), options));
  const best = second !== undefined && !(second.value > (first?.value ?? Infinity)) ? second : first;
  return {
    hyperparameters: fromLogs(best?.point ?? toLogs(defaultHyperparameters(coordinates))),
    loss: (best?.value ?? 0) / count,
  };
}

/** The loss of given hyperparameters, as a fit reports it: tells whether an earlier fit still serves. */
export function lossOf(
  coordinates: Coordinates,
  observations: Observations,
  hyperparameters: Hyperparameters,
  noiseRate: number = NOISE_RATE,
): number {
  const value = negativeLogPosterior(coordinates, observations, noiseRate)(toLogs(hyperparameters), undefined);
  return value / Math.max(1, observations.targets.length);
}

const toLogs = ({ weights, scale, noise }: Hyperparameters): Float64Array =>
  Float64Array.from([...weights, scale, Math.max(noise - NOISE_FLOOR, NOISE_FLOOR / 100)], Math.log);

function fromLogs(logs: Float64Array): Hyperparameters {
  const size = logs.length - 2;
  return {
    weights: logs.slice(0, size).map((value) => Math.exp(value)),
    scale: Math.exp(logs[size] as number),
    noise: Math.exp(logs[size + 1] as number) + NOISE_FLOOR,
  };
}

/**
 * Minus the log marginal likelihood (Rasmussen and Williams 2006, eqs. 5.8 and 5.9) and the log priors, as a function of the logarithms
 * [weights…, scale, noise − floor]; infinite where the covariance is not positive definite.
 */
export function negativeLogPosterior(
  { dimensions, categorical }: Coordinates,
  { points, targets }: Observations,
  noiseRate: number = NOISE_RATE,
): (logs: Float64Array, gradient: Float64Array | undefined) => number {
  const count = targets.length;
  const squares = pairSquares(points, count, dimensions, categorical);
  const quick = quickLikelihood({ squares, targets, dimensions });
  if (quick !== undefined) return quickPosterior(quick, dimensions, noiseRate);
  const size = rowStart(count);
  const covariance = new Float64Array(size);
  const slope = new Float64Array(size);
  const factor = new Float64Array(size);
  const weights = new Float64Array(dimensions);
  return (logs, gradient) => {
    for (let k = 0; k < dimensions; k += 1) weights[k] = Math.exp(logs[k] as number);
    const scale = Math.exp(logs[dimensions] as number);
    const noise = Math.exp(logs[dimensions + 1] as number);
    fillCovariance(squares, weights, scale, covariance, slope, count);
    factor.set(covariance);
    for (let row = 0; row < count; row += 1) factor[rowStart(row + 1) - 1] = scale + noise + NOISE_FLOOR;
    if (!factorRows(factor, 0, count)) return Infinity;
    const solved = targets.slice();
    solveLower(factor, count, solved);
    let value = 0;
    for (let row = 0; row < count; row += 1) {
      const target = solved[row] as number;
      value += (target * target) / 2 + Math.log(factor[rowStart(row + 1) - 1] as number);
    }
    if (gradient !== undefined) {
      solveUpper(factor, count, solved);
      const inverse = inverseOf(factor, count);
      likelihoodGradient({ squares, weights, covariance, slope, noise, inverse, solved }, gradient);
    }
    return value + priorTerms({ weights, scale, noise }, noiseRate, gradient);
  };
}

function quickPosterior(
  likelihood: Likelihood,
  dimensions: number,
  noiseRate: number,
): (logs: Float64Array, gradient: Float64Array | undefined) => number {
  const weights = new Float64Array(dimensions);
  return (logs, gradient) => {
    for (let k = 0; k < dimensions; k += 1) weights[k] = Math.exp(logs[k] as number);
    const scale = Math.exp(logs[dimensions] as number);
    const noise = Math.exp(logs[dimensions + 1] as number);
    const { value, byScale, byNoise } = likelihood(weights, scale, scale + noise + NOISE_FLOOR, gradient);
    if (value === Infinity) return Infinity;
    if (gradient !== undefined) {
      for (let k = 0; k < dimensions; k += 1) gradient[k] = (gradient[k] as number) * (weights[k] as number);
      gradient[dimensions] = byScale;
      gradient[dimensions + 1] = byNoise * noise;
    }
    return value + priorTerms({ weights, scale, noise }, noiseRate, gradient);
  };
}

/** Squared differences of all pairs (row > column) by coordinate; 0 or 1 of categorical ones. */
function pairSquares(
  points: Float64Array,
  count: number,
  dimensions: number,
  categorical: readonly boolean[] | undefined,
): Float64Array {
  const squares = new Float64Array(((count * (count - 1)) / 2) * dimensions);
  let at = 0;
  for (let row = 1; row < count; row += 1) {
    for (let column = 0; column < row; column += 1) {
      for (let k = 0; k < dimensions; k += 1) {
        const difference = (points[row * dimensions + k] as number) - (points[column * dimensions + k] as number);
        squares[at] = categorical?.[k] === true ? (difference === 0 ? 0 : 1) : difference * difference;
        at += 1;
      }
    }
  }
  return squares;
}

function fillCovariance(
  squares: Float64Array,
  weights: Float64Array,
  scale: number,
  covariance: Float64Array,
  slope: Float64Array,
  count: number,
): void {
  const dimensions = weights.length;
  let at = 0;
  let entry = 0;
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < row; column += 1) {
      let squared = 0;
      for (let k = 0; k < dimensions; k += 1) {
        squared += (weights[k] as number) * (squares[at] as number);
        at += 1;
      }
      const r = Math.sqrt(5 * squared);
      const decay = scale * Math.exp(-r);
      covariance[entry] = (1 + r + (r * r) / 3) * decay;
      slope[entry] = (-5 / 6) * (1 + r) * decay;
      entry += 1;
    }
    covariance[entry] = scale;
    entry += 1;
  }
}

interface LikelihoodParts {
  readonly squares: Float64Array;
  readonly weights: Float64Array;
  readonly covariance: Float64Array;
  readonly slope: Float64Array;
  readonly noise: number;
  readonly inverse: Float64Array;
  readonly solved: Float64Array;
}

/** d/dθ = ½ tr((K⁻¹ − α αᵀ) dK/dθ). */
function likelihoodGradient(parts: LikelihoodParts, gradient: Float64Array): void {
  const { squares, weights, covariance, slope, noise, inverse, solved } = parts;
  const dimensions = weights.length;
  gradient.fill(0);
  let byScale = 0;
  let byNoise = 0;
  let at = 0;
  let entry = 0;
  for (let row = 0; row < solved.length; row += 1) {
    const alpha = solved[row] as number;
    for (let column = 0; column < row; column += 1) {
      const pull = (inverse[entry] as number) - alpha * (solved[column] as number);
      byScale += pull * (covariance[entry] as number);
      const bySquare = pull * (slope[entry] as number);
      for (let k = 0; k < dimensions; k += 1) {
        gradient[k] = (gradient[k] as number) + bySquare * (squares[at] as number);
        at += 1;
      }
      entry += 1;
    }
    const pull = ((inverse[entry] as number) - alpha * alpha) / 2;
    byScale += pull * (covariance[entry] as number);
    byNoise += pull;
    entry += 1;
  }
  for (let k = 0; k < dimensions; k += 1) gradient[k] = (gradient[k] as number) * (weights[k] as number);
  gradient[dimensions] = byScale;
  gradient[dimensions + 1] = byNoise * noise;
}

/** Minus the log priors; adds their derivatives by the logarithms. */
function priorTerms(
  { weights, scale, noise }: Hyperparameters,
  noiseRate: number,
  gradient: Float64Array | undefined,
): number {
  const dimensions = weights.length;
  let value = scale - Math.log(scale) + noiseRate * noise - 0.1 * Math.log(noise);
  for (const weight of weights) value += 0.1 / weight + 0.1 * weight;
  if (gradient === undefined) return value;
  for (let k = 0; k < dimensions; k += 1) {
    const weight = weights[k] as number;
    gradient[k] = (gradient[k] as number) + 0.1 * weight - 0.1 / weight;
  }
  gradient[dimensions] = (gradient[dimensions] as number) + scale - 1;
  gradient[dimensions + 1] = (gradient[dimensions + 1] as number) + noiseRate * noise - 0.1;
  return value;
}
