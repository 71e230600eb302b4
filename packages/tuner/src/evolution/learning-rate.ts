import { type Eigen, applySpectral } from "./eigen.ts";
import { type GaussianState, norm, withCovariance } from "./gaussian.ts";

/** How much of a generation's step is taken, and the estimates of its signal and noise that this rests on. Never changed in place. */
export interface LearningRates {
  readonly mean: number;
  readonly covariance: number;
  readonly meanDrift: Float64Array;
  readonly covarianceDrift: Float64Array;
  readonly meanPower: number;
  readonly covariancePower: number;
}

export function startLearningRates(dimension: number): LearningRates {
  return {
    mean: 1,
    covariance: 1,
    meanDrift: new Float64Array(dimension),
    covarianceDrift: new Float64Array(dimension * dimension),
    meanPower: 0,
    covariancePower: 0,
  };
}

/**
 * Shortens the step from `before` to `after` where it is mostly noise, as on noisy or many-humped objectives.
 * Nomura, Akimoto, Ono, "CMA-ES with Learning Rate Adaptation", GECCO 2023, arXiv 2304.03473, eq. 10 to 20, with α = 1.4, β_m = 0.1,
 * β_Σ = 0.03, γ = 0.1.
 */
export function adaptLearningRate(
  before: GaussianState,
  after: GaussianState,
  rates: LearningRates,
): { readonly state: GaussianState; readonly rates: LearningRates } {
  const n = before.mean.length;
  const meanStep = after.mean.map((value, axis) => value - (before.mean[axis] as number));
  const oldSpread = before.covariance.map((value) => before.sigma ** 2 * value);
  const spreadStep = after.covariance.map((value, index) => after.sigma ** 2 * value - (oldSpread[index] as number));
  const local = localSteps(before, meanStep, spreadStep);
  const meanSide = track(rates.meanDrift, rates.meanPower, local.mean, 0.1);
  const spreadSide = track(rates.covarianceDrift, rates.covariancePower, local.spread, 0.03);
  const mean = nextRate(rates.mean, meanSide.ratio, 0.1);
  const covariance = nextRate(rates.covariance, spreadSide.ratio, 0.03);
  const spread = oldSpread.map((value, index) => value + covariance * (spreadStep[index] as number));
  const whole = withCovariance({ ...after, sigma: 1 }, spread);
  const logRoot = whole.eigen.values.reduce((total, value) => total + Math.log(value), 0) / n;
  const root = Math.exp(logRoot / 2);
  const state = withCovariance(
    {
      ...after,
      mean: before.mean.map((value, axis) => value + mean * (meanStep[axis] as number)),
      // A mean that moves less may be searched around farther.
      sigma: root * (rates.mean / mean),
    },
    whole.covariance.map((value) => value / root ** 2),
  );
  return {
    state,
    rates: {
      mean,
      covariance,
      meanDrift: meanSide.drift,
      covarianceDrift: spreadSide.drift,
      meanPower: meanSide.power,
      covariancePower: spreadSide.power,
    },
  };
}

/** The steps in the coordinates in which the old distribution is N(0, I). */
function localSteps(
  { eigen, sigma, mean }: GaussianState,
  meanStep: Float64Array,
  spreadStep: Float64Array,
): { readonly mean: Float64Array; readonly spread: Float64Array } {
  const n = mean.length;
  const inverse = eigen.values.map((value) => 1 / (sigma * Math.sqrt(value)));
  const left = columns(eigen, inverse, spreadStep, n);
  // (S M S)ᵀ = S (S M)ᵀ, and all three are symmetric.
  const both = columns(eigen, inverse, transpose(left, n), n);
  return {
    mean: applySpectral(eigen, inverse, meanStep),
    spread: both.map((value) => value / Math.SQRT2),
  };
}

/** B·diag(scale)·Bᵀ times each column of the matrix. */
function columns(eigen: Eigen, scale: Float64Array, matrix: Float64Array, n: number): Float64Array {
  const result = new Float64Array(n * n);
  for (let column = 0; column < n; column += 1) {
    const applied = applySpectral(
      eigen,
      scale,
      Float64Array.from({ length: n }, (_, row) => matrix[row * n + column] as number),
    );
    for (let row = 0; row < n; row += 1) result[row * n + column] = applied[row] as number;
  }
  return result;
}

const transpose = (matrix: Float64Array, n: number): Float64Array =>
  matrix.map((_, index) => matrix[(index % n) * n + Math.floor(index / n)] as number);

/** Moving averages of a step and of its squared length, and the signal-to-noise ratio they tell of. */
function track(drift: Float64Array, power: number, step: Float64Array, rate: number) {
  const nextDrift = drift.map((value, index) => (1 - rate) * value + rate * (step[index] as number));
  const nextPower = (1 - rate) * power + rate * norm(step) ** 2;
  const signal = norm(nextDrift) ** 2;
  return {
    drift: nextDrift,
    power: nextPower,
    ratio: (signal - (rate / (2 - rate)) * nextPower) / (nextPower - signal),
  };
}

function nextRate(rate: number, ratio: number, most: number): number {
  const relative = Math.min(1, Math.max(-1, ratio / 1.4 / rate - 1));
  return Math.min(1, rate * Math.exp(Math.min(0.1 * rate, most) * relative));
}
