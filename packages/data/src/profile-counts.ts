import type { Column } from "@millwright/contracts";
import { isNull, isNumericType } from "./column.ts";
import { addNumbersToDistinct, addTextToDistinct, emptyDistinct } from "./distinct.ts";
import { asFloat64 } from "./float64.ts";
import { addFrequent, boundedText, emptyFrequent, type FrequentTexts } from "./frequent.ts";
import { emptyMoments, mergeMoments, type Moments } from "./moments.ts";
import type { ColumnProfile, ProfileOptions } from "./profile.ts";
import { createQuantileSketcher, type QuantileSketch } from "./quantile-sketch.ts";
import { valueAt } from "./value.ts";

/**
 * The profile of a column in which each value of `values`, null among them, stands as often as `counts` says: that of the rows themselves, up to rounding for mean and
 * variance, for the cost of the distinct values. For engines that count better than they hand rows over.
 * @param values Each value once; one that comes twice counts for both.
 * @param counts Whole numbers from 0, as many as values. Throws a RangeError otherwise.
 */
export function profileOfCounts(
  values: Column,
  counts: ArrayLike<number>,
  { maxBuckets, maxTexts }: Omit<ProfileOptions, "rankError"> = {},
): ColumnProfile {
  checkCounts(counts, values.length);
  const { type } = values;
  const { count, missing } = countPresent(values, counts);
  const base = { type, count, missing, nonFinite: 0 };
  if (type === "bool" || isNumericType(type)) {
    const numbers = asFloat64(values);
    const order = inOrder(numbers, counts);
    const moments = momentsOfCounts(numbers, counts, order);
    const distinct = emptyDistinct();
    addNumbersToDistinct(distinct, met(numbers, counts), numbers.length);
    const quantiles = sketchOfCounts(numbers, counts, order, maxBuckets);
    const frequent = type === "bool" ? { frequent: addFrequent(emptyFrequent(maxTexts), textsOf(values, counts)) } : {};
    return { ...base, nonFinite: count - moments.count, moments, quantiles, ...frequent, distinct };
  }
  if (type === "utf8" || type === "dictionary") return { ...base, ...summaryOfTexts(values, counts, maxTexts) };
  return base;
}

function checkCounts(counts: ArrayLike<number>, length: number): void {
  if (counts.length !== length) throw new RangeError(`There are ${length} values and ${counts.length} counts.`);
  for (let row = 0; row < length; row += 1) {
    const count = counts[row] as number;
    if (!(Number.isSafeInteger(count) && count >= 0))
      throw new RangeError(`A count must be a whole number from 0, not ${count}.`);
  }
}

function countPresent(values: Column, counts: ArrayLike<number>): { readonly count: number; readonly missing: number } {
  let count = 0;
  let missing = 0;
  for (let row = 0; row < values.length; row += 1) {
    if (isNull(values, row)) missing += counts[row] as number;
    else count += counts[row] as number;
  }
  return { count, missing };
}

/** A value that never came must leave no trace. */
function met(numbers: Float64Array, counts: ArrayLike<number>): Float64Array {
  return numbers.map((value, row) => ((counts[row] as number) > 0 ? value : Number.NaN));
}

/** @returns where the finite numbers that came stand, growing in value: sums are then the same in whatever order they were given. */
function inOrder(numbers: Float64Array, counts: ArrayLike<number>): readonly number[] {
  return Array.from(numbers.keys())
    .filter((row) => Number.isFinite(numbers[row]) && (counts[row] as number) > 0)
    .sort((a, b) => (numbers[a] as number) - (numbers[b] as number));
}

function momentsOfCounts(numbers: Float64Array, counts: ArrayLike<number>, order: readonly number[]): Moments {
  let moments = emptyMoments;
  for (const row of order) {
    const value = (numbers[row] as number) + 0;
    moments = mergeMoments(moments, { count: counts[row] as number, mean: value, m2: 0, min: value, max: value });
  }
  return moments;
}

/** Buckets of the finest width hold the values in their order, so that each takes the counts of as many as fell in it. */
function sketchOfCounts(
  numbers: Float64Array,
  counts: ArrayLike<number>,
  order: readonly number[],
  maxBuckets: number | undefined,
): QuantileSketch {
  const sketcher = createQuantileSketcher(maxBuckets);
  const sorted = Float64Array.from(order, (row) => numbers[row] as number);
  const fine = createQuantileSketcher(Math.max(finestBuckets, sorted.length));
  fine.addAll(sorted);
  const sketch = fine.sketch();
  let at = 0;
  const weights = sketch.counts.map((values) => {
    let weight = 0;
    for (const end = at + values; at < end; at += 1) weight += counts[order[at] as number] as number;
    return weight;
  });
  sketcher.addSketch({ ...sketch, counts: weights });
  return sketcher.sketch();
}

/** The fewest a sketch may have. */
const finestBuckets = 16;

function textsOf(values: Column, counts: ArrayLike<number>): Map<string, number> {
  const texts = new Map<string, number>();
  for (let row = 0; row < values.length; row += 1) {
    if (isNull(values, row) || counts[row] === 0) continue;
    const text = String(valueAt(values, row));
    texts.set(text, (texts.get(text) ?? 0) + (counts[row] as number));
  }
  return texts;
}

function summaryOfTexts(
  values: Column,
  counts: ArrayLike<number>,
  maxTexts: number | undefined,
): { readonly frequent: FrequentTexts; readonly distinct: Uint8Array } {
  const distinct = emptyDistinct();
  const bounded = new Map<string, number>();
  for (const [text, count] of textsOf(values, counts)) {
    addTextToDistinct(distinct, text);
    const key = boundedText(text);
    bounded.set(key, (bounded.get(key) ?? 0) + count);
  }
  return { frequent: addFrequent(emptyFrequent(maxTexts), bounded), distinct };
}
