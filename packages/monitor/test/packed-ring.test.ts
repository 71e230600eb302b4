import { createRandom, type Random } from "@millwright/contracts";
import { expect, test } from "vitest";
import { PackedRing } from "../src/slo/packed-ring.ts";
import { PrefixRing } from "../src/slo/prefix-ring.ts";

/** How numbers come: small ones in order, in bursts, late, taken back, with silences, and now and then what cannot be packed. */
function numbersOf(random: Random, kind: number): readonly [first: number, second: number] {
  const second = kind === 0 ? 1 + random.integer(8) : kind === 1 ? 1_000 : random.integer(200_000);
  const first = random.next() < 0.7 ? 0 : random.integer(second + 1);
  return random.next() < 0.01 ? [-first, -second] : [first, second];
}

test("packed sums of whole numbers are those of running sums, to the last bit, whatever comes in whatever order, and of fractions to rounding", () => {
  let [compared, late, packed] = [0, 0, 0];
  for (let seed = 1; seed <= 48; seed += 1) {
    const random = createRandom(seed);
    const capacity = [40, 385, 700, 4_000, 26_000][random.integer(5)] as number;
    const [ring, plain] = [new PackedRing(capacity), new PrefixRing(capacity)];
    let newest = random.integer(2) === 0 ? 176_000_000 + random.integer(1_000) : -random.integer(5_000);
    const kind = random.integer(3);
    const odd = seed % 6 === 0 ? [0.5, 2 ** 29, 2 ** 31, -(2 ** 40), 0.1][random.integer(5)] : undefined;
    const [silence, lateness] = [[1, 3, 40][random.integer(3)] as number, random.integer(2)];
    for (let round = 0; round < 3_000; round += 1) {
      const chance = random.next();
      newest +=
        chance < 0.0005
          ? random.integer(3 * capacity)
          : chance < 0.005
            ? random.integer(600)
            : random.integer(silence + 1);
      const isLate = lateness === 1 && random.next() < 0.02;
      const bucket = isLate ? newest - random.integer(capacity + 100) : newest - random.integer(3);
      if (isLate) late += 1;
      const [first, second] = odd !== undefined && random.next() < 0.002 ? [odd, odd] : numbersOf(random, kind);
      if (ring.add(bucket, first, second) !== plain.add(bucket, first, second))
        expect.fail(`seed ${seed}: ${bucket} is kept by one alone`);
      if (random.next() > 0.05) continue;
      expect([ring.newest, ring.oldest]).toEqual([plain.newest, plain.oldest]);
      for (let look = 0; look < 6; look += 1) {
        const to = newest - (look < 3 ? 0 : random.integer(capacity));
        const from = to - random.integer([10, 180, 360, capacity + 50][random.integer(4)] as number);
        const [ours, theirs] = [ring.sum(from, to), plain.sum(from, to)];
        compared += 1;
        // Of fractions, running sums that begin elsewhere differ by rounding.
        const places = odd === 0.1 ? 6 : 12;
        if (odd === undefined || Number.isInteger(odd))
          expect(ours, `seed ${seed}, round ${round}: ${from} to ${to}`).toEqual(theirs);
        else
          expect([ours.first, ours.second]).toEqual([
            expect.closeTo(theirs.first, places),
            expect.closeTo(theirs.second, places),
          ]);
      }
    }
    const entries = ring.entries();
    if (odd === undefined) {
      packed += 1;
      expect(entries).toEqual(plain.entries());
      const again = new PackedRing(capacity);
      for (const entry of entries) again.add(...entry);
      expect(again.sum(newest - capacity, newest)).toEqual(ring.sum(newest - capacity, newest));
    }
  }
  expect([compared > 20_000, late > 500, packed]).toEqual([true, true, 40]);
});

test("numbers at the edge of what is packed are exact on both sides of it", () => {
  for (const edge of [2 ** 29 - 1, 2 ** 29]) {
    const [ring, plain] = [new PackedRing(2_000), new PrefixRing(2_000)];
    for (let bucket = 0; bucket < 1_500; bucket += 1) {
      const [first, second] = [bucket % 3 === 0 ? -edge : 0, bucket % 2 === 0 ? edge : -edge];
      for (const each of [ring, plain]) each.add(bucket, first, second);
      if (bucket % 7 === 0) for (const each of [ring, plain]) each.add(Math.max(0, bucket - 900), 1, edge % 1_000);
    }
    for (let from = 0; from < 1_500; from += 1)
      expect(ring.sum(from, from + (from % 500))).toEqual(plain.sum(from, from + (from % 500)));
  }
});
