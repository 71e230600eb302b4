import {
  checkDirection,
  checkOptions,
  type Direction,
  type DriftDetector,
  type Mechanism,
  runDetector,
} from "./detector.ts";

export interface PageHinkleyOptions {
  /** No verdict before so many values. Default: 30. */
  readonly minimumValues?: number | undefined;
  /** Change of the mean that is tolerated, in units of the values. Default: 0.005. */
  readonly delta?: number | undefined;
  /** Sum of deviations that is a drift. Default: 50. */
  readonly threshold?: number | undefined;
  /** What is left of the sums with each value, in (0, 1]. Default: 0.9999. */
  readonly alpha?: number | undefined;
  /** Default: `both`. */
  readonly direction?: Direction | undefined;
}

type Options = Required<{ [Name in keyof PageHinkleyOptions]: NonNullable<PageHinkleyOptions[Name]> }>;

const mechanism: Mechanism<Options, ReturnType<typeof start>> = { kind: "page-hinkley", start, step };

function start() {
  return { count: 0, mean: 0, rising: 0, falling: 0, lowest: Number.MAX_VALUE, highest: -1 };
}

function step(values: ReturnType<typeof start>, value: number, options: Options) {
  const { delta, alpha, threshold, direction } = options;
  values.count += 1;
  values.mean += (1 / values.count) * (value - values.mean);
  const deviation = value - values.mean;
  values.rising = alpha * values.rising + deviation - delta;
  values.falling = alpha * values.falling + deviation + delta;
  values.lowest = Math.min(values.lowest, values.rising);
  values.highest = Math.max(values.highest, values.falling);
  if (values.count < options.minimumValues) return "stable" as const;
  const up = direction !== "down" && values.rising - values.lowest > threshold;
  const down = direction !== "up" && values.highest - values.falling > threshold;
  return up || down ? ("drift" as const) : ("stable" as const);
}

/**
 * The Page–Hinkley test with forgetting (Page 1954; Sebastião and Fernandes 2017), equal to river's. Its false alarms follow from `threshold` and the spread of
 * the values: see `createCusum` for one that has its average run length as an option. Throws `MONITOR_DETECTOR_INVALID`.
 */
export function createPageHinkley(options: PageHinkleyOptions = {}, saved?: unknown): DriftDetector {
  const { minimumValues = 30, delta = 0.005, threshold = 50, alpha = 1 - 0.0001, direction = "both" } = options;
  checkOptions("page-hinkley", {
    minimumValues: { value: minimumValues, from: 0, integer: true },
    delta: { value: delta },
    threshold: { value: threshold, from: 0 },
    alpha: { value: alpha, from: 0, to: 1 },
  });
  checkDirection("page-hinkley", direction);
  const { values: _, ...detector } = runDetector(
    mechanism,
    { minimumValues, delta, threshold, alpha, direction },
    saved,
  );
  return detector;
}
