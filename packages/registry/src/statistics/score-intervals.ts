import { twoSidedQuantile } from "./student-t.ts";
/** A number with the interval that it lies in. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Of measurements: how many, their mean and their sample standard deviation. */
export interface Moments {
  readonly count: number;
  readonly mean: number;
  readonly standardDeviation: number;
}

/** Of yes and no: how many yes of how many. */
export interface Tally {
  readonly successes: number;
  readonly trials: number;
}

/** Wilson's score interval. @see Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927) */
export function wilsonInterval({ successes, trials }: Tally, confidence: number): Interval {
  const z = normalTwoSided(confidence);
  const share = successes / trials;
  const scale = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return { value: share, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** Newcombe's interval of a difference `a − b` of independent shares, from their Wilson intervals. @see Newcombe, Statistics in Medicine 17 (1998), method 10 */
export function newcombeInterval(a: Tally, b: Tally, confidence: number): Interval {
  const first = wilsonInterval(a, confidence);
  const second = wilsonInterval(b, confidence);
  const value = first.value - second.value;
  return {
    value,
    low: value - Math.hypot(first.value - first.low, second.high - second.value),
    high: value + Math.hypot(first.high - first.value, second.value - second.low),
  };
}

/** Student's interval of a mean; of 2 measurements or more. */
export function meanInterval({ count, mean, standardDeviation }: Moments, confidence: number): Interval {
  const half = (twoSidedQuantile(1 - confidence, count - 1) * standardDeviation) / Math.sqrt(count);
  return { value: mean, low: mean - half, high: mean + half };
}

/** Welch's interval of a difference `a − b` of independent means. @see Welch, Biometrika 34 (1947) */
export function welchInterval(a: Moments, b: Moments, confidence: number): Interval {
  const [first, second] = [a.standardDeviation ** 2 / a.count, b.standardDeviation ** 2 / b.count];
  const value = a.mean - b.mean;
  if (first + second === 0) return { value, low: value, high: value };
  const degrees = (first + second) ** 2 / (first ** 2 / (a.count - 1) + second ** 2 / (b.count - 1));
  const half = twoSidedQuantile(1 - confidence, degrees) * Math.sqrt(first + second);
  return { value, low: value - half, high: value + half };
}

export function momentsOf(values: readonly number[]): Moments {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count, mean, standardDeviation: Math.sqrt(squares / (count - 1)) };
}

/** The z within which a standard normal variable stays with this probability, by bisection. */
export function normalTwoSided(probability: number): number {
  let low = 0;
  let high = 40;
  for (let round = 0; round < 80; round += 1) {
    const middle = (low + high) / 2;
    if (normalMassWithin(middle) < probability) low = middle;
    else high = middle;
  }
  return low;
}

/** P(|Z| < z) = erf(z / √2), by the series of Abramowitz and Stegun (1964), 7.1.6, whose terms are all positive. */
function normalMassWithin(z: number): number {
  const x = z / Math.SQRT2;
  let term = x;
  let sum = x;
  for (let n = 1; n < 2000 && term > 1e-18 * sum; n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
