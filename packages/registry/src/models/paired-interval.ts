import type { Random } from "@millwright/contracts";

export interface PairedInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

const resamples = 2000;

/**
 * The percentile bootstrap interval of the mean of paired differences, from 2,000 resamples.
 * @see Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13
 */
export function pairedInterval(
  differences: readonly number[],
  { confidence, random }: { readonly confidence: number; readonly random: Random },
): PairedInterval {
  const count = differences.length;
  const means = new Float64Array(resamples);
  for (let round = 0; round < resamples; round += 1) {
    let sum = 0;
    for (let draw = 0; draw < count; draw += 1) sum += differences[random.integer(count)] as number;
    means[round] = sum / count;
  }
  means.sort();
  const at = (quantile: number): number =>
    means[Math.min(resamples - 1, Math.max(0, Math.round(quantile * (resamples - 1))))] as number;
  const tail = (1 - confidence) / 2;
  return { mean: differences.reduce((a, b) => a + b, 0) / count, low: at(tail), high: at(1 - tail) };
}
