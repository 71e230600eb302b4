import {
  type Buckets,
  type DownsampledSeries,
  type PlacedPoint,
  type SeriesExtent,
  createBuckets,
  summarizeExtent,
} from "./series-extent.ts";
import type { MetricColumns } from "./metric-chunk.ts";
import type { SeriesPoint } from "./run-records.ts";

/** Points of one series by step, in pieces: what is too long for memory goes through it a piece at a time, as often as asked. */
export interface PointScan {
  /** Points of all pieces together. */
  readonly total: number;
  visit(piece: (columns: MetricColumns) => void): Promise<void>;
}

/**
 * Largest triangle three buckets (Steinarsson, Downsampling Time Series for Visual Representation, 2013, §4.2), in two passes over buckets of equal
 * numbers of points and in constant memory. The first and the last finite point, the least and the greatest are always among the result.
 *
 * @param most Most points of the result, 4 or more.
 */
export async function downsample(scan: PointScan, most: number): Promise<DownsampledSeries> {
  const buckets = createBuckets(scan.total, most);
  const extent = summarizeExtent(buckets);
  await scan.visit(extent.add);
  const found = extent.result();
  const chosen = new Map<number, SeriesPoint>();
  const choose = (point: PlacedPoint | undefined): void => {
    if (point !== undefined) chosen.set(point.position, plainPoint(point));
  };
  if (buckets.isWhole) await scan.visit(everyFinite(choose));
  else if (buckets.count > 0) {
    const selection = createSelection(buckets, found);
    await scan.visit(selection.add);
    for (const point of selection.result()) choose(point);
  }
  const { first, last, min, max, ...counts } = found;
  for (const point of [first, last, min, max]) choose(point);
  return {
    points: [...chosen].toSorted(([a], [b]) => a - b).map(([, point]) => point),
    total: scan.total,
    ...counts,
    min: min === undefined ? undefined : plainPoint(min),
    max: max === undefined ? undefined : plainPoint(max),
  };
}

const plainPoint = ({ step, timeMs, value }: PlacedPoint): SeriesPoint => ({ step, value, timeMs });

function everyFinite(choose: (point: PlacedPoint) => void): (columns: MetricColumns) => void {
  let position = 0;
  return ({ steps, timesMs, values }) => {
    for (let index = 0; index < values.length; index += 1, position += 1) {
      const value = values[index] as number;
      if (Number.isFinite(value))
        choose({ position, step: steps[index] as number, timeMs: timesMs[index] as number, value });
    }
  };
}

/** The point of each bucket that makes the largest triangle with the point chosen before and the mean of the bucket after. */
function createSelection(buckets: Buckets, { first, last, min, max }: SeriesExtent) {
  const chosen: PlacedPoint[] = [];
  // Areas of the greatest doubles would be infinite, and all the same.
  const greatest = Math.max(Math.abs(min?.value ?? 0), Math.abs(max?.value ?? 0));
  const scale = greatest > 1e150 ? 2 ** -600 : 1;
  let before = { step: first?.step ?? 0, value: (first?.value ?? 0) * scale };
  let bucket = -1;
  let area = -1;
  let best: PlacedPoint | undefined;
  let next = before;
  let position = 0;
  const close = (): void => {
    if (best === undefined) return;
    chosen.push(best);
    before = { step: best.step, value: best.value * scale };
    best = undefined;
  };
  const add = ({ steps, timesMs, values }: MetricColumns): void => {
    for (let index = 0; index < values.length; index += 1, position += 1) {
      const value = values[index] as number;
      const own = buckets.of(position);
      if (own < 0 || !Number.isFinite(value)) continue;
      const step = steps[index] as number;
      if (own !== bucket) {
        close();
        bucket = own;
        area = -1;
        next = meanAfter(buckets, own, last as PlacedPoint, scale);
      }
      const triangle = Math.abs(
        (before.step - next.step) * (value * scale - before.value) - (before.step - step) * (next.value - before.value),
      );
      if (triangle <= area) continue;
      area = triangle;
      best = { position, step, timeMs: timesMs[index] as number, value };
    }
  };
  return {
    add,
    result: (): readonly PlacedPoint[] => {
      close();
      return chosen;
    },
  };
}

function meanAfter(
  buckets: Buckets,
  bucket: number,
  last: PlacedPoint,
  scale: number,
): { step: number; value: number } {
  for (let after = bucket + 1; after < buckets.count; after += 1) {
    if ((buckets.filled[after] as number) > 0)
      return { step: buckets.meanSteps[after] as number, value: (buckets.meanValues[after] as number) * scale };
  }
  return { step: last.step, value: last.value * scale };
}
