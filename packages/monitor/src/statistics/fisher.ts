import { countsInvalid } from "../errors.ts";
import { type Alternative, checkAlternative, type TestResult } from "./samples.ts";
import { logGamma } from "./special-functions.ts";

/** Counts of two outcomes on two sides: `[[a, b], [c, d]]`. */
export type TwoByTwo = readonly [readonly [number, number], readonly [number, number]];

const largestCount = 1e8;
/** Probabilities whose logarithms are closer than this count as equal. */
const closeness = 1e-10;

/**
 * Fisher's exact test (1922) of a table of two by two; the statistic is the sample's odds ratio ad/(bc). `two-sided` sums the tables that are at most as probable. Throws
 * `MONITOR_COUNTS_INVALID` for what is no whole number from 0 to 1e8.
 */
export function fisherExact(
  table: TwoByTwo,
  { alternative = "two-sided" }: { readonly alternative?: Alternative | undefined } = {},
): TestResult {
  checkAlternative(alternative);
  const [[a, b], [c, d]] = table;
  for (const count of [a, b, c, d])
    if (!(Number.isInteger(count) && count >= 0 && count <= largestCount))
      throw countsInvalid(`${count} is no count from 0 to 1e8`);
  // An empty row or column leaves one table only.
  if (a + b === 0 || c + d === 0 || a + c === 0 || b + d === 0) return { statistic: Number.NaN, pValue: 1 };
  const statistic = b * c === 0 ? Number.POSITIVE_INFINITY : (a * d) / (b * c);
  return {
    statistic: a * d === 0 && b * c === 0 ? Number.NaN : statistic,
    pValue: Math.min(1, tailOf(a, b, c, d, alternative)),
  };
}

function tailOf(a: number, b: number, c: number, d: number, alternative: Alternative): number {
  const [low, high] = [Math.max(0, a - d), Math.min(a + b, a + c)];
  /** How much more probable the table with k + 1 in the corner is than that with k. */
  const rise = (k: number): number => ((a + b - k) * (a + c - k)) / ((k + 1) * (k + 1 + d - a));
  const here = Math.exp(logChoose(a + b, a) + logChoose(c + d, c) - logChoose(a + b + c + d, a + c));
  /** The tables on one side of this one that count, over its own probability; those more probable than it only where the sum ends before them. */
  const beyond = (direction: 1 | -1): number => {
    let [total, log] = [0, 0];
    for (let k = a; direction === 1 ? k < high : k > low; k += direction) {
      const change = direction === 1 ? Math.log(rise(k)) : -Math.log(rise(k - 1));
      log += change;
      if (log <= closeness) total += Math.exp(log);
      if (change < 0 && log < -45 + Math.log1p(total)) break;
    }
    return total;
  };
  if (alternative === "two-sided") return here * (1 + beyond(1) + beyond(-1));
  const [away, toward] = alternative === "greater" ? ([1, -1] as const) : ([-1, 1] as const);
  const falls = away === 1 ? a === high || rise(a) <= 1 : a === low || rise(a - 1) >= 1;
  return falls ? here * (1 + beyond(away)) : 1 - here * beyond(toward);
}

const logChoose = (n: number, k: number): number => logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
