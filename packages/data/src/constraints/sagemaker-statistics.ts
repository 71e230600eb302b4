import type { JsonObject, JsonValue } from "@millwright/contracts";
import { distinctOf } from "../distinct.ts";
import { mostFrequent } from "../frequent.ts";
import type { Moments } from "../moments.ts";
import type { ColumnProfile, Profile } from "../profile.ts";
import { bucketsOf, type QuantileBucket, type QuantileSketch } from "../quantile-sketch.ts";
import { constraintTypeOf } from "./suggest-constraints.ts";

/** As many as Model Monitor materializes. */
const bucketCount = 10;
/** The parameters of Deequ's KLL sketches, which Model Monitor writes; they say nothing of ours, but readers ask for them. */
const kllParameters = { c: 0.64, k: 2048 };

/**
 * @returns Model Monitor's `statistics.json`. The sketch is written as KLL's levels, whose items count 1, 2, 4, …: each of our buckets as one value, so that ranks
 * between buckets stay exact. Columns of bytes and lists, and those without values, have only their counts.
 */
export function toSageMakerStatistics({ rows, columns }: Profile): JsonObject {
  return {
    version: 0,
    dataset: { item_count: rows },
    features: Object.entries(columns).map(([name, column]) => featureOf(name, column)),
  };
}

function featureOf(name: string, column: ColumnProfile): JsonObject {
  const inferredType = constraintTypeOf(column);
  const common = { num_present: column.count, num_missing: column.missing };
  const { moments, quantiles } = column;
  if (
    (inferredType === "Integral" || inferredType === "Fractional") &&
    moments !== undefined &&
    quantiles !== undefined
  )
    return { name, inferred_type: inferredType, numerical_statistics: { common, ...numbersOf(moments, quantiles) } };
  return { name, inferred_type: inferredType, string_statistics: { common, ...textsOf(column) } };
}

function textsOf({ frequent, distinct }: ColumnProfile): JsonObject {
  if (frequent === undefined) return distinct === undefined ? {} : { distinct_count: Math.round(distinctOf(distinct)) };
  const count =
    frequent.error === 0 || distinct === undefined ? frequent.counts.size : Math.round(distinctOf(distinct));
  const buckets = mostFrequent(frequent).map(([value, times]) => ({ value, count: times }));
  return { distinct_count: count, distribution: { categorical: { buckets } } };
}

function numbersOf({ count, mean, m2, min, max }: Moments, sketch: QuantileSketch): JsonObject {
  if (count === 0) return {};
  return {
    mean,
    sum: mean * count,
    // Deequ divides by the number of values.
    std_dev: Math.sqrt(m2 / count),
    min,
    max,
    distribution: {
      kll: {
        buckets: equalWidthBuckets(sketch, min, max),
        sketch: { parameters: kllParameters, data: kllLevels(sketch, min, max) },
      },
    },
  };
}

/** The lower bound belongs to a bucket, the upper one only to the last. */
function equalWidthBuckets(sketch: QuantileSketch, min: number, max: number): JsonValue[] {
  const filled = bucketsOf(sketch);
  let before = 0;
  return Array.from({ length: bucketCount }, (_, index) => {
    const lower = min + ((max - min) * index) / bucketCount;
    const upper = min + ((max - min) * (index + 1)) / bucketCount;
    const through = index === bucketCount - 1 ? sketch.count : Math.round(countBelow(filled, upper));
    const count = through - before;
    before = through;
    return { lower_bound: lower, upper_bound: upper, count };
  });
}

function countBelow(buckets: readonly QuantileBucket[], value: number): number {
  return buckets.reduce((sum, { low, high, count }) => {
    if (low >= value) return sum;
    return sum + (high < value ? count : count * ((value - low) / (high - low)));
  }, 0);
}

/** Level `i` holds the values of the buckets whose count has bit `i` set. */
function kllLevels(sketch: QuantileSketch, min: number, max: number): number[][] {
  const levels: number[][] = [];
  for (const { low, high, count } of bucketsOf(sketch)) {
    // The end nearer to 0 is the rounder one: integers below 2^20 stand there themselves.
    const value = Math.min(max, Math.max(min, Math.abs(low) < Math.abs(high) ? low : high));
    for (let rest = count, level = 0; rest > 0; rest = Math.floor(rest / 2), level += 1) {
      levels[level] ??= [];
      if (rest % 2 === 1) levels[level]?.push(value);
    }
  }
  return levels;
}
