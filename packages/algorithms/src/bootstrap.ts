import { setImmediate } from "node:timers/promises";
import type { Random } from "@millwright/contracts";

/** How an interval is made of a bootstrap's results: Efron (1987), bias-corrected and accelerated, or between two of their quantiles. */
export type IntervalMethod = "bca" | "percentile";

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** What is asked with how often each row counts. */
export type Statistic = (counts: ArrayLike<number>) => number;

/** Draws after which the event loop gets its turn. */
const drawsInARow = 500_000;

/** Results of rows drawn with replacement, all statistics of the same draws. @returns by statistic, one result a resample, in order. */
export async function resample(
  rows: number,
  resamples: number,
  random: Random,
  statistics: readonly Statistic[],
  signal: AbortSignal | undefined,
): Promise<readonly Float64Array[]> {
  const counts = new Int32Array(rows);
  const results = statistics.map(() => new Float64Array(resamples));
  let draws = 0;
  for (let time = 0; time < resamples; time += 1) {
    counts.fill(0);
    for (let draw = 0; draw < rows; draw += 1) counts[random.integer(rows)]! += 1;
    for (const [index, statistic] of statistics.entries()) results[index]![time] = statistic(counts);
    draws += rows;
    if (draws < drawsInARow) continue;
    draws = 0;
    await setImmediate();
    signal?.throwIfAborted();
  }
  return results;
}

const mostLeftOut = 1000;

/** The results with each row left out once, which acceleration is found from; of more than 1000 rows with each of 1000 groups left out. */
export function leaveOneOut(rows: number, statistic: Statistic): Float64Array {
  const groups = Math.min(rows, mostLeftOut);
  const counts = new Int32Array(rows).fill(1);
  return Float64Array.from({ length: groups }, (_, group) => {
    for (let row = group; row < rows; row += groups) counts[row] = 0;
    const result = statistic(counts);
    for (let row = group; row < rows; row += groups) counts[row] = 1;
    return result;
  });
}

/**
 * The interval that holds the statistic with this confidence. @param left The results with a row left out, for `bca`. Where all results are one, so are both ends.
 */
export function intervalOf(
  results: Float64Array,
  estimate: number,
  left: Float64Array,
  confidence: number,
  method: IntervalMethod,
): Interval {
  const sorted = results.toSorted();
  const tail = (1 - confidence) / 2;
  if (method === "percentile") return { low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
  let below = 0;
  for (const result of sorted) below += result < estimate ? 1 : result === estimate ? 0.5 : 0;
  const bias = normalQuantile(below / sorted.length);
  const mean = left.reduce((sum, each) => sum + each, 0) / left.length;
  let [squares, cubes] = [0, 0];
  for (const each of left) {
    squares += (mean - each) ** 2;
    cubes += (mean - each) ** 3;
  }
  const acceleration = squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
  const share = (z: number): number => normalDistribution(bias + (bias + z) / (1 - acceleration * (bias + z)));
  const [low, high] = [share(normalQuantile(tail)), share(normalQuantile(1 - tail))];
  // Every result on one side of the estimate: there is no bias to be found.
  if (!(low >= 0 && high <= 1)) return { low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
  return { low: quantile(sorted, low), high: quantile(sorted, high) };
}

/** On the straight line between neighbours. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const value = sorted[below]!;
  return value + (place - below) * ((sorted[below + 1] ?? value) - value);
}

/** Φ, by its series around 0 (Marsaglia, 2004), to double precision within ±7; beyond, 0 or 1. */
export function normalDistribution(z: number): number {
  if (!(Math.abs(z) < 7)) return z > 0 ? 1 : z < 0 ? 0 : z;
  let [sum, term] = [z, z];
  for (let index = 3; Math.abs(term) > 1e-18 * Math.abs(sum); index += 2) {
    term *= (z * z) / index;
    sum += term;
  }
  return 0.5 + sum * Math.exp(-0.5 * z * z - 0.9189385332046727);
}

/** Φ's inverse: Newton's method from Hastings' approximation (Abramowitz and Stegun, 26.2.23). ±Infinity at 1 and 0. */
export function normalQuantile(probability: number): number {
  if (!(probability > 0 && probability < 1))
    return probability === 0 ? -Infinity : probability === 1 ? Infinity : Number.NaN;
  const tail = Math.min(probability, 1 - probability);
  const t = Math.sqrt(-2 * Math.log(tail));
  let z = -(
    t -
    (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t ** 3)
  );
  for (let step = 0; step < 4; step += 1) {
    const density = Math.exp(-0.5 * z * z - 0.9189385332046727);
    const error = (normalDistribution(z) - tail) / density;
    z -= error / (1 + (z * error) / 2);
  }
  return probability < 0.5 ? z : -z;
}
