import { parameterInvalid, sampleEmpty, sampleInvalid } from "../errors.ts";

export interface TestResult {
  readonly statistic: number;
  /** Probability of a statistic at least this extreme where both sides come from one distribution, in [0, 1]. */
  readonly pValue: number;
}

/** Which difference counts: any, or the first sample tending to be smaller (`less`) or greater than the second. */
export type Alternative = "two-sided" | "less" | "greater";

export function checkAlternative(alternative: Alternative): void {
  if (!["two-sided", "less", "greater"].includes(alternative))
    throw parameterInvalid(`the alternative is ${String(alternative)}, and must be two-sided, less or greater`);
}

/** A copy, in order. Throws `MONITOR_SAMPLE_EMPTY`, and `MONITOR_SAMPLE_INVALID` for NaN. */
export function sortedSample(values: Iterable<number>, name: string): Float64Array {
  // Copying a typed array skips its iterator.
  const copy = values instanceof Float64Array ? values.slice() : Float64Array.from(values);
  copy.sort();
  if (copy.length === 0) throw sampleEmpty(name);
  // The sort puts NaN last.
  if (Number.isNaN(copy.at(-1))) throw sampleInvalid(name, "it holds NaN");
  return copy;
}

/** `sortedSample` that refuses infinities too. */
export function finiteSample(values: Iterable<number>, name: string): Float64Array {
  const copy = sortedSample(values, name);
  if (!Number.isFinite(copy[0]) || !Number.isFinite(copy.at(-1))) throw sampleInvalid(name, "it holds an infinity");
  return copy;
}

/** Runs of equal values in two sorted samples: called with the value, how often each side has it, and how many of each side are smaller. */
export function eachTie(
  a: Float64Array,
  b: Float64Array,
  visit: (value: number, inA: number, inB: number, beforeA: number, beforeB: number) => void,
): void {
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const value =
      i === a.length ? (b[j] as number) : j === b.length ? (a[i] as number) : Math.min(a[i] as number, b[j] as number);
    const [beforeA, beforeB] = [i, j];
    while (i < a.length && a[i] === value) i += 1;
    while (j < b.length && b[j] === value) j += 1;
    visit(value, i - beforeA, j - beforeB, beforeA, beforeB);
  }
}

/** All samples together, in order. */
export function pooledSample(samples: readonly Float64Array[]): Float64Array {
  const pooled = new Float64Array(samples.reduce((sum, { length }) => sum + length, 0));
  let filled = 0;
  for (const sample of samples) {
    pooled.set(sample, filled);
    filled += sample.length;
  }
  return pooled.sort();
}

export interface Moments {
  readonly mean: number;
  /** Of the values as a whole: squared deviations over n. */
  readonly variance: number;
}

/** Mean and variance in two passes. */
export function momentsOf(values: Float64Array): Moments {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  let rest = 0;
  for (const value of values) {
    squares += (value - mean) ** 2;
    rest += value - mean;
  }
  return {
    mean: mean + rest / values.length,
    variance: Math.max(0, (squares - (rest * rest) / values.length) / values.length),
  };
}

/** Linear between the two nearest values. */
export function quantileOf(sorted: Float64Array, p: number): number {
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  const [below, above] = [sorted[low] as number, sorted[Math.min(low + 1, sorted.length - 1)] as number];
  return below + (above - below) * (at - low);
}
