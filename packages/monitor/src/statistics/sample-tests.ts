import {
  type Alternative,
  checkAlternative,
  eachTie,
  finiteSample,
  momentsOf,
  sortedSample,
  type TestResult,
} from "./samples.ts";
import { kolmogorovSmirnovTail, twoSampleTail } from "./kolmogorov.ts";

export interface KolmogorovSmirnovOptions {
  /**
   * `exact` counts paths (at most n·m steps); `asymptotic` takes the one-sample distribution at nm/(n + m), as SciPy does. Default: `exact` up to
   * 10,000 values on both sides.
   */
  readonly method?: "exact" | "asymptotic" | undefined;
  /** `greater`: only where the distribution function of the first sample lies above. Default: `two-sided`. */
  readonly alternative?: Alternative | undefined;
}

const mostExact = 10_000;

/** Largest distance between two empirical distributions, with its p-value. Infinities are values. Throws `MONITOR_SAMPLE_EMPTY`, and `MONITOR_SAMPLE_INVALID` for NaN. */
export function kolmogorovSmirnov(
  x: Iterable<number>,
  y: Iterable<number>,
  { method, alternative = "two-sided" }: KolmogorovSmirnovOptions = {},
): TestResult {
  checkAlternative(alternative);
  const a = sortedSample(x, "first sample");
  const b = sortedSample(y, "second sample");
  let [above, below] = [0, 0];
  eachTie(a, b, (_value, inA, inB, beforeA, beforeB) => {
    const difference = (beforeA + inA) / a.length - (beforeB + inB) / b.length;
    above = Math.max(above, difference);
    below = Math.max(below, -difference);
  });
  const [n, m] = [a.length, b.length];
  const statistic = alternative === "two-sided" ? Math.max(above, below) : alternative === "less" ? below : above;
  const exact = method === "exact" || (method === undefined && Math.max(n, m) <= mostExact);
  if (alternative === "two-sided")
    return { statistic, pValue: exact ? twoSampleTail(statistic, n, m) : kolmogorovSmirnovPValue(statistic, n, m) };
  if (exact)
    return {
      statistic,
      pValue:
        alternative === "less" ? twoSampleTail(statistic, m, n, "greater") : twoSampleTail(statistic, n, m, "greater"),
    };
  return { statistic, pValue: oneSidedLimit(statistic, Math.max(n, m), Math.min(n, m)) };
}

/** Hodges's approximation (1958, his 5.3) of the one-sided p-value of two large samples. */
function oneSidedLimit(d: number, larger: number, smaller: number): number {
  const z = Math.sqrt((larger * smaller) / (larger + smaller)) * d;
  const correction = (2 * z * (larger + 2 * smaller)) / Math.sqrt(larger * smaller * (larger + smaller)) / 3;
  return Math.min(1, Math.exp(-2 * z * z - correction));
}

/** The asymptotic two-sided p-value of a two-sample distance. */
export function kolmogorovSmirnovPValue(statistic: number, n: number, m: number): number {
  return kolmogorovSmirnovTail(statistic, Math.max(1, roundHalfEven((n * m) / (n + m))));
}

/** As NumPy rounds. */
function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

/** ∫ |F − G|^power over the line. */
function areaBetween(x: Iterable<number>, y: Iterable<number>, power: 1 | 2): number {
  const a = finiteSample(x, "first sample");
  const b = finiteSample(y, "second sample");
  let area = 0;
  let difference = 0;
  let last = 0;
  eachTie(a, b, (value, inA, inB, beforeA, beforeB) => {
    if (beforeA + beforeB > 0) area += Math.abs(difference) ** power * (value - last);
    difference = (beforeA + inA) / a.length - (beforeB + inB) / b.length;
    last = value;
  });
  return area;
}

/** First Wasserstein distance: the area between two empirical distributions, in the unit of the values. Throws `MONITOR_SAMPLE_EMPTY`, and `MONITOR_SAMPLE_INVALID` for NaN and infinities. */
export function wasserstein(x: Iterable<number>, y: Iterable<number>): number {
  return areaBetween(x, y, 1);
}

/** The Wasserstein distance over the standard deviation (n, not n − 1) of the reference, which counts as at least `smallestDeviation`. Default: 0.001, as in Evidently. */
export function wassersteinNormed(
  reference: Iterable<number>,
  current: Iterable<number>,
  smallestDeviation = 0.001,
): number {
  const values = finiteSample(reference, "reference");
  return areaBetween(values, current, 1) / Math.max(Math.sqrt(momentsOf(values).variance), smallestDeviation);
}

/** Energy distance (Székely and Rizzo, 2004), √(2 ∫ (F − G)²), as SciPy scales it. Throws what `wasserstein` throws. */
export function energyDistance(x: Iterable<number>, y: Iterable<number>): number {
  return Math.sqrt(2 * areaBetween(x, y, 2));
}
