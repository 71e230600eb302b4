import { createRandom } from "@millwright/contracts";
import { beforeAll, describe, expect, test } from "vitest";
import {
  batchOf,
  column,
  createRankSketcher,
  emptyRankSketch,
  histogramOf,
  mergeProfiles,
  mergeRankSketches,
  parseProfile,
  parseRankSketch,
  profileOf,
  profileToJson,
  quantilesInSketch,
  rankInSketch,
  rankSketchToJson,
  sliceBatch,
  summarizeProfile,
  type RankSketch,
} from "../src/index.ts";

const size = 1_000_000;
const distributions: Readonly<Record<string, (random: ReturnType<typeof createRandom>, row: number) => number>> = {
  normal: (random) => random.normal(),
  "uniform in one microsecond bucket": (random) => 1.357e15 + Math.floor(random.next() * 1e8),
  "log-normal": (random) => Math.exp(3 * random.normal()),
  "a spike among all octaves": (random) =>
    random.next() < 0.5 ? 1e15 + random.next() : 2 ** (random.next() * 2000 - 1000),
  sorted: (_, row) => row - 3,
};

const sketchOf = (values: Float64Array, epsilon: number): RankSketch => {
  const sketcher = createRankSketcher({ epsilon });
  sketcher.addAll(values);
  return sketcher.sketch();
};

/** Most that a rank is off, at every thousandth of the sorted values. Ranks of equal values are a range. */
function rankErrorOf(sketch: RankSketch, sorted: Float64Array): number {
  let worst = 0;
  for (let row = 0; row < sorted.length; row += 997) {
    const value = sorted[row]!;
    let last = row;
    while (last + 1 < sorted.length && sorted[last + 1] === value) last += 1;
    worst = Math.max(worst, Math.abs(rankInSketch(sketch, value) - (last + 1) / sorted.length));
  }
  return worst;
}

/** How far the value's ranks are from `q`: 0 where `q` lies among them. */
function quantileErrorOf(sorted: Float64Array, value: number, q: number): number {
  const below = lowerBound(sorted, value);
  const upTo = lowerBound(sorted, value + Math.abs(value) * 2 ** -52 + Number.MIN_VALUE);
  return Math.max(0, below / sorted.length - q, q - upTo / sorted.length);
}

function lowerBound(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

describe.each(Object.entries(distributions))("%s", (name, make) => {
  let values: Float64Array;
  let sorted: Float64Array;
  beforeAll(() => {
    const random = createRandom(9);
    values = Float64Array.from({ length: size }, (_, row) => make(random, row));
    sorted = values.slice().sort();
  });

  test.each([0.0025, 0.01, 0.05])(
    `DQ-9: ranks of a million values (${name}) are within the configured %f, merged in any order`,
    (epsilon) => {
      const whole = sketchOf(values, epsilon);
      expect(whole.count).toBe(size);
      expect(rankErrorOf(whole, sorted)).toBeLessThanOrEqual(epsilon);
      const shares = [0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 1];
      for (const [at, value] of quantilesInSketch(whole, shares).entries())
        expect(quantileErrorOf(sorted, value, shares[at]!)).toBeLessThanOrEqual(epsilon);

      const parts = Array.from({ length: 16 }, (_, part) =>
        sketchOf(values.subarray((part * size) / 16, ((part + 1) * size) / 16), epsilon),
      );
      const left = parts.reduce((a, b) => mergeRankSketches(a, b));
      const right = parts.reduceRight((a, b) => mergeRankSketches(b, a));
      const atOnce = mergeRankSketches(parts[0]!, ...parts.slice(1));
      for (const merged of [left, right, atOnce]) {
        expect([merged.count, merged.min, merged.max]).toEqual([size, sorted[0], sorted[size - 1]]);
        expect(rankErrorOf(merged, sorted)).toBeLessThanOrEqual(epsilon);
      }
      const json = JSON.stringify(rankSketchToJson(left));
      expect(parseRankSketch(JSON.parse(json))).toEqual(left);
      expect(json.length).toBeLessThan(64 * 1024);
    },
  );
});

test("DQ-9: a column's profile is less than 64 KB as JSON, whatever the column holds, and comes back equal", () => {
  const random = createRandom(4);
  const rows = 200_000;
  const make = <Value>(value: (row: number) => Value): Value[] => Array.from({ length: rows }, (_, row) => value(row));
  const texts = Array.from({ length: 2000 }, (_, text) => `${'\u0001🛫"\\x'.repeat(text % 40)}${"long ".repeat(text)}`);
  const batch = batchOf({
    octaves: Float64Array.from(make(() => Math.sign(random.normal()) * 2 ** (random.next() * 2000 - 1000))),
    ids: column(
      "int64",
      make(() => BigInt(random.integer(2 ** 31)) * 2n ** 30n),
    ),
    texts: column(
      "utf8",
      make((row) => texts[row % texts.length]!),
    ),
    categories: column(
      "dictionary",
      make((row) => texts[row % texts.length]!),
    ),
    late: column(
      "bool",
      make(() => random.next() < 0.5),
    ),
  });
  const profile = profileOf(batch, { rankError: 0.01 });
  const json = JSON.parse(JSON.stringify(profileToJson(profile))) as { columns: { name: string }[] };
  for (const each of json.columns) expect(Buffer.byteLength(JSON.stringify(each)), each.name).toBeLessThan(64 * 1024);
  expect(parseProfile(json)).toEqual(profile);
  // Long texts are still told apart.
  const { frequent } = profileOf(batchOf({ t: [`${"a".repeat(500)}1`, `${"a".repeat(500)}2`, "short"] })).columns["t"]!;
  expect([...frequent!.counts.values()]).toEqual([1, 1, 1]);
  expect([...frequent!.counts.keys()]).toContain("short");
});

test("a profile with a rank error merges, and its quantiles keep it where the buckets of values cannot tell", () => {
  const random = createRandom(2);
  const times = Float64Array.from({ length: 50_000 }, () => 1.357e15 + random.next() ** 4 * 1e8);
  const sorted = times.slice().sort();
  const batch = batchOf({ at: times });
  const halves = [sliceBatch(batch, 0, 20_000), sliceBatch(batch, 20_000)].map((half) =>
    profileOf(half, { rankError: 0.01 }),
  );
  const [summary] = summarizeProfile(mergeProfiles(halves[0]!, halves[1]!));
  expect(summary).toMatchObject({ rankError: 0.01 });
  for (const [name, q] of [
    ["p05", 0.05],
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const)
    expect(quantileErrorOf(sorted, summary!.quantiles![name], q)).toBeLessThanOrEqual(0.01);
  // All of them lie in one bucket of the other sketch, whose middle is not the median.
  const [without] = summarizeProfile(profileOf(batch));
  expect(quantileErrorOf(sorted, without!.quantiles!.p50, 0.5)).toBeGreaterThan(0.1);
  expect(mergeProfiles(halves[0]!, profileOf(batch)).columns["at"]!.ranks).toBeUndefined();
});

test("few values are exact, none are NaN, and a damaged sketch is refused by path", () => {
  const few = sketchOf(Float64Array.of(3, Number.NaN, 1, 2, Number.POSITIVE_INFINITY), 0.01);
  expect([few.count, few.min, few.max]).toEqual([3, 1, 3]);
  expect([rankInSketch(few, 0.5), rankInSketch(few, 2), rankInSketch(few, 9)]).toEqual([0, 2 / 3, 1]);
  expect(quantilesInSketch(few, [0, 0.5, 1])).toEqual([1, 2, 3]);
  const empty = emptyRankSketch();
  expect(rankInSketch(empty, 1)).toBeNaN();
  expect(mergeRankSketches(empty, few)).toEqual(few);
  expect(() => quantilesInSketch(few, [1.5])).toThrow("1.5");
  expect(() => createRankSketcher({ epsilon: 0.001 })).toThrow("0.001");
  const json = rankSketchToJson(few);
  expect(() => parseRankSketch({ ...json, count: 4 })).toThrow("levels must stand for 4");
  expect(() => parseRankSketch({ ...json, formatVersion: 2 })).toThrow("format version 2");
  expect(() => parseRankSketch({ ...json, levels: ["AAAA"] })).toThrow("levels[0]");
});

test("DQ-9: a histogram of a sketch counts exactly where its edges lie between buckets, and about right elsewhere", () => {
  const random = createRandom(6);
  const values = Float64Array.from({ length: 100_000 }, () => Math.round(random.normal() * 20));
  const { quantiles } = profileOf(batchOf({ x: values })).columns["x"]!;
  const edges = [-30, -10, 0, 1, 10, 30];
  const wanted = edges.slice(1).map((high, at) => ({
    low: edges[at]!,
    high,
    count: values.filter((value) => value >= edges[at]! && (value < high || (high === 30 && value === 30))).length,
  }));
  const bins = histogramOf(quantiles!, edges);
  for (const [at, bin] of bins.entries()) expect(bin.count).toBeCloseTo(wanted[at]!.count, 6);
  const smooth = Float64Array.from({ length: 100_000 }, () => random.normal());
  const [inner] = histogramOf(profileOf(batchOf({ x: smooth })).columns["x"]!.quantiles!, [-1, 1]);
  // 68.27 % of a normal distribution; four standard deviations of a binomial share of 100,000 are 0.6 %.
  expect(Math.abs(inner!.count / 100_000 - 0.6827)).toBeLessThan(0.006);
  expect(() => histogramOf(quantiles!, [1, 1])).toThrow(RangeError);
});
