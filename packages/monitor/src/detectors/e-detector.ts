import {
  checkDirection,
  checkOptions,
  type Direction,
  type Mechanism,
  runDetector,
  type ThresholdDetector,
} from "./detector.ts";
import { detectorInvalid } from "../errors.ts";

export interface EDetectorOptions {
  /** Values between false alarms, on average: the least, whatever the distribution. Default: 10,000. */
  readonly averageRunLength?: number | undefined;
  /** The mean that must not be left: `up` the greatest, `down` the least one that is right, `both` the one there is. */
  readonly mean: number;
  /** Least and greatest value there can be. Default: 0 and 1. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  /** Default: `up`. */
  readonly direction?: Direction | undefined;
}

interface Options {
  readonly averageRunLength: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  readonly direction: Direction;
}

interface Values {
  /** Sums over all starts of the wealth since, for each bet; a list for each side. */
  up: number[];
  down: number[];
}

/** Parts of the largest bet that cannot lose all. */
const bets: readonly number[] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9];
const warningShare = 0.1;

const mechanism: Mechanism<Options, Values> = {
  kind: "e-detector",
  start: () => ({ up: bets.map(() => 0), down: bets.map(() => 0) }),
  step(values, value, options) {
    const { low, high, averageRunLength, direction } = options;
    if (value < low || value > high)
      throw detectorInvalid("e-detector", `a value must be from ${low} to ${high}, not ${value}`);
    const share = (options.mean - low) / (high - low);
    const away = (value - low) / (high - low) - share;
    for (const [index, part] of bets.entries()) {
      values.up[index] = (1 + (values.up[index] as number)) * (1 + (part / share) * away);
      values.down[index] = (1 + (values.down[index] as number)) * (1 - (part / (1 - share)) * away);
    }
    const statistic = statisticOf(values, direction);
    if (statistic > averageRunLength) return "drift";
    return statistic > averageRunLength * warningShare ? "warning" : "stable";
  },
};

const meanOf = (sums: readonly number[]): number => sums.reduce((sum, each) => sum + each, 0) / sums.length;

const statisticOf = ({ up, down }: Values, direction: Direction): number =>
  direction === "up" ? meanOf(up) : direction === "down" ? meanOf(down) : (meanOf(up) + meanOf(down)) / 2;

/**
 * A detector of e-values: Shiryaev and Roberts' sum of the wealth of bets against the mean (Shin, Ramdas and Rinaldo, "E-detectors", 2023; bets of Waudby-Smith and Ramdas 2024). For
 * values in a known range and of any distribution, the average run length under no change is proven to be at least what is asked for. O(1) memory. Throws `MONITOR_DETECTOR_INVALID`.
 */
export function createEDetector(options: EDetectorOptions, saved?: unknown): ThresholdDetector {
  const { averageRunLength = 10_000, mean, low = 0, high = 1, direction = "up" } = options;
  checkOptions("e-detector", {
    averageRunLength: { value: averageRunLength, from: 1, to: 1e15 },
    low: { value: low },
    high: { value: high },
    mean: { value: mean },
  });
  if (!(low < mean && mean < high))
    throw detectorInvalid("e-detector", `low < mean < high must hold, not ${low}, ${mean}, ${high}`);
  checkDirection("e-detector", direction);
  const { values, ...detector } = runDetector(mechanism, { averageRunLength, mean, low, high, direction }, saved);
  return { ...detector, threshold: averageRunLength, statistic: () => statisticOf(values(), direction) };
}
