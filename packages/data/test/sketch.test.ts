import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  bucketsOf,
  createQuantileSketcher,
  distinctOf,
  mergeQuantileSketches,
  profileOf,
  batchOf,
  quantileOf,
  rankBounds,
  rankOf,
  relativeErrorOf,
  column,
  mergeProfiles,
  type QuantileSketch,
} from "../src/index.ts";

const sketchOf = (values: Float64Array, maxBuckets?: number): QuantileSketch => {
  const sketcher = createQuantileSketcher(maxBuckets);
  sketcher.addAll(values);
  return sketcher.sketch();
};

const normal = (size: number, make: (normal: number, uniform: number) => number, seed = 1): Float64Array => {
  const random = createRandom(seed);
  return Float64Array.from({ length: size }, () => make(random.normal(), random.next()));
};

const shapes = {
  normal: normal(50_000, (x) => x),
  "far from zero": normal(50_000, (x) => 1013 + x),
  "heavy tails": normal(50_000, (x, u) => x / (u + 1e-9) ** 2),
  "log-normal": normal(50_000, (x) => Math.exp(3 * x)),
  "whole numbers": normal(50_000, (x) => Math.round(x * 30)),
  microseconds: normal(50_000, (_, u) => 1.357e15 + Math.floor(u * 3.15e13)),
  "all octaves": normal(50_000, (x, u) => Math.sign(x) * 2 ** ((u - 0.5) * 2000)),
};

test.each(Object.entries(shapes))("quantiles and ranks of %s keep the stated error", (_, values) => {
  const sorted = values.slice().sort();
  const sketch = sketchOf(values);
  expect(sketch.keys.length).toBeLessThanOrEqual(2048);
  const error = relativeErrorOf(sketch);
  for (const q of [0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1]) {
    const exact = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]!;
    expect(Math.abs(quantileOf(sketch, q) - exact)).toBeLessThanOrEqual(error * Math.abs(exact) * (1 + error));
  }
  for (let index = 0; index < sorted.length; index += 997) {
    const value = sorted[index]! * (1 + 1e-9);
    const rank = sorted.findLastIndex((each) => each <= value) + 1;
    const { low, high } = rankBounds(sketch, value);
    expect(rank).toBeGreaterThanOrEqual(low);
    expect(rank).toBeLessThanOrEqual(high);
    expect(rankOf(sketch, value) * sorted.length).toBeGreaterThanOrEqual(low - 1e-6);
    expect(rankOf(sketch, value) * sorted.length).toBeLessThanOrEqual(high + 1e-6);
  }
});

test("ranks between buckets are exact", () => {
  const values = shapes["log-normal"];
  const sorted = values.slice().sort();
  const sketch = sketchOf(values);
  for (const { high } of bucketsOf(sketch).slice(0, 300)) {
    const rank = sorted.findLastIndex((each) => each <= high) + 1;
    expect(rankBounds(sketch, high)).toEqual({ low: rank, high: rank });
    expect(rankOf(sketch, high)).toBe(rank / sorted.length);
  }
});

test("the sketch is a function of the set of values: order and merging leave no trace", () => {
  const random = createRandom(5);
  for (const values of Object.values(shapes)) {
    const wanted = sketchOf(values, 128);
    const shuffled = values.slice();
    for (let index = shuffled.length - 1; index > 0; index -= 1) {
      const other = random.integer(index + 1);
      [shuffled[index], shuffled[other]] = [shuffled[other]!, shuffled[index]!];
    }
    expect(sketchOf(shuffled, 128)).toEqual(wanted);
    const cut = random.integer(values.length);
    const [a, b] = [sketchOf(values.slice(0, cut), 128), sketchOf(values.slice(cut), 128)];
    expect(mergeQuantileSketches(a, b)).toEqual(wanted);
    expect(mergeQuantileSketches(b, a)).toEqual(wanted);
  }
});

test("buckets hold their values: signs, zeros, the smallest and the largest floats", () => {
  const values = Float64Array.of(
    -Number.MAX_VALUE,
    -2,
    -1,
    -2.3e-308,
    -0,
    0,
    2.3e-308,
    1,
    2,
    Number.MAX_VALUE,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  );
  for (const maxBuckets of [16, 2048]) {
    const sketch = sketchOf(values, maxBuckets);
    expect(sketch.count).toBe(10);
    const buckets = bucketsOf(sketch);
    for (const value of values.subarray(0, 10))
      expect(buckets.some(({ low, high }) => low <= value && value <= high)).toBe(true);
    for (let index = 1; index < buckets.length; index += 1)
      expect(buckets[index]!.low).toBeGreaterThan(buckets[index - 1]!.high);
  }
  expect(rankBounds(sketchOf(values), 0)).toEqual({ low: 6, high: 6 });
  expect(quantileOf(sketchOf(new Float64Array(0)), 0.5)).toBeNaN();
});

test("distinct values are counted within three standard errors of HyperLogLog, for numbers and texts", () => {
  // 1.04/√4096 = 1.625 %.
  for (const size of [1, 10, 300, 3000, 30_000, 300_000]) {
    const numbers = Float64Array.from({ length: size }, (_, index) => index * 0.75 - 1000);
    const allowed = Math.max(0.5, 3 * 0.01625 * size);
    const { distinct } = profileOf(batchOf({ x: numbers })).columns["x"]!;
    expect(Math.abs(distinctOf(distinct!) - size)).toBeLessThan(allowed);
    if (size > 30_000) continue;
    const texts = profileOf(batchOf({ x: Array.from(numbers, (value) => `user ${value}`) })).columns["x"]!;
    expect(Math.abs(distinctOf(texts.distinct!) - size)).toBeLessThan(allowed);
  }
});

test("counts of frequent texts keep their bound, merged in any order", () => {
  const random = createRandom(9);
  const texts = Array.from({ length: 40_000 }, () => `t${Math.floor(1 / (random.next() + 1e-4))}`);
  const exact = new Map<string, number>();
  for (const text of texts) exact.set(text, (exact.get(text) ?? 0) + 1);
  const parts = Array.from({ length: 8 }, (_, part) =>
    profileOf(batchOf({ t: column("utf8", texts.slice(part * 5000, part * 5000 + 5000)) }), { maxTexts: 50 }),
  );
  for (const order of [parts, parts.toReversed()]) {
    const { frequent } = order.reduce((a, b) => mergeProfiles(a, b)).columns["t"]!;
    expect(frequent!.counts.size).toBeLessThanOrEqual(50);
    expect(frequent!.error).toBeLessThanOrEqual(40_000 / 51);
    for (const [text, count] of exact) {
      const counted = frequent!.counts.get(text) ?? 0;
      expect(counted).toBeLessThanOrEqual(count);
      expect(counted).toBeGreaterThanOrEqual(count - frequent!.error);
    }
  }
});
