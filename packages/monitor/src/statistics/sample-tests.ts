import { sampleEmpty, sampleInvalid } from "../errors.ts";
import { kolmogorovSmirnovTail, twoSampleTail } from "./kolmogorov.ts";

export interface TestResult {
  readonly statistic: number;
  /** Probability of a statistic at least this large where both sides come from one distribution. */
  readonly pValue: number;
}

export interface KolmogorovSmirnovOptions {
  /** `exact` counts paths (n·m steps); `asymptotic` takes the one-sample distribution at nm/(n + m), as SciPy does. Default: `exact` up to n·m = 10,000. */
  readonly method?: "exact" | "asymptotic" | undefined;
}

const sorted = (values: Iterable<number>, name: string): Float64Array => {
  const copy = Float64Array.from(values).sort();
  if (copy.length === 0) throw sampleEmpty(name);
  if (copy.includes(Number.NaN)) throw sampleInvalid(name, "it holds NaN");
  return copy;
};

/** Largest distance between two empirical distributions, with its two-sided p-value. Throws `MONITOR_SAMPLE_EMPTY`, and `MONITOR_SAMPLE_INVALID` for a NaN. */
export function kolmogorovSmirnov(
  x: Iterable<number>,
  y: Iterable<number>,
  { method }: KolmogorovSmirnovOptions = {},
): TestResult {
  const a = sorted(x, "first sample");
  const b = sorted(y, "second sample");
  let statistic = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const value = Math.min(a[i] as number, b[j] as number);
    while (i < a.length && (a[i] as number) <= value) i += 1;
    while (j < b.length && (b[j] as number) <= value) j += 1;
    statistic = Math.max(statistic, Math.abs(i / a.length - j / b.length));
  }
  const exact = method === "exact" || (method === undefined && a.length * b.length <= 10_000);
  return {
    statistic,
    pValue: exact
      ? twoSampleTail(statistic, a.length, b.length)
      : kolmogorovSmirnovPValue(statistic, a.length, b.length),
  };
}

/** The asymptotic p-value of a two-sample distance. */
export function kolmogorovSmirnovPValue(statistic: number, n: number, m: number): number {
  return kolmogorovSmirnovTail(statistic, Math.max(1, Math.round((n * m) / (n + m))));
}

/** Area between two empirical distributions, in the unit of the values. Throws `MONITOR_SAMPLE_EMPTY`. */
export function wasserstein(x: Iterable<number>, y: Iterable<number>): number {
  const a = sorted(x, "first sample");
  const b = sorted(y, "second sample");
  const all = Float64Array.from([...a, ...b]).sort();
  let area = 0;
  let i = 0;
  let j = 0;
  for (let index = 0; index + 1 < all.length; index += 1) {
    const value = all[index] as number;
    while (i < a.length && (a[i] as number) <= value) i += 1;
    while (j < b.length && (b[j] as number) <= value) j += 1;
    area += Math.abs(i / a.length - j / b.length) * ((all[index + 1] as number) - value);
  }
  return area;
}
