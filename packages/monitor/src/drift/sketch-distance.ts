import type { FrequentTexts, QuantileSketch } from "@millwright/data";

/** Counts of two sketches in the same buckets, growing in value; buckets empty on both sides are left out. */
export interface AlignedCounts {
  readonly a: Float64Array;
  readonly b: Float64Array;
}

/** Brings both sketches to the coarser resolution of the two: a bucket there is a whole number of buckets here. */
export function alignSketches(a: QuantileSketch, b: QuantileSketch): AlignedCounts {
  const shift = Math.max(a.shift, b.shift);
  const counts = {
    a: new Float64Array(a.keys.length + b.keys.length),
    b: new Float64Array(a.keys.length + b.keys.length),
  };
  const [byA, byB] = [shift - a.shift, shift - b.shift];
  let [ofA, ofB, at] = [0, 0, 0];
  while (ofA < a.keys.length || ofB < b.keys.length) {
    // Beyond every key where a side is through.
    const keyA = ofA < a.keys.length ? (a.keys[ofA] as number) >> byA : Number.POSITIVE_INFINITY;
    const keyB = ofB < b.keys.length ? (b.keys[ofB] as number) >> byB : Number.POSITIVE_INFINITY;
    const key = Math.min(keyA, keyB);
    ofA = addBucket(a, ofA, key, byA, counts.a, at);
    ofB = addBucket(b, ofB, key, byB, counts.b, at);
    at += 1;
  }
  return { a: counts.a.subarray(0, at), b: counts.b.subarray(0, at) };
}

/** Adds what falls to one coarse bucket. @returns the first bucket beyond it. */
function addBucket(
  { keys, counts }: QuantileSketch,
  from: number,
  key: number,
  by: number,
  target: Float64Array,
  at: number,
): number {
  let index = from;
  let sum = 0;
  for (; index < keys.length && (keys[index] as number) >> by === key; index += 1) sum += counts[index] as number;
  target[at] = sum;
  return index;
}

/** The largest distance between the distributions of two samples, from their sketches. */
export interface SketchDistance {
  /** At the edges of buckets, where ranks are exact: the true distance is not smaller. */
  readonly lower: number;
  /** Within a bucket the distributions may part further, but not beyond this: the true distance is not larger. */
  readonly upper: number;
}

/** Bounds of the two-sample Kolmogorov–Smirnov distance. NaN where a sketch is empty. */
export function sketchDistance(a: QuantileSketch, b: QuantileSketch): SketchDistance {
  const aligned = alignSketches(a, b);
  let lower = 0;
  let upper = 0;
  let [belowA, belowB] = [0, 0];
  for (let index = 0; index < aligned.a.length; index += 1) {
    const throughA = belowA + (aligned.a[index] as number) / a.count;
    const throughB = belowB + (aligned.b[index] as number) / b.count;
    lower = Math.max(lower, Math.abs(throughA - throughB));
    upper = Math.max(upper, throughA - belowB, throughB - belowA);
    [belowA, belowB] = [throughA, throughB];
  }
  return a.count === 0 || b.count === 0
    ? { lower: Number.NaN, upper: Number.NaN }
    : { lower, upper: Math.min(1, upper) };
}

/**
 * Counts of both sides in about `bins` ranges that hold equal shares of the first side; cut between buckets, so the counts are exact.
 */
export function equalShareBins(a: QuantileSketch, b: QuantileSketch, bins: number): AlignedCounts {
  const aligned = alignSketches(a, b);
  const binned: [number, number][] = [];
  let current: [number, number] = [0, 0];
  let below = 0;
  for (let index = 0; index < aligned.a.length; index += 1) {
    current[0] += aligned.a[index] as number;
    current[1] += aligned.b[index] as number;
    below += aligned.a[index] as number;
    if (below >= ((binned.length + 1) * a.count) / bins && binned.length < bins - 1) {
      // A bucket that spans several shares fills the bins it reaches at once.
      binned.push(current);
      current = [0, 0];
    }
  }
  if (current[0] > 0 || current[1] > 0) binned.push(current);
  return { a: Float64Array.from(binned, ([count]) => count), b: Float64Array.from(binned, ([, count]) => count) };
}

/** Fewer than this on both sides together say nothing alone: the rule of five of the chi-squared test, for two samples. */
const smallestPair = 10;

/**
 * Counts of both sides for the first side's most frequent texts, the most frequent first, then for all others together.
 * @param limit Most texts to tell apart.
 */
export function categoryCounts(a: FrequentTexts, b: FrequentTexts, limit: number): AlignedCounts {
  const kept = [...a.counts]
    .sort((x, y) => y[1] - x[1] || (x[0] < y[0] ? -1 : 1))
    .slice(0, limit)
    .map(([text, count]) => [count, b.counts.get(text) ?? 0] as const)
    .filter(([x, y]) => x + y >= smallestPair);
  const others = [a.total, b.total].map(
    (total, side) => total - kept.reduce((sum, pair) => sum + (pair[side] as number), 0),
  );
  const all =
    others[0] === 0 && others[1] === 0 ? kept : [...kept, [others[0] as number, others[1] as number] as const];
  return { a: Float64Array.from(all, ([count]) => count), b: Float64Array.from(all, ([, count]) => count) };
}
