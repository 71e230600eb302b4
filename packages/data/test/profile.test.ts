import { createRandom, type Batch } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  column,
  createProfiler,
  datasetOf,
  emptyProfile,
  mergeProfiles,
  parseProfile,
  profileDataset,
  profileOf,
  profileToJson,
  schemaOf,
  sliceBatch,
  summarizeProfile,
  updateProfile,
  type ColumnProfile,
  type Profile,
} from "../src/index.ts";
import { allTypes } from "./batches.ts";

function table(rows: number, seed: number): Batch {
  const random = createRandom(seed);
  const maybe = <Value>(value: Value): Value | null => (random.next() < 0.07 ? null : value);
  const make = <Value>(value: () => Value): (Value | null)[] => Array.from({ length: rows }, () => maybe(value()));
  return batchOf({
    delay: column(
      "float64",
      make(() => (random.next() < 0.01 ? Number.NaN : random.normal() * 40 + 1000)),
    ),
    id: column(
      "int64",
      make(() => BigInt(random.integer(1_000_000))),
    ),
    time: column(
      "timestamp",
      make(() => 1_357_034_400_000_000n + BigInt(random.integer(2 ** 32))),
    ),
    late: column(
      "bool",
      make(() => random.next() < 0.2),
    ),
    carrier: column(
      "dictionary",
      make(() => `C${Math.floor(random.next() ** 2 * 20)}`),
    ),
    tail: column(
      "utf8",
      make(() => `N${random.integer(4000)}`),
    ),
  });
}

/** Everything that must not depend on the way of merging. */
function exactParts(profile: Profile): unknown {
  return Object.entries(profile.columns).map(([name, each]) => {
    const { moments, frequent, ...rest } = each;
    const texts = frequent?.error === 0 ? Object.fromEntries(frequent.counts) : frequent?.total;
    return [name, rest, moments && [moments.count, moments.min, moments.max], texts];
  });
}

function expectSame(a: Profile, b: Profile): void {
  expect(a.rows).toBe(b.rows);
  expect(exactParts(a)).toEqual(exactParts(b));
  for (const [name, { moments }] of Object.entries(a.columns)) {
    const other = b.columns[name]!.moments;
    if (moments === undefined || other === undefined) continue;
    expect(moments.mean / other.mean).toBeCloseTo(1, 12);
    expect(moments.m2 / other.m2).toBeCloseTo(1, 9);
  }
}

test("merging is associative and commutative, and equals one pass, at random cuts", async () => {
  const whole = table(6000, 3);
  const profile = profileOf(whole);
  const random = createRandom(11);
  for (let round = 0; round < 12; round += 1) {
    const cuts = Array.from({ length: 5 }, () => random.integer(6000)).toSorted((a, b) => a - b);
    const parts = [0, ...cuts].map((from, index) => profileOf(sliceBatch(whole, from, cuts[index] ?? 6000)));
    const left = parts.reduce((a, b) => mergeProfiles(a, b));
    const right = parts.reduceRight((a, b) => mergeProfiles(b, a));
    expectSame(left, profile);
    expectSame(right, profile);
    expectSame(
      parts.reduce((a, b) => mergeProfiles(b, a)),
      profile,
    );
  }
  expectSame(await profileDataset(datasetOf([sliceBatch(whole, 0, 17), sliceBatch(whole, 17)])), profile);
  expectSame(updateProfile(profileOf(sliceBatch(whole, 0, 500)), sliceBatch(whole, 500)), profile);
  expect(mergeProfiles(emptyProfile(schemaOf(whole)), profile)).toEqual(profile);
  expect(mergeProfiles(profile, emptyProfile(schemaOf(whole)))).toEqual(profile);
});

test("a profile comes back from JSON exactly, of every type, full and empty", () => {
  for (const batch of [table(6000, 3), table(3, 1), allTypes().batch]) {
    for (const profile of [profileOf(batch), emptyProfile(schemaOf(batch))]) {
      const read = parseProfile(JSON.parse(JSON.stringify(profileToJson(profile))));
      expect(read).toEqual(profile);
      expect(Object.keys(read.columns)).toEqual(Object.keys(profile.columns));
    }
  }
});

test("the numbers are those of the rows", () => {
  const batch = batchOf({
    x: column("float64", [4, null, 1, Number.NaN, -0, Number.POSITIVE_INFINITY, 7]),
    c: ["a", "b", "a", "c", "a", "b", "a"],
  });
  const [x, c] = summarizeProfile(profileOf(batch));
  expect(x).toMatchObject({
    count: 6,
    missing: 1,
    missingShare: 1 / 7,
    nonFinite: 2,
    mean: 3,
    min: 0,
    max: 7,
    distinct: 4,
  });
  expect(x!.standardDeviation).toBeCloseTo(Math.sqrt(10), 12);
  expect(c).toMatchObject({
    count: 7,
    distinct: 3,
    top: [
      ["a", 4],
      ["b", 2],
      ["c", 1],
    ],
  });
});

test("mean and variance keep their digits far from zero", () => {
  // The NIST data set NumAcc4: mean 10,000,000.2, standard deviation 0.1 exactly.
  const values = Float64Array.from({ length: 1001 }, (_, index) =>
    index === 0 ? 10_000_000.2 : index % 2 === 1 ? 10_000_000.1 : 10_000_000.3,
  );
  const parts = Array.from({ length: 11 }, (_, index) =>
    profileOf(batchOf({ x: values.slice(index * 91, index * 91 + 91) })),
  );
  for (const profile of [profileOf(batchOf({ x: values })), parts.reduce((a, b) => mergeProfiles(a, b))]) {
    const { mean, m2 } = profile.columns["x"]!.moments!;
    expect(mean).toBeCloseTo(10_000_000.2, 8);
    // NumAcc4 itself is rounded to doubles: about 8 digits of the deviation remain.
    expect(Math.sqrt(m2 / 1000)).toBeCloseTo(0.1, 8);
  }
});

test("a profiler leaves a batch that does not fit untouched", () => {
  const profiler = createProfiler(schemaOf(table(3, 1)));
  expect(() => profiler.update(batchOf({ delay: [1] }))).toThrow("id");
  expect(profiler.profile().rows).toBe(0);
  expect(profiler.profile().columns["delay"]!.count).toBe(0);
});

test("damaged profiles are refused with the path of the damage", () => {
  const json = JSON.parse(JSON.stringify(profileToJson(profileOf(table(100, 1))))) as {
    formatVersion: number;
    columns: ColumnProfile[];
  };
  const damaged = (change: (copy: typeof json) => void): typeof json => {
    const copy = structuredClone(json);
    change(copy);
    return copy;
  };
  expect(() => parseProfile(damaged((copy) => Object.assign(copy.columns[0]!, { count: -1 })))).toThrow(
    "columns[0].count",
  );
  expect(() => parseProfile(damaged((copy) => Object.assign(copy.columns[0]!.quantiles!, { counts: [] })))).toThrow(
    "columns[0].quantiles.counts",
  );
  // Keys that are too large for so coarse buckets: merged, their counts would be lost.
  expect(() => parseProfile(damaged((copy) => Object.assign(copy.columns[0]!.quantiles!, { shift: 20 })))).toThrow(
    /columns\[0\]\.quantiles\.steps must make growing 12-bit integers/,
  );
  expect(() => parseProfile(damaged((copy) => Object.assign(copy.columns[4]!.frequent!, { counts: [["a"]] })))).toThrow(
    "columns[4].frequent.counts[0]",
  );
  expect(() => parseProfile({ formatVersion: 9 })).toThrow("9");
  expect(() => parseProfile(null)).toThrow("profile");
  expect(() => mergeProfiles(profileOf(batchOf({ a: [1] })), profileOf(batchOf({ a: ["x"] })))).toThrow("float64");
});
