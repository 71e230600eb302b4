import type { Random } from "@millwright/contracts";
import { twoSidedP, twoSidedQuantile } from "./student-t.ts";

/** What the differences of pairs say of their mean. */
export interface PairedDifference {
  readonly mean: number;
  /** Where the mean lies with the confidence asked for; absent where there are too few pairs. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  /** The chance of a mean as far from 0 where there is no difference; absent where there are too few pairs. */
  readonly pValue?: number | undefined;
  /** As how many independent pairs they count. */
  readonly effectivePairs: number;
}

export interface PairedOptions {
  /** 1 − the confidence of the interval. */
  readonly alpha: number;
  readonly random: Random;
  readonly resamples: number;
}

const fewestBootstrapped = 10;
const mostBootstrapped = 20_000;

/**
 * Pairs that have nothing to do with each other: folds, examples. The test is the paired t-test; the interval the bootstrap's with studentized means
 * (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, §12.5), for fewer than 10 pairs and more than 20,000 the t distribution's.
 */
export function independentPairs(differences: readonly number[], options: PairedOptions): PairedDifference {
  const count = differences.length;
  const { mean, deviation } = momentsOf(differences);
  if (count < 2) return { mean, effectivePairs: count };
  const error = deviation / Math.sqrt(count);
  // Where every pair differs by the same there is no doubt.
  if (error === 0) return { mean, low: mean, high: mean, pValue: mean === 0 ? 1 : 0, effectivePairs: count };
  const pValue = twoSidedP(mean / error, count - 1);
  const spread = twoSidedQuantile(options.alpha, count - 1) * error;
  const isBootstrapped = count >= fewestBootstrapped && count <= mostBootstrapped;
  const [below, above] = isBootstrapped ? studentizedSpread(differences, options) : [-spread / error, spread / error];
  return { mean, low: mean - above * error, high: mean - below * error, pValue, effectivePairs: count };
}

function studentizedSpread(
  differences: readonly number[],
  { alpha, random, resamples }: PairedOptions,
): readonly [number, number] {
  const count = differences.length;
  const { mean } = momentsOf(differences);
  const ratios: number[] = [];
  for (let resample = 0; resample < resamples; resample += 1) {
    let sum = 0;
    let squares = 0;
    for (let draw = 0; draw < count; draw += 1) {
      const difference = (differences[random.integer(count)] as number) - mean;
      sum += difference;
      squares += difference * difference;
    }
    const variance = (squares - (sum * sum) / count) / (count - 1);
    if (variance > 0) ratios.push(sum / count / Math.sqrt(variance / count));
  }
  ratios.sort((a, b) => a - b);
  const at = (share: number): number => ratios[Math.round(share * (ratios.length - 1))] ?? 0;
  return [at(alpha / 2), at(1 - alpha / 2)];
}

/** As how many independent pairs a stretch of steps must count at least. */
const fewestEffective = 8;

/**
 * Pairs of steps, each of which knows something of the step before. The error of the mean is the stationary bootstrap's (Politis and Romano, 1994) with
 * the block length of Politis and White (2004, corrected by Patton, Politis and White, 2009), and not less than that of a first-order autoregression
 * with its correlation corrected for bias (Marriott and Pope, 1954). Test and interval take the t distribution of as many pairs as the steps are worth.
 */
export function dependentPairs(differences: readonly number[], options: PairedOptions): PairedDifference {
  const count = differences.length;
  const { mean, deviation } = momentsOf(differences);
  if (count < fewestEffective) return { mean, effectivePairs: count };
  if (deviation === 0) return { mean, low: mean, high: mean, pValue: mean === 0 ? 1 : 0, effectivePairs: count };
  const covariance = covariancesOf(differences, mean);
  const block = blockLength(covariance, count);
  const first = (covariance[1] as number) / (covariance[0] as number);
  const correlation = Math.min(Math.max(first + (1 + 4 * first) / count, 0), 0.999);
  const inflation = (1 + correlation) / (1 - correlation);
  const effectivePairs = count / Math.max(inflation, block);
  if (effectivePairs < fewestEffective) return { mean, effectivePairs };
  const asAutoregression = ((deviation * deviation) / count) * (inflation / (1 - inflation / count));
  const asBlocks = stationaryVariance(differences, mean, block, options) / (1 - block / count);
  const error = Math.sqrt(Math.max(asAutoregression, asBlocks));
  const spread = twoSidedQuantile(options.alpha, effectivePairs - 1) * error;
  return {
    mean,
    low: mean - spread,
    high: mean + spread,
    pValue: twoSidedP(mean / error, effectivePairs - 1),
    effectivePairs,
  };
}

/** The variance of the means of resamples: blocks of geometric length, of `block` pairs on average, that go on from the end to the beginning. */
function stationaryVariance(
  differences: readonly number[],
  mean: number,
  block: number,
  { random, resamples }: PairedOptions,
): number {
  const count = differences.length;
  let squares = 0;
  for (let resample = 0; resample < resamples; resample += 1) {
    let sum = 0;
    let position = 0;
    for (let draw = 0; draw < count; draw += 1) {
      position = draw === 0 || random.next() < 1 / block ? random.integer(count) : (position + 1) % count;
      sum += (differences[position] as number) - mean;
    }
    squares += (sum / count) ** 2;
  }
  return squares / resamples;
}

function momentsOf(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  // What rounding leaves of equal differences is no deviation.
  const deviation = Math.sqrt(squares / Math.max(values.length - 1, 1));
  return { mean, deviation: deviation <= Math.abs(mean) * 1e-14 ? 0 : deviation };
}

/** Up to the lags that the block length asks for. */
function covariancesOf(values: readonly number[], mean: number): readonly number[] {
  const count = values.length;
  const lags = Math.min(Math.ceil(Math.sqrt(count)) + Math.max(5, Math.ceil(Math.log10(count))), count - 1);
  return Array.from({ length: lags + 1 }, (_, lag) => {
    let sum = 0;
    for (let index = 0; index + lag < count; index += 1)
      sum += ((values[index] as number) - mean) * ((values[index + lag] as number) - mean);
    return sum / count;
  });
}

/** The mean block length that the stationary bootstrap does best with: Politis and White (2004), §3.2, with the correction of 2009. */
function blockLength(covariance: readonly number[], count: number): number {
  const lags = covariance.length - 1;
  const window = Math.max(5, Math.ceil(Math.log10(count)));
  const limit = 2 * Math.sqrt(Math.log10(count) / count);
  const isSmall = (lag: number): boolean => Math.abs((covariance[lag] ?? 0) / (covariance[0] as number)) < limit;
  let last = 1;
  while (last < lags && !Array.from({ length: window }, (_, index) => last + index + 1).every(isSmall)) last += 1;
  const bandwidth = Math.min(2 * last, lags);
  let spectrum = covariance[0] as number;
  let slope = 0;
  for (let lag = 1; lag <= bandwidth; lag += 1) {
    const share = lag / bandwidth;
    const weight = share < 0.5 ? 1 : 2 * (1 - share);
    spectrum += 2 * weight * (covariance[lag] as number);
    slope += 2 * weight * lag * (covariance[lag] as number);
  }
  if (spectrum === 0) return 1;
  const length = Math.cbrt((slope / spectrum) ** 2) * Math.cbrt(count);
  return Math.min(Math.max(length, 1), Math.ceil(Math.min(3 * Math.sqrt(count), count / 3)));
}

/** Holm's step-down adjustment (1979), in the order of `pValues`: called different at α where it is at most α, all of them are with α wrong calls at most. */
export function holm(pValues: readonly number[]): readonly number[] {
  const order = pValues.map((_, index) => index).toSorted((a, b) => (pValues[a] as number) - (pValues[b] as number));
  const adjusted: number[] = pValues.map(() => 1);
  let floor = 0;
  for (const [rank, index] of order.entries()) {
    floor = Math.max(floor, Math.min(1, (pValues[index] as number) * (pValues.length - rank)));
    adjusted[index] = floor;
  }
  return adjusted;
}
