import { createRandom } from "@millwright/contracts";
import { type Sampler, type Trial, float, randomSampler } from "@millwright/tuner";
import { expect, test } from "vitest";
import { type StandardFunction, standardFunctions } from "./standard-functions.ts";

const seeds = 30;

/** The least regret of `count` trials. */
function regretOf(
  { low, high, dimensions, least, valueAt }: StandardFunction,
  sampler: Sampler,
  count: number,
  seed: number,
): number {
  const names = Array.from({ length: dimensions }, (_, index) => `x${index}`);
  const space = Object.fromEntries(names.map((name) => [name, float(low, high)]));
  const root = createRandom(seed);
  const trials: Trial[] = [];
  let best = Infinity;
  for (let number = 0; number < count; number += 1) {
    const context = { direction: "minimize", trials, plannedTrials: count } as const;
    const { params, explanation } = sampler.suggest(space, context, root.fork(`trial/${number}`));
    const value = valueAt(names.map((name) => params[name] as number));
    best = Math.min(best, value);
    trials.push({
      number,
      state: "completed",
      params,
      explanation,
      value,
      values: [value],
      intermediates: [],
      attempts: 1,
    });
  }
  return best - least;
}

/** One-sided p of Wilcoxon's signed-rank test (normal approximation) that the first are less than the second. */
function signedRankP(first: readonly number[], second: readonly number[]): number {
  const differences = first.map((value, index) => value - (second[index] as number)).filter((value) => value !== 0);
  const ranked = differences.toSorted((a, b) => Math.abs(a) - Math.abs(b));
  const positive = ranked.reduce((sum, value, index) => (value > 0 ? sum + index + 1 : sum), 0);
  const n = ranked.length;
  const z = (positive - (n * (n + 1)) / 4) / Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24);
  // Hastings' approximation of the normal tail (Abramowitz and Stegun 26.2.17), good to 7.5e-8.
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail =
    (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z < 0 ? tail : 1 - tail;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] as number;

/** What a sampler has to reach: its median regret as a share of random search's, by trials. */
export interface Contender {
  readonly name: string;
  readonly make: () => Sampler;
  readonly trials: number;
  readonly margin: number;
}

/** The row's check, one sampler a test. */
export function testAgainstRandom({ name, make, trials, margin }: Contender): void {
  test(
    `HT-3: ${name} beats random search on 12 standard functions: median regret of ${trials} trials at most ${margin} of its, p < 0.01 over 30 seeds`,
    { timeout: 300_000 },
    () => {
      const shares: Record<string, string> = {};
      for (const [title, standard] of Object.entries(standardFunctions)) {
        const own = Array.from({ length: seeds }, (_, seed) => regretOf(standard, make(), trials, seed));
        const blind = Array.from({ length: seeds }, (_, seed) =>
          regretOf(standard, randomSampler(), trials, seed + 1000),
        );
        const share = median(own) / median(blind);
        const p = signedRankP(own, blind);
        if (!(share <= margin && p < 0.01))
          shares[title] = `${share.toFixed(2)} of random's, p = ${p.toExponential(1)}`;
      }
      expect(shares).toEqual({});
    },
  );
}
