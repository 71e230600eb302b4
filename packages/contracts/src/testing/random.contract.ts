import assert from "node:assert/strict";
import type { Random } from "../random.ts";
import type { ContractCase } from "./contract-case.ts";

const draws = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next());

/** What each source of random numbers promises. Cases take the function that makes one from a seed. */
export const randomContract: readonly ContractCase<(seed: number) => Random>[] = [
  {
    name: "the same seed gives the same stream, another seed another",
    run: async (create) => {
      assert.deepEqual(draws(create(7), 100), draws(create(7), 100));
      assert.notDeepEqual(draws(create(7), 100), draws(create(8), 100));
    },
  },
  {
    name: "next stays in [0, 1) and fills it evenly",
    run: async (create) => {
      const counts = new Array<number>(10).fill(0);
      for (const value of draws(create(1), 10_000)) {
        assert.ok(value >= 0 && value < 1);
        counts[Math.floor(value * 10)] = (counts[Math.floor(value * 10)] ?? 0) + 1;
      }
      // Chi-square with 9 degrees of freedom; 27.88 is its 0.999 quantile.
      const chiSquare = counts.reduce((total, count) => total + (count - 1000) ** 2 / 1000, 0);
      assert.ok(chiSquare < 27.88, `chi-square ${chiSquare}`);
    },
  },
  {
    name: "integer takes every value below the bound, and no other",
    run: async (create) => {
      const random = create(2);
      const seen = new Set(Array.from({ length: 400 }, () => random.integer(7)));
      assert.deepEqual(
        [...seen].toSorted((a, b) => a - b),
        [0, 1, 2, 3, 4, 5, 6],
      );
      assert.equal(random.integer(1), 0);
      assert.ok(random.integer(0x100000000) < 0x100000000);
      for (const bound of [0, -1, 1.5, 0x100000001, Number.NaN]) assert.throws(() => random.integer(bound), RangeError);
    },
  },
  {
    name: "normal has mean 0 and variance 1",
    run: async (create) => {
      const random = create(3);
      const values = Array.from({ length: 20_000 }, () => random.normal());
      const mean = values.reduce((total, value) => total + value, 0) / values.length;
      const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length;
      // Five standard errors: 5/√20000 and 5·√(2/20000).
      assert.ok(Math.abs(mean) < 0.0354, `mean ${mean}`);
      assert.ok(Math.abs(variance - 1) < 0.05, `variance ${variance}`);
    },
  },
  {
    name: "a fork depends on its label alone, not on what was drawn before",
    run: async (create) => {
      const drawn = create(4);
      draws(drawn, 50);
      assert.deepEqual(draws(drawn.fork("trial/3"), 20), draws(create(4).fork("trial/3"), 20));
      assert.notDeepEqual(draws(create(4).fork("trial/3"), 20), draws(create(4).fork("trial/4"), 20));
      assert.notDeepEqual(draws(create(4).fork("trial/3"), 20), draws(create(5).fork("trial/3"), 20));
    },
  },
];
