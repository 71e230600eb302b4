import { parameterInvalid } from "../errors.ts";
import { increasingRoot } from "./root-finding.ts";
import { binomialDensity, incompleteBeta, incompleteGamma, normalUpper, poissonDensity } from "./special-functions.ts";

/** Shapes and degrees of freedom from here on are refused: sums over them take √shape steps. */
const largestShape = 1e10;

const positive = (name: string, value: number): void => {
  if (!(value > 0 && value <= largestShape))
    throw parameterInvalid(`${name} is ${value}, and must be above 0 and at most 1e10`);
};

/** Above the largest shape, t is normal to ten digits. */
const isNormal = (degreesOfFreedom: number): boolean => degreesOfFreedom > largestShape;

const aNumber = (name: string, value: number): void => {
  if (typeof value !== "number" || Number.isNaN(value)) throw parameterInvalid(`${name} is no number`);
};

const aShare = (name: string, value: number): void => {
  if (!(value >= 0 && value <= 1)) throw parameterInvalid(`${name} is ${value}, and must be in [0, 1]`);
};

const smallestLog = -745.2;

/** The 97.5 % point of the standard normal distribution. */
export const z95 = 1.959963984540054;

/** Probability that a standard normal variable is at most z. Throws `MONITOR_PARAMETER_INVALID` for NaN, as all functions here. */
export function normalCdf(z: number): number {
  aNumber("z", z);
  return z <= 0 ? normalUpper(-z) : 1 - normalUpper(z);
}

/** Probability that a standard normal variable exceeds z, to full relative precision in the tail. */
export const normalSurvival = (z: number): number => normalCdf(-z);

/** Probability that a standard normal variable is farther from 0 than z. */
export const normalTails = (z: number): number => Math.min(1, 2 * normalCdf(-Math.abs(z)));

/** The z that a standard normal variable exceeds with probability `tail`, in [0, 1]; `normalQuantile(p)` is its negative, without rounding p near 1. */
export function normalUpperQuantile(tail: number): number {
  aShare("tail", tail);
  if (tail > 0.5) return -normalUpperQuantile(1 - tail);
  if (tail === 0.5) return 0;
  if (tail === 0) return Number.POSITIVE_INFINITY;
  const target = Math.log(tail);
  return increasingRoot(
    (z) => {
      const upper = normalUpper(z);
      return [target - Math.log(upper), Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI) / upper];
    },
    { low: 0, high: 38.6, start: Math.sqrt(-2 * Math.log(2 * tail)) },
  );
}

/** The point that a standard normal variable is at most with probability `p`, in [0, 1]. */
export const normalQuantile = (p: number): number => 0 - normalUpperQuantile(p);

/** Probability that a chi-squared variable with these degrees of freedom is at most x. */
export function chiSquaredCdf(x: number, degreesOfFreedom: number): number {
  positive("degreesOfFreedom", degreesOfFreedom);
  aNumber("x", x);
  return incompleteGamma(degreesOfFreedom / 2, x / 2).lower;
}

/** Probability that a chi-squared variable with these degrees of freedom exceeds x. */
export function chiSquaredSurvival(x: number, degreesOfFreedom: number): number {
  positive("degreesOfFreedom", degreesOfFreedom);
  aNumber("x", x);
  return incompleteGamma(degreesOfFreedom / 2, x / 2).upper;
}

/** The point that a gamma variable of this shape and scale 1 is at most with probability `p`. Twice that of shape k/2 is the chi-squared quantile. */
export function gammaQuantile(p: number, shape: number): number {
  aShare("p", p);
  positive("shape", shape);
  if (p === 0) return 0;
  if (p === 1) return Number.POSITIVE_INFINITY;
  const byLower = p <= incompleteGamma(shape, shape).lower;
  const target = byLower ? Math.log(p) : Math.log1p(-p);
  const at = (t: number): readonly [number, number] => {
    const x = Math.exp(t);
    const { lower, upper } = incompleteGamma(shape, x);
    const slope = poissonDensity(shape, x) * shape;
    return byLower ? [Math.log(lower) - target, slope / lower] : [target - Math.log(upper), slope / upper];
  };
  const middle = Math.log(shape);
  const low = byLower ? smallestLog : middle;
  return Math.exp(increasingRoot(at, { low, high: byLower ? middle : 709, start: middle }));
}

/** The point that a chi-squared variable is at most with probability `p`. */
export const chiSquaredQuantile = (p: number, degreesOfFreedom: number): number =>
  2 * gammaQuantile(p, degreesOfFreedom / 2);

/** Probability that a beta variable is at most x. */
export function betaCdf(x: number, a: number, b: number): number {
  positive("a", a);
  positive("b", b);
  aNumber("x", x);
  return incompleteBeta(a, b, x, 1 - x).lower;
}

/** Probability that a beta variable exceeds x. */
export function betaSurvival(x: number, a: number, b: number): number {
  positive("a", a);
  positive("b", b);
  aNumber("x", x);
  return incompleteBeta(a, b, x, 1 - x).upper;
}

/** x and 1 − x of the point below which the mass is `p` and above which it is `q` = 1 − p. */
function betaPoint(p: number, q: number, a: number, b: number): readonly [x: number, y: number] {
  if (p === 0) return [0, 1];
  if (q === 0) return [1, 0];
  if (p > incompleteBeta(a, b, 0.5, 0.5).lower) {
    const [y, x] = lowBetaPoint(q, p, b, a);
    return [x, y];
  }
  return lowBetaPoint(p, q, a, b);
}

/** `betaPoint` where x is at most ½: the root over ln x, of the logarithm of the smaller tail. */
function lowBetaPoint(p: number, q: number, a: number, b: number): readonly [x: number, y: number] {
  const target = Math.log(Math.min(p, q));
  const at = (t: number): readonly [number, number] => {
    const x = Math.exp(t);
    const { lower, upper } = incompleteBeta(a, b, x, 1 - x);
    // x · density(x) = x^a y^(b−1) / B(a, b)
    const slope = (binomialDensity(a, b, x, 1 - x) * a * (b / (a + b))) / (1 - x);
    return p <= q ? [Math.log(lower) - target, slope / lower] : [target - Math.log(upper), slope / upper];
  };
  const middle = Math.log(Math.min(0.5, a / (a + b)));
  const x = Math.exp(increasingRoot(at, { low: smallestLog, high: Math.log(0.5) + 1e-12, start: middle }));
  return [x, 1 - x];
}

/** The point that a beta variable is at most with probability `p`, in [0, 1]. */
export function betaQuantile(p: number, a: number, b: number): number {
  positive("a", a);
  positive("b", b);
  aShare("p", p);
  return betaPoint(p, 1 - p, a, b)[0];
}

/** Probability that Student's t with these degrees of freedom (above 0; normal above 1e10) exceeds t. */
export function studentTSurvival(t: number, degreesOfFreedom: number): number {
  if (isNormal(degreesOfFreedom)) return normalSurvival(t);
  positive("degreesOfFreedom", degreesOfFreedom);
  aNumber("t", t);
  if (t === 0) return 0.5;
  if (!Number.isFinite(t)) return t > 0 ? 0 : 1;
  // t² may overflow; the ratio does not.
  const ratio = (t / degreesOfFreedom) * t;
  const x = 1 / (1 + ratio);
  const y = ratio === Number.POSITIVE_INFINITY ? 1 : ratio / (1 + ratio);
  const tail = incompleteBeta(degreesOfFreedom / 2, 0.5, x, y).lower / 2;
  return t > 0 ? tail : 1 - tail;
}

/** Probability that Student's t is at most t. */
export const studentTCdf = (t: number, degreesOfFreedom: number): number => studentTSurvival(-t, degreesOfFreedom);

/** Probability that Student's t is farther from 0 than t. */
export const studentTTails = (t: number, degreesOfFreedom: number): number =>
  Math.min(1, 2 * studentTSurvival(Math.abs(t), degreesOfFreedom));

/** The point that Student's t is at most with probability `p`, in [0, 1]. */
export function studentTQuantile(p: number, degreesOfFreedom: number): number {
  if (isNormal(degreesOfFreedom)) return normalQuantile(p);
  positive("degreesOfFreedom", degreesOfFreedom);
  aShare("p", p);
  if (p === 0.5) return 0;
  const tail = Math.min(p, 1 - p);
  const [x, y] = betaPoint(2 * tail, 1 - 2 * tail, degreesOfFreedom / 2, 0.5);
  const t = Math.sqrt((degreesOfFreedom * y) / x);
  return p < 0.5 ? -t : t;
}

/** Probability that an F variable with d1 and d2 degrees of freedom exceeds f. */
export function fSurvival(f: number, d1: number, d2: number): number {
  positive("d1", d1);
  positive("d2", d2);
  aNumber("f", f);
  if (f <= 0) return 1;
  if (f === Number.POSITIVE_INFINITY) return 0;
  const ratio = (d1 / d2) * f;
  return incompleteBeta(d2 / 2, d1 / 2, 1 / (1 + ratio), ratio / (1 + ratio)).lower;
}

/** Probability that an F variable is at most f. */
export const fCdf = (f: number, d1: number, d2: number): number => 1 - fSurvival(f, d1, d2);

const trialsOf = (trials: number, share: number): void => {
  if (!(Number.isInteger(trials) && trials >= 0 && trials < largestShape))
    throw parameterInvalid(`trials is ${trials}, and must be a whole number from 0 to 1e10`);
  aShare("share", share);
};

/** Probability of exactly `hits` in `trials` that each hit with probability `share`. */
export function binomialProbability(hits: number, trials: number, share: number): number {
  trialsOf(trials, share);
  aNumber("hits", hits);
  if (!Number.isInteger(hits) || hits < 0 || hits > trials) return 0;
  return binomialDensity(hits, trials - hits, share, 1 - share);
}

/** Probability of at most `hits` in `trials` that each hit with probability `share`. */
export function binomialCdf(hits: number, trials: number, share: number): number {
  trialsOf(trials, share);
  aNumber("hits", hits);
  const k = Math.floor(hits);
  if (k < 0) return 0;
  if (k >= trials) return 1;
  return incompleteBeta(k + 1, trials - k, share, 1 - share).upper;
}

/** Probability of more than `hits` in `trials`. */
export function binomialSurvival(hits: number, trials: number, share: number): number {
  trialsOf(trials, share);
  aNumber("hits", hits);
  const k = Math.floor(hits);
  if (k < 0) return 1;
  if (k >= trials) return 0;
  return incompleteBeta(k + 1, trials - k, share, 1 - share).lower;
}

/** Clopper and Pearson's exact interval (1934) of a proportion: at least `confidence` of such intervals hold it, whatever it is. `[0, 1]` without trials. Default: 0.95. */
export function clopperPearsonInterval(hits: number, trials: number, confidence = 0.95): readonly [number, number] {
  trialsOf(trials, confidence);
  if (!(Number.isInteger(hits) && hits >= 0 && hits <= trials))
    throw parameterInvalid(`hits is ${hits}, of ${trials} trials`);
  const tail = (1 - confidence) / 2;
  const low = hits === 0 ? 0 : betaPoint(tail, 1 - tail, hits, trials - hits + 1)[0];
  const high = hits === trials ? 1 : betaPoint(1 - tail, tail, hits + 1, trials - hits)[0];
  return [low, high];
}

/** Garwood's exact interval (1936) of the mean of a Poisson count. Default: 0.95. */
export function poissonInterval(count: number, confidence = 0.95): readonly [number, number] {
  if (!(Number.isInteger(count) && count >= 0 && count < largestShape))
    throw parameterInvalid(`count is ${count}, and must be a whole number of at least 0`);
  aShare("confidence", confidence);
  const tail = (1 - confidence) / 2;
  return [count === 0 ? 0 : gammaQuantile(tail, count), gammaQuantile(1 - tail, count + 1)];
}
