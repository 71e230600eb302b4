import { createRandom } from "@millwright/contracts";
import type { DriftDetector } from "./detector.ts";
import { checkOptions } from "./detector.ts";
import { detectorInvalid } from "../errors.ts";
import { poissonInterval } from "../statistics/distributions.ts";

export interface RunLengthEstimate {
  /** Values and alarms that were seen. */
  readonly values: number;
  readonly alarms: number;
  /** Values for each alarm; infinite without one. */
  readonly averageRunLength: number;
  /** Exact for alarms that come at random (Garwood 1936). */
  readonly interval: readonly [lower: number, upper: number];
}

/** How often a detector alarms on streams in which nothing changes; it starts anew after each alarm, and for each stream. Throws what the detector throws. */
export function averageRunLength<Value>(
  create: () => DriftDetector<Value>,
  streams: Iterable<Iterable<Value>>,
  confidence = 0.95,
): RunLengthEstimate {
  let [values, alarms] = [0, 0];
  for (const stream of streams) {
    const detector = create();
    for (const value of stream) {
      values += 1;
      if (detector.update(value) === "drift") alarms += 1;
    }
  }
  const [fewest, most] = poissonInterval(alarms, confidence);
  return {
    values,
    alarms,
    averageRunLength: values / alarms,
    interval: [values / most, fewest === 0 ? Infinity : values / fewest],
  };
}

export interface CalibrateOptions {
  /** Values between false alarms, on average. */
  readonly averageRunLength: number;
  /** Least and greatest threshold to try, both greater than 0; a greater one is more careful. */
  readonly from: number;
  readonly to: number;
  /** The chance that the run length is what was asked for: 0.5 takes the estimate itself. In [0.5, 1). Default: 0.9. */
  readonly confidence?: number | undefined;
  /** Values in each block that is drawn from the history as a whole. Default: 100. */
  readonly blockLength?: number | undefined;
  /** Values to draw. Default: 30 times the run length. */
  readonly values?: number | undefined;
  /** Default: 1. */
  readonly seed?: number | undefined;
}

/**
 * The smallest threshold at which a detector has an average run length, on streams drawn in blocks from a history without drift (moving blocks, Künsch 1989). Works for any
 * detector that is more careful the greater its threshold, and gives the same for the same seed. Throws `MONITOR_DETECTOR_INVALID` where no threshold will do, or the history is shorter than ten blocks.
 */
export function calibrateThreshold<Value>(
  create: (threshold: number) => DriftDetector<Value>,
  history: readonly Value[],
  options: CalibrateOptions,
): number {
  const { averageRunLength: wanted, from, to, confidence = 0.9, blockLength = 100, seed = 1 } = options;
  const { values = 30 * wanted } = options;
  checkOptions("calibration", {
    averageRunLength: { value: wanted, from: 2, to: 1e7 },
    from: { value: from, from: Number.MIN_VALUE },
    to: { value: to, from },
    confidence: { value: confidence, from: 0.5, to: 0.999999 },
    blockLength: { value: blockLength, from: 1, integer: true },
    values: { value: values, from: wanted, to: 1e8 },
  });
  if (!Array.isArray(history) || history.length < 10 * blockLength)
    throw detectorInvalid("calibration", `the history must hold at least ${10 * blockLength} values, ten blocks`);
  const enough = (threshold: number): boolean => {
    const stream = drawn(history, blockLength, values, seed);
    const estimate = averageRunLength(() => create(threshold), [stream], 2 * confidence - 1 || Number.MIN_VALUE);
    return (confidence === 0.5 ? estimate.averageRunLength : estimate.interval[0]) >= wanted;
  };
  if (!enough(to))
    throw detectorInvalid("calibration", `even the threshold ${to} alarms more often than every ${wanted} values`);
  let [low, high] = [Math.log(from), Math.log(to)];
  for (let turn = 0; turn < 14; turn += 1) {
    const middle = (low + high) / 2;
    if (enough(Math.exp(middle))) high = middle;
    else low = middle;
  }
  return Math.exp(high);
}

function* drawn<Value>(history: readonly Value[], blockLength: number, values: number, seed: number): Generator<Value> {
  const random = createRandom(seed);
  for (let count = 0; count < values;) {
    const start = random.integer(history.length - blockLength + 1);
    for (let index = 0; index < blockLength && count < values; index += 1, count += 1)
      yield history[start + index] as Value;
  }
}
