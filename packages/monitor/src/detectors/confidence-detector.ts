import { checkOptions, type DriftDetector, type Mechanism, runDetector } from "./detector.ts";
import { detectorInvalid } from "../errors.ts";
import { logGamma } from "../statistics/special-functions.ts";

export interface ConfidenceDetectorOptions {
  /** Values between false alarms, on average: the least, whatever the distribution. Default: 10,000. */
  readonly averageRunLength?: number | undefined;
  /** Least and greatest value there can be. Default: 0 and 1. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

interface Options {
  readonly averageRunLength: number;
  readonly low: number;
  readonly high: number;
}

interface Values {
  /** Row i holds sums of 2^i values each, the oldest first. */
  rows: number[][];
  /** What all intervals so far have in common. */
  lower: number;
  upper: number;
}

/** Blocks of each size before two become one. */
const mostBlocks = 6;
const halvings = 50;

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b);

/** ln of the wealth against the mean p, mixed over Beta(½, ½): Robbins (1970); Howard et al. (2021), for values in [0, 1]. */
const logWealth = (p: number, sum: number, count: number, mixed: number): number =>
  mixed - (sum === 0 ? 0 : sum * Math.log(p)) - (count - sum === 0 ? 0 : (count - sum) * Math.log(1 - p));

/**
 * The interval that holds the mean of values in [0, 1] at all times at once with probability 1 − alpha, from how many there are and their sum. Throws `MONITOR_DETECTOR_INVALID`.
 */
export function meanInterval(count: number, sum: number, alpha: number): readonly [lower: number, upper: number] {
  checkOptions("confidence", {
    count: { value: count, from: 0, integer: true },
    sum: { value: sum, from: 0, to: count },
    alpha: { value: alpha, from: Number.MIN_VALUE, to: 1 },
  });
  if (count === 0) return [0, 1];
  const mixed = logBeta(sum + 0.5, count - sum + 0.5) - logBeta(0.5, 0.5);
  const limit = -Math.log(alpha);
  const edge = (outside: number): number => {
    let [out, inside] = [outside, sum / count];
    for (let turn = 0; turn < halvings; turn += 1) {
      const middle = (out + inside) / 2;
      if (logWealth(middle, sum, count, mixed) >= limit) out = middle;
      else inside = middle;
    }
    return out;
  };
  return [sum === 0 ? 0 : edge(0), sum === count ? 1 : edge(1)];
}

const mechanism: Mechanism<Options, Values> = {
  kind: "confidence",
  start: () => ({ rows: [[]], lower: 0, upper: 1 }),
  step(values, value, { averageRunLength, low, high }) {
    if (value < low || value > high)
      throw detectorInvalid("confidence", `a value must be from ${low} to ${high}, not ${value}`);
    (values.rows[0] as number[]).push((value - low) / (high - low));
    for (let row = 0; (values.rows[row] as number[]).length > mostBlocks; row += 1) {
      const [a, b] = (values.rows[row] as number[]).splice(0, 2) as [number, number];
      if (row + 1 === values.rows.length) values.rows.push([]);
      (values.rows[row + 1] as number[]).push(a + b);
    }
    narrow(values, 1 / averageRunLength);
    return values.lower > values.upper ? "drift" : "stable";
  },
};

/** Narrows what is common by the interval of each window that ends now. */
function narrow(values: Values, alpha: number): void {
  const limit = -Math.log(alpha);
  let [count, sum] = [0, 0];
  for (const [row, blocks] of values.rows.entries()) {
    for (const block of blocks.toReversed()) {
      count += 2 ** row;
      sum = Math.min(count, sum + block);
      const mean = sum / count;
      const mixed = logBeta(sum + 0.5, count - sum + 0.5) - logBeta(0.5, 0.5);
      const raises = mean > values.lower && logWealth(Math.max(values.lower, 1e-300), sum, count, mixed) > limit;
      const lowers = mean < values.upper && logWealth(Math.min(values.upper, 1 - 1e-16), sum, count, mixed) > limit;
      if (!raises && !lowers) continue;
      const [lower, upper] = meanInterval(count, sum, alpha);
      values.lower = Math.max(values.lower, lower);
      values.upper = Math.min(values.upper, upper);
    }
  }
}

/** A detector that also tells which means are still possible. */
export interface ConfidenceDetector extends DriftDetector {
  /** What the confidence sequences since the last start have in common, in units of the values. */
  interval(): readonly [lower: number, upper: number];
}

/**
 * A detector of confidence sequences (Shekhar and Ramdas, "Reducing sequential change detection to sequential estimation", 2023): one begins at every value, and drift is where they have no mean in common. For values in a known
 * range, of any distribution and with an unknown mean, the average run length under no change is proven to be at least what is asked for. Windows of about powers of two are kept, which can only make
 * it more careful: O(log n) memory. Throws `MONITOR_DETECTOR_INVALID`.
 */
export function createConfidenceDetector(options: ConfidenceDetectorOptions = {}, saved?: unknown): ConfidenceDetector {
  const { averageRunLength = 10_000, low = 0, high = 1 } = options;
  checkOptions("confidence", {
    averageRunLength: { value: averageRunLength, from: 2, to: 1e15 },
    low: { value: low },
    high: { value: high },
  });
  if (!(low < high)) throw detectorInvalid("confidence", `low must be less than high, not ${low} and ${high}`);
  const { values, ...detector } = runDetector(mechanism, { averageRunLength, low, high }, saved);
  const scaled = (share: number): number => low + share * (high - low);
  return { ...detector, interval: () => [scaled(values().lower), scaled(values().upper)] };
}
