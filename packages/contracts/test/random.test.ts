import { createIdSource, createManualClock, createRandom, restoreRandom } from "@millwright/contracts";
import { describe, expect, test } from "vitest";

const words = (random: { integer(bound: number): number }, count: number): number[] =>
  Array.from({ length: count }, () => random.integer(0x100000000));

describe("random numbers", () => {
  // Computed with the C code of xoshiro128** 1.1 and SplitMix32, compiled by gcc.
  const golden: readonly (readonly [number, readonly number[], readonly number[], number])[] = [
    [
      0,
      [2462723854, 1020716019, 454327756, 1275600319],
      [3809008728, 1133695204, 53579671, 2891528803, 139681546, 2203266335],
      1436417536,
    ],
    [
      42,
      [939911724, 3948730756, 321366731, 3317318717],
      [2837322924, 544945897, 479756282, 3500138142, 339756180, 113173290],
      3509935349,
    ],
    [
      0xdeadbeef,
      [3553530007, 1645313261, 4073195585, 2760393073],
      [2306529437, 2576298207, 1250671110, 2699168992, 2319502352, 3183738783],
      2776914226,
    ],
  ];

  test("are those of the reference implementation, also after a million", () => {
    const known = restoreRandom({ algorithm: "xoshiro128**", seed: 0, words: [1, 2, 3, 4] });
    expect(words(known, 10)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
    for (const [seed, state, first, millionAndFirst] of golden) {
      const random = createRandom(seed);
      expect(random.state().words).toEqual(state);
      expect(words(random, 6)).toEqual(first);
      for (let drawn = 6; drawn < 1_000_000; drawn += 1) random.integer(0x100000000);
      expect(random.integer(0x100000000)).toBe(millionAndFirst);
    }
  });

  test("have 53 bits", () => {
    const random = createRandom(42);
    const drawn = Array.from({ length: 4 }, () => random.next());
    expect(drawn).toEqual([0.66061572080016207, 0.11170196395322241, 0.079105645614491404, 0.015209237180418]);
  });

  test("go on exactly where the state was taken, in the middle of a pair of normals too", () => {
    const random = createRandom(9);
    random.normal();
    const restored = restoreRandom(JSON.parse(JSON.stringify(random.state())));
    expect(random.state().spareNormal).toBeDefined();
    const draw = (from: typeof random): number[] => [
      from.normal(),
      from.normal(),
      from.next(),
      from.integer(10),
      from.fork("x").next(),
    ];
    expect(draw(restored)).toEqual(draw(random));
  });

  test("integers are evenly likely where the bound does not divide 2^32", () => {
    const random = createRandom(3);
    const bound = 3 * 2 ** 30;
    let low = 0;
    for (let drawn = 0; drawn < 30_000; drawn += 1) if (random.integer(bound) < 2 ** 30) low += 1;
    // A third; by taking remainders it would be a half. Five standard errors are 408.
    expect(Math.abs(low - 10_000)).toBeLessThan(408);
  });
});

describe("ids", () => {
  test("are UUIDs of version 7 with the clock's milliseconds in front", () => {
    const id = createIdSource(createManualClock(0x0123456789ab), createRandom(1)).next();
    expect(id).toMatch(/^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("increase within one millisecond, over the end of the counter, and when the clock goes back", () => {
    let now = 1_700_000_000_000;
    const clock = { ...createManualClock(), nowMs: () => now };
    const ids = createIdSource(clock, createRandom(1));
    const made = Array.from({ length: 10_000 }, () => ids.next());
    now -= 5000;
    made.push(ids.next(), ids.next());
    now += 60_000;
    made.push(ids.next());
    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });
});
