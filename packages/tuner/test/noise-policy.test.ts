import { createRandom } from "@millwright/contracts";
import { float, openStudy, randomSampler } from "@millwright/tuner";
import { expect, test } from "vitest";
import { studentTwoSided } from "../src/study/student.ts";

test("Student's quantiles are those of SciPy 1.16", () => {
  // scipy.stats.t.ppf((1 + p) / 2, degrees)
  for (const [probability, degrees, expected] of [
    [0.95, 1, 12.706204736174694],
    [0.95, 2, 4.302652729749462],
    [0.95, 3, 3.1824463052837078],
    [0.95, 10, 2.228138851986274],
    [0.99, 7, 3.4994832973504924],
    [0.95, 200, 1.9718962236339088],
    [1 - 0.05 / 3, 12, 2.779473101781101],
  ] as const)
    expect(studentTwoSided(probability, degrees)).toBeCloseTo(expected, 8);
});

const truth = (x: number): number => (x - 0.3) ** 2;
const deviation = 0.1;

test("HT-18: the true value of the reported best lies within its bound in 95 % of 200 runs; that of the luckiest does not", async () => {
  let within = 0;
  let naive = 0;
  for (let run = 0; run < 200; run += 1) {
    await using study = await openStudy({
      name: `noisy-${run}`,
      space: { x: float(0, 1) },
      direction: "minimize",
      seed: run,
      sampler: randomSampler(),
      pruner: false,
      noise: {},
    });
    await study.optimize(({ params, seed }) => truth(params.x) + deviation * createRandom(seed).normal(), {
      trials: 50,
    });
    const best = await study.best();
    const [low, high] = best.bound ?? [Number.NaN, Number.NaN];
    if (truth(best.params.x) >= low && truth(best.params.x) <= high) within += 1;
    // What the same width says about the best single value.
    const luckiest = (await study.trials()).reduce((a, b) => ((b.value ?? 9) < (a.value ?? 9) ? b : a));
    const half = (high - low) / 2;
    if (Math.abs(truth(luckiest.params["x"] as number) - (luckiest.value as number)) <= half) naive += 1;
  }
  expect(within).toBeGreaterThanOrEqual(190);
  expect(naive).toBeLessThan(100);
}, 300_000);

test("HT-18: promising parameters are evaluated again, the last trials test the best with seeds the search never saw", async () => {
  await using study = await openStudy({
    name: "policy",
    space: { x: float(0, 1) },
    direction: "minimize",
    sampler: randomSampler(),
    noise: { repeats: 3, retest: { top: 2, repeats: 4 } },
  });
  const seeds: number[] = [];
  await study.optimize(
    ({ params, seed, number }) => {
      seeds[number] = seed;
      return truth(params.x) + deviation * createRandom(seed).normal();
    },
    { trials: 40, parallelism: 3 },
  );
  const trials = await study.trials();
  expect(trials).toHaveLength(40);
  const tested = trials.filter(({ retest }) => retest !== undefined);
  const searched = trials.filter(({ retest }) => retest === undefined);
  expect(tested).toHaveLength(8);
  expect(tested.every(({ number }) => number >= 32)).toBe(true);
  expect(new Set(tested.map(({ repeatOf }) => repeatOf)).size).toBe(2);
  // The same new seeds for each of those tested: their differences are not chance.
  const seen = new Set(searched.map(({ number }) => seeds[number]));
  expect(seen.size).toBe(32);
  expect(new Set(tested.map(({ number }) => seeds[number])).size).toBe(4);
  for (const { number } of tested) expect(seen.has(seeds[number])).toBe(false);
  const repeats = new Map<number, number>();
  for (const { repeatOf, number } of searched)
    repeats.set(repeatOf ?? number, (repeats.get(repeatOf ?? number) ?? 0) + 1);
  expect(Math.max(...repeats.values())).toBe(3);
  expect(repeats.size).toBeGreaterThanOrEqual(16);
  const best = await study.best();
  expect(best.evaluations).toBe(4);
  const values = tested.filter(({ repeatOf }) => repeatOf === best.number).map(({ value }) => value as number);
  expect(best.value).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / 4, 12);
});
