import type { MetricColumns } from "./metric-chunk.ts";
import type { SeriesPoint } from "./run-records.ts";

/** A stretch of points that no curve can show. */
export interface SeriesGap {
  readonly fromStep: number;
  readonly toStep: number;
  readonly points: number;
}

export interface DownsampledSeries {
  /** By step, of one step as they were logged; finite values alone. */
  readonly points: readonly SeriesPoint[];
  /** Points logged, those that are not finite among them. */
  readonly total: number;
  readonly nans: number;
  readonly positiveInfinities: number;
  readonly negativeInfinities: number;
  /** Stretches of NaN and infinities: the first 1,000. */
  readonly gaps: readonly SeriesGap[];
  readonly gapCount: number;
  /** Of the finite values, the first at which it was reached; undefined where there is none. */
  readonly min: SeriesPoint | undefined;
  readonly max: SeriesPoint | undefined;
}

/** Buckets between the first point and the last, of equal numbers of points. */
export interface Buckets {
  readonly count: number;
  /** Every finite point is kept. */
  readonly isWhole: boolean;
  /** @returns −1 for the first point of all and the last. */
  of(position: number): number;
  readonly meanSteps: Float64Array;
  readonly meanValues: Float64Array;
  /** Finite points of each. */
  readonly filled: Float64Array;
}

export function createBuckets(total: number, most: number): Buckets {
  const isWhole = total <= most;
  // First, last, least and greatest have places of their own.
  const count = isWhole ? 0 : most - 4;
  const width = (total - 2) / count;
  return {
    count,
    isWhole,
    of: (position) =>
      position === 0 || position === total - 1 || count === 0
        ? -1
        : Math.min(Math.floor((position - 1) / width), count - 1),
    meanSteps: new Float64Array(count),
    meanValues: new Float64Array(count),
    filled: new Float64Array(count),
  };
}

/** A point and where it stands among all of its series. */
export interface PlacedPoint extends SeriesPoint {
  readonly position: number;
}

export interface SeriesExtent extends Omit<DownsampledSeries, "points" | "total" | "min" | "max"> {
  readonly first: PlacedPoint | undefined;
  readonly last: PlacedPoint | undefined;
  readonly min: PlacedPoint | undefined;
  readonly max: PlacedPoint | undefined;
}

const mostGaps = 1000;

/** Ends and extremes of a series, its gaps, and the means of the buckets, which it fills in. */
export function summarizeExtent(buckets: Buckets): {
  readonly add: (columns: MetricColumns) => void;
  readonly result: () => SeriesExtent;
} {
  const gaps = createGaps();
  let position = 0;
  let first: PlacedPoint | undefined;
  let min: PlacedPoint | undefined;
  let max: PlacedPoint | undefined;
  const last = { position: -1, step: 0, timeMs: 0, value: 0 };
  const add = ({ steps, timesMs, values }: MetricColumns): void => {
    for (let index = 0; index < values.length; index += 1, position += 1) {
      const value = values[index] as number;
      const step = steps[index] as number;
      if (!gaps.add(step, value)) continue;
      last.position = position;
      last.step = step;
      last.timeMs = timesMs[index] as number;
      last.value = value;
      if (first === undefined) first = { ...last };
      if (min === undefined || value < min.value) min = { ...last };
      if (max === undefined || value > max.value) max = { ...last };
      const bucket = buckets.of(position);
      if (bucket < 0) continue;
      const filled = (buckets.filled[bucket] as number) + 1;
      buckets.filled[bucket] = filled;
      // Divided first: a sum of great values would leave the range of doubles.
      const { meanSteps, meanValues } = buckets;
      meanSteps[bucket] = (meanSteps[bucket] as number) + step / filled - (meanSteps[bucket] as number) / filled;
      meanValues[bucket] = (meanValues[bucket] as number) + value / filled - (meanValues[bucket] as number) / filled;
    }
  };
  return {
    add,
    result: () => ({ first, last: last.position < 0 ? undefined : { ...last }, min, max, ...gaps.result() }),
  };
}

type Gaps = Pick<SeriesExtent, "nans" | "positiveInfinities" | "negativeInfinities" | "gaps" | "gapCount">;

function createGaps(): { add(step: number, value: number): boolean; result(): Gaps } {
  const gaps: SeriesGap[] = [];
  const counts = { nans: 0, positiveInfinities: 0, negativeInfinities: 0, gapCount: 0 };
  let open: { fromStep: number; toStep: number; points: number } | undefined;
  const close = (): void => {
    if (open !== undefined && gaps.length < mostGaps) gaps.push(open);
    open = undefined;
  };
  return {
    /** @returns whether the value is finite. */
    add(step, value) {
      if (Number.isFinite(value)) {
        if (open !== undefined) close();
        return true;
      }
      if (Number.isNaN(value)) counts.nans += 1;
      else if (value > 0) counts.positiveInfinities += 1;
      else counts.negativeInfinities += 1;
      if (open === undefined) {
        counts.gapCount += 1;
        open = { fromStep: step, toStep: step, points: 1 };
      } else {
        open.toStep = step;
        open.points += 1;
      }
      return false;
    },
    result() {
      close();
      return { ...counts, gaps };
    },
  };
}
