import { createRandom, type RandomState, restoreRandom } from "@millwright/contracts";
import {
  checkDirection,
  checkOptions,
  type Direction,
  type Mechanism,
  runDetector,
  type ThresholdDetector,
} from "./detector.ts";
import { cusumThreshold } from "./run-length.ts";
import { detectorInvalid } from "../errors.ts";
import { normalCdf } from "../statistics/distributions.ts";

export interface CusumOptions {
  /** Values between false alarms, on average. Default: 10,000. */
  readonly averageRunLength?: number | undefined;
  /** The sum that is a drift, where a calibration found a better one than `averageRunLength`. */
  readonly threshold?: number | undefined;
  /** The change of the mean it is quickest for, in standard deviations, from 0.05 to 5. Default: 1. */
  readonly shift?: number | undefined;
  /** Default: `both`. */
  readonly direction?: Direction | undefined;
  /**
   * Mean and standard deviation of normal values while nothing changes. Without them nothing is taken for granted: each value is ranked among those before it, which is uniform
   * whatever they come from.
   */
  readonly known?: { readonly mean: number; readonly standardDeviation: number } | undefined;
  /** Of the draws that part ties. Default: 1. */
  readonly seed?: number | undefined;
}

interface Options {
  readonly averageRunLength: number;
  readonly shift: number;
  readonly direction: Direction;
  readonly known: { readonly mean: number; readonly standardDeviation: number } | undefined;
  readonly seed: number;
  readonly threshold: number;
}

interface Values {
  rising: number;
  falling: number;
  /** Ranks: how many values were at most each bound and above the one before it; the last cell has no bound. */
  bounds: number[];
  counts: number[];
  words: number[];
}

/** Beyond so many different values, new ones are ranked by the cells between those. */
const mostBounds = 256;
const warningShare = 0.75;
const uniformDeviation = Math.sqrt(1 / 12);

const mechanism: Mechanism<Options, Values> = {
  kind: "cusum",
  start: ({ seed }) => ({
    rising: 0,
    falling: 0,
    bounds: [],
    counts: [0],
    words: [...createRandom(seed).state().words],
  }),
  step(values, value, { known, shift, direction, threshold, seed }) {
    const score = known === undefined ? rankScore(values, value, seed) : (value - known.mean) / known.standardDeviation;
    values.rising = Math.max(0, values.rising + score - shift / 2);
    values.falling = Math.max(0, values.falling - score - shift / 2);
    const statistic = statisticOf(values, direction);
    if (statistic > threshold) return "drift";
    return statistic > threshold * warningShare ? "warning" : "stable";
  },
};

const statisticOf = ({ rising, falling }: Values, direction: Direction): number =>
  Math.max(direction === "down" ? 0 : rising, direction === "up" ? 0 : falling);

/** The sequential rank of a value among all before it, ties parted at random: uniform and independent of the ranks before, scaled to variance 1. */
function rankScore(values: Values, value: number, seed: number): number {
  const { bounds, counts } = values;
  let cell = 0;
  for (let high = bounds.length; cell < high;) {
    const middle = (cell + high) >> 1;
    if ((bounds[middle] as number) < value) cell = middle + 1;
    else high = middle;
  }
  if (bounds[cell] !== value && bounds.length < mostBounds) {
    bounds.splice(cell, 0, value);
    counts.splice(cell, 0, 0);
  }
  let [below, total] = [0, 0];
  for (const [index, count] of counts.entries()) {
    if (index < cell) below += count;
    total += count;
  }
  const random = restoreRandom({
    algorithm: "xoshiro128**",
    seed,
    words: values.words as never as RandomState["words"],
  });
  const rank = (below + random.next() * ((counts[cell] as number) + 1)) / (total + 1);
  values.words = [...random.state().words];
  counts[cell] = (counts[cell] as number) + 1;
  return (rank - 0.5) / uniformDeviation;
}

const uniformCdf = (x: number): number => Math.min(1, Math.max(0, 0.5 + x * uniformDeviation));

/**
 * The cumulative sum of Page (1954), two-sided, with its average run length as an option: thresholds by the Markov chain of Brook and Evans (1972). With `known` for normal values; without, on sequential ranks
 * (McDonald 1990), free of the distribution, its mean and its scale; O(1) memory. Throws `MONITOR_DETECTOR_INVALID`.
 */
export function createCusum(options: CusumOptions = {}, saved?: unknown): ThresholdDetector {
  const { averageRunLength = 10_000, shift = 1, direction = "both", known, seed = 1 } = options;
  checkOptions("cusum", {
    averageRunLength: { value: averageRunLength, from: 10, to: 1e9 },
    shift: { value: shift, from: 0.05, to: 5 },
    seed: { value: seed, integer: true },
  });
  checkDirection("cusum", direction);
  if (known !== undefined) {
    checkOptions("cusum", {
      mean: { value: known.mean },
      standardDeviation: { value: known.standardDeviation, from: Number.MIN_VALUE },
    });
  } else if (shift / 2 >= Math.sqrt(3))
    throw detectorInvalid(
      "cusum",
      `ranks cannot show a shift of ${shift}: without a known distribution it must be less than 3.4`,
    );
  // Two sides alarm twice as often as one.
  const oneSided = direction === "both" ? 2 * averageRunLength : averageRunLength;
  const threshold =
    options.threshold ?? cusumThreshold(known === undefined ? uniformCdf : normalCdf, shift / 2, oneSided);
  checkOptions("cusum", { threshold: { value: threshold, from: 0 } });
  const { values, ...detector } = runDetector(
    mechanism,
    { averageRunLength, shift, direction, known, seed, threshold },
    saved,
  );
  return { ...detector, threshold, statistic: () => statisticOf(values(), direction) };
}
