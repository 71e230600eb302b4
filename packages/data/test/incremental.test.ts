import { createRandom, type Batch } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  column,
  distinctOf,
  mergeProfiles,
  parseProfile,
  profileOf,
  profileToJson,
  quantileOf,
  rankBounds,
  relativeErrorOf,
  schemaOf,
  sliceBatch,
  summarizeProfile,
  updateProfile,
  emptyProfile,
  type ColumnProfile,
  type Profile,
} from "../src/index.ts";

const rows = 64_000;

function table(): Batch {
  const random = createRandom(64);
  const make = <Item>(item: (row: number) => Item): Item[] => Array.from({ length: rows }, (_, row) => item(row));
  return batchOf({
    amount: column(
      "int64",
      make(() => (random.next() < 0.03 ? null : BigInt(random.integer(20_001) - 10_000))),
    ),
    delay: column(
      "float64",
      make((row) => (random.next() < 0.01 ? Number.NaN : 1e9 + random.normal() * (1 + row / rows))),
    ),
    late: column(
      "bool",
      make(() => random.next() < 0.2),
    ),
    carrier: column(
      "dictionary",
      make(() => `C${Math.floor(random.next() ** 3 * 200)}`),
    ),
    tail: column(
      "utf8",
      make(() => `N${random.integer(20_000)}`),
    ),
    seen: column(
      "timestamp",
      make((row) => 1_357_034_400_000_000n + BigInt(row) * 1_000_000n),
    ),
  });
}

/** Mean and sum of squared distances from it of integers, without any rounding until the end. */
function exactMoments(values: readonly bigint[]): { readonly mean: number; readonly m2: number } {
  const count = BigInt(values.length);
  const sum = values.reduce((total, each) => total + each, 0n);
  const squares = values.reduce((total, each) => total + each * each, 0n);
  return { mean: Number(sum) / Number(count), m2: Number(squares * count - sum * sum) / Number(count) };
}

/** Uneven parts that go through JSON, as those of partitions do. */
function shardsOf(whole: Batch): readonly Profile[] {
  const cuts = Array.from({ length: 65 }, (_, index) => Math.round((index / 64) ** 1.5 * rows));
  return cuts.slice(1).map((to, index) => {
    const shard = profileOf(sliceBatch(whole, cuts[index]!, to));
    return parseProfile(JSON.parse(JSON.stringify(profileToJson(shard))));
  });
}

/** All that must not depend at all on how the rows were cut. */
function exactPart({ moments, frequent, ...rest }: ColumnProfile): unknown {
  const texts = frequent?.error === 0 ? Object.fromEntries(frequent.counts) : frequent?.total;
  return { ...rest, moments: moments && [moments.count, moments.min, moments.max], texts };
}

test("DQ-7: profiles of 64 shards merge to that of a single pass, without rereading", () => {
  const whole = table();
  const single = profileOf(whole);
  const shards = shardsOf(whole);
  const together = mergeProfiles(shards[0]!, ...shards.slice(1));
  const pairwise = shards.reduceRight((later, earlier) => mergeProfiles(earlier, later));
  const grown = Array.from({ length: 64 }).reduce<Profile>(
    (profile, _, index) => updateProfile(profile, sliceBatch(whole, index * 1000, index * 1000 + 1000)),
    emptyProfile(schemaOf(whole)),
  );
  for (const merged of [together, pairwise, grown]) {
    expect(merged.rows).toBe(rows);
    for (const [name, expected] of Object.entries(single.columns)) {
      const found = merged.columns[name]!;
      // Counts, extremes, ranks, distinct values and texts that are all known: to the bit.
      expect(exactPart(found), name).toEqual(exactPart(expected));
      if (expected.moments === undefined) continue;
      // Mean and variance: to the rounding of doubles. One part in 10^12 leaves a thousand roundings of 2^-53 and more.
      expect(Math.abs(found.moments!.mean / expected.moments.mean - 1), name).toBeLessThan(1e-12);
      expect(Math.abs(found.moments!.m2 / expected.moments.m2 - 1), name).toBeLessThan(1e-9);
    }
    // Of integers the truth is known exactly.
    const amounts = whole.columns["amount"]!;
    const values = [...(amounts.values as BigInt64Array)].filter(
      (_, row) => ((amounts.validity![row >> 3]! >> (row & 7)) & 1) === 1,
    );
    const truth = exactMoments(values);
    const { count, mean, m2 } = merged.columns["amount"]!.moments!;
    expect(count).toBe(values.length);
    expect(Math.abs(mean - truth.mean)).toBeLessThan(1e-9);
    expect(Math.abs(m2 / truth.m2 - 1)).toBeLessThan(1e-13);
    expectSketchesWithinBounds(
      merged,
      values.map(Number).sort((a, b) => a - b),
      whole,
    );
  }
});

function expectSketchesWithinBounds(merged: Profile, sorted: readonly number[], whole: Batch): void {
  const sketch = merged.columns["amount"]!.quantiles!;
  for (const q of [0.01, 0.1, 0.5, 0.9, 0.99]) {
    const truth = sorted[Math.ceil(q * sorted.length) - 1]!;
    // The value of that rank, within the share of it that buckets are wide.
    expect(Math.abs(quantileOf(sketch, q) - truth)).toBeLessThanOrEqual(Math.abs(truth) * relativeErrorOf(sketch));
    const rank = sorted.filter((value) => value <= truth).length;
    const { low, high } = rankBounds(sketch, truth);
    expect(low).toBeLessThanOrEqual(rank);
    expect(high).toBeGreaterThanOrEqual(rank);
  }
  // Misra and Gries: a text counts from n − error to n, with error at most rows/257.
  const { frequent, distinct } = merged.columns["tail"]!;
  expect(frequent!.error).toBeGreaterThan(0);
  expect(frequent!.error).toBeLessThanOrEqual(rows / 257);
  const tails = new Map<string, number>();
  const { values, offsets } = whole.columns["tail"] as { values: Uint8Array; offsets: Int32Array };
  const text = Buffer.from(values).toString();
  for (let row = 0; row < rows; row += 1) {
    const tail = text.slice(offsets[row], offsets[row + 1]);
    tails.set(tail, (tails.get(tail) ?? 0) + 1);
  }
  for (const [tail, count] of frequent!.counts) {
    expect(count).toBeLessThanOrEqual(tails.get(tail)!);
    expect(count).toBeGreaterThanOrEqual(tails.get(tail)! - frequent!.error);
  }
  // HyperLogLog: standard error 1.6 %; four of them.
  expect(Math.abs(distinctOf(distinct!) / tails.size - 1)).toBeLessThan(0.065);
  const [amount] = summarizeProfile(merged);
  expect(amount!.missingShare).toBeCloseTo(0.03, 2);
}
