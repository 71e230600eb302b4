import {
  createQuantileSketcher,
  mergeQuantileSketches,
  type QuantileSketch,
  quantileOf,
  rankBounds,
  relativeErrorOf,
} from "@millwright/data";
import { percentileAveraged, sampleEmpty } from "../errors.ts";

/**
 * Whether slow answers may have kept others from being asked for, so that they are missing (coordinated omission: Tene, "How NOT to Measure Latency"). `"open"`:
 * requests came by their own clock, none is missing; `"corrected"`: those that were held up are counted in; `"possible"`: each was asked after the one before.
 */
export type Omission = "open" | "corrected" | "possible";

const omissions: readonly Omission[] = ["open", "corrected", "possible"];

/** Durations of many requests: a value that merges, over processes and windows. */
export interface LatencyHistogram {
  readonly sketch: QuantileSketch;
  readonly omission: Omission;
}

export interface LatencyRecorderOptions {
  /** `"open"`: requests come by their own clock. `"closed"`: each waits for the answer before. */
  readonly load: "open" | "closed";
  /**
   * For a closed load: how often a caller would have asked. Each duration over it counts, beside itself, as those of the requests that it held up (as
   * HdrHistogram's `recordValueWithExpectedInterval`). Default: not corrected, and said so.
   */
  readonly expectedIntervalMs?: number | undefined;
  /** Default: 4096: 1 % of error at most over 24 doublings. */
  readonly maxBuckets?: number | undefined;
}

export interface LatencyRecorder {
  /** Takes a duration in milliseconds. Throws a `RangeError` for what is none. */
  record(latencyMs: number): void;
  histogram(): LatencyHistogram;
}

const blockSize = 256;
/** A single answer stands for no more held-up requests than this. */
const mostHeldUp = 1_000_000;

export function createLatencyRecorder({
  load,
  expectedIntervalMs,
  maxBuckets = 4096,
}: LatencyRecorderOptions): LatencyRecorder {
  if (load !== "open" && load !== "closed") throw new RangeError(`A load is open or closed, not ${String(load)}.`);
  if (expectedIntervalMs !== undefined && !(expectedIntervalMs > 0 && load === "closed"))
    throw new RangeError("Only the durations of a closed load are corrected, by a positive interval.");
  const omission = load === "open" ? "open" : expectedIntervalMs === undefined ? "possible" : "corrected";
  const sketcher = createQuantileSketcher(maxBuckets);
  const block = new Float64Array(blockSize);
  let filled = 0;
  const flush = (): void => {
    sketcher.addAll(block, filled);
    filled = 0;
  };
  const put = (latencyMs: number): void => {
    block[filled] = latencyMs;
    filled += 1;
    if (filled === blockSize) flush();
  };
  return {
    record(latencyMs) {
      if (!(latencyMs >= 0 && Number.isFinite(latencyMs)))
        throw new RangeError(`A duration is a finite number of at least 0 ms, not ${String(latencyMs)}.`);
      put(latencyMs);
      if (expectedIntervalMs === undefined) return;
      let heldUp = 0;
      for (
        let left = latencyMs - expectedIntervalMs;
        left >= expectedIntervalMs && heldUp < mostHeldUp;
        left -= expectedIntervalMs
      ) {
        put(left);
        heldUp += 1;
      }
    },
    histogram() {
      flush();
      return { sketch: sketcher.sketch(), omission };
    },
  };
}

/**
 * All durations as if one process had seen them: percentiles of parts are never averaged, their histograms are merged. Associative, in any order. What may have
 * omitted something makes the whole suspect.
 */
export function mergeLatencies(first: LatencyHistogram, ...rest: readonly LatencyHistogram[]): LatencyHistogram {
  const all = [first, ...rest];
  for (const each of all) assertHistogram(each);
  const worst = Math.max(...all.map(({ omission }) => omissions.indexOf(omission)));
  const [sketch, ...others] = all.map((each) => each.sketch) as [QuantileSketch, ...QuantileSketch[]];
  return { sketch: mergeQuantileSketches(sketch, ...others), omission: omissions[worst] ?? "possible" };
}

/** Throws `MONITOR_PERCENTILE_AVERAGED` for percentiles, and numbers, in place of the histograms that they came from. */
function assertHistogram(each: LatencyHistogram): void {
  const given: unknown = each;
  if (typeof given === "number" || given instanceof LatencyPercentile) throw percentileAveraged();
  if (typeof given !== "object" || given === null || !("sketch" in given))
    throw new TypeError("Durations are merged as histograms.");
}

/**
 * A percentile of durations. It is no number: two of them cannot be added or averaged, neither by the types nor when it runs
 * (`MONITOR_PERCENTILE_AVERAGED`). Merge the histograms and ask again.
 */
export interface Percentile {
  /** 99: as many hundredths of the durations are at most this long. */
  readonly percent: number;
  /** For people and charts. */
  readonly milliseconds: number;
  /** Durations it is of. */
  readonly count: number;
  /** The true one lies within this share of it. */
  readonly relativeError: number;
  readonly omission: Omission;
  isOver(thresholdMs: number): boolean;
  toString(): string;
}

class LatencyPercentile implements Percentile {
  readonly percent: number;
  readonly milliseconds: number;
  readonly count: number;
  readonly relativeError: number;
  readonly omission: Omission;

  constructor({ sketch, omission }: LatencyHistogram, percent: number) {
    this.percent = percent;
    this.milliseconds = quantileOf(sketch, percent / 100);
    this.count = sketch.count;
    this.relativeError = relativeErrorOf(sketch);
    this.omission = omission;
  }

  isOver(thresholdMs: number): boolean {
    return this.milliseconds > thresholdMs;
  }

  toString(): string {
    const doubt = this.omission === "possible" ? ", of a closed load: slow answers may hide others" : "";
    return `P${this.percent} ${Number(this.milliseconds.toPrecision(4))} ms of ${this.count}${doubt}`;
  }

  [Symbol.toPrimitive](hint: "default" | "number" | "string"): string {
    if (hint === "string") return this.toString();
    throw percentileAveraged();
  }
}

/** Throws `MONITOR_SAMPLE_EMPTY` without durations. @param percent In [0, 100]. */
export function percentileOf(histogram: LatencyHistogram, percent: number): Percentile {
  assertHistogram(histogram);
  if (!(percent >= 0 && percent <= 100)) throw new RangeError(`A percentile is in [0, 100], not ${String(percent)}.`);
  if (histogram.sketch.count === 0) throw sampleEmpty("histogram of durations");
  return new LatencyPercentile(histogram, percent);
}

/** Durations of at most `thresholdMs`, and all of them, for an objective; what lies in the threshold's own bucket counts as slow. */
export function withinThreshold(
  { sketch }: LatencyHistogram,
  thresholdMs: number,
): { readonly good: number; readonly total: number } {
  if (!(thresholdMs >= 0)) throw new RangeError(`A threshold is at least 0 ms, not ${String(thresholdMs)}.`);
  return { good: rankBounds(sketch, thresholdMs).low, total: sketch.count };
}
