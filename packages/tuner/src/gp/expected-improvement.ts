import { scaledErfc } from "../samplers/normal-mass.ts";

const LOG_SQRT_TAU = Math.log(2 * Math.PI) / 2;
const SQRT_HALF_PI = Math.sqrt(Math.PI / 2);

/** log of h(z) = z Φ(z) + φ(z), and the two ratios its derivatives are made of. */
export interface LogImprovement {
  /** log h(z). */
  readonly log: number;
  /** Φ(z) / h(z) = d log h / dz. */
  readonly slope: number;
  /** φ(z) / h(z). */
  readonly density: number;
}

/**
 * log h(z) for any z without loss in the tails: eq. 9 of Ament et al., "Unexpected improvements to expected improvement for Bayesian
 * optimization", arXiv 2310.20708; below −25 the remainder 1 − |z| R(z), with Mills' ratio R, by its asymptotic series.
 */
export function logImprovement(z: number): LogImprovement {
  if (z > -1) {
    const density = Math.exp((-z * z) / 2 - LOG_SQRT_TAU);
    const below = z > 0 ? 1 - mills(z) * density : mills(-z) * density;
    const value = z * below + density;
    return { log: Math.log(value), slope: below / value, density: density / value };
  }
  const ratio = mills(-z);
  const rest = z > -25 ? 1 + z * ratio : tailRemainder(z);
  return { log: (-z * z) / 2 - LOG_SQRT_TAU + Math.log(rest), slope: ratio / rest, density: 1 / rest };
}

/** (1 − Φ(z)) / φ(z) for z ≥ 0. */
const mills = (z: number): number => SQRT_HALF_PI * scaledErfc(z * Math.SQRT1_2);

/** 1 − |z| R(|z|) = 1/z² − 3/z⁴ + 15/z⁶ − …, to the last bit for |z| ≥ 25. */
function tailRemainder(z: number): number {
  const inverse = 1 / (z * z);
  let term = inverse;
  let sum = inverse;
  for (let index = 1; index <= 9; index += 1) {
    term *= -(2 * index + 1) * inverse;
    sum += term;
  }
  return sum;
}

/** log E[max(best − Y, 0)] for Y ~ N(mean, deviation²): the expected improvement of a value to be made small. */
export function logExpectedImprovement(mean: number, deviation: number, best: number): number {
  return logImprovement((best - mean) / deviation).log + Math.log(deviation);
}

/** log Φ(z), to the far tail: the log-probability that a standard normal lies below z. */
export function logNormalCdf(z: number): number {
  if (z > 0) return Math.log1p(-mills(z) * Math.exp((-z * z) / 2 - LOG_SQRT_TAU));
  return Math.log(mills(-z)) - (z * z) / 2 - LOG_SQRT_TAU;
}
