import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type Sampler,
  type Trial,
  categorical,
  costAwareSampler,
  float,
  int,
  tpeSampler,
} from "@millwright/tuner";
import { expect, test } from "vitest";

const space = {
  size: int(1, 1_000, { log: true }),
  x: float(0, 1),
  y: float(0, 1),
  kind: categorical(["a", "b", "c"]),
};

/** Large trials cost a thousand times as much as small ones, and are a little better. */
const costOf = (params: Params): number => params["size"] as number;
const lossOf = ({ size, x, y, kind }: Params): number =>
  ((x as number) - 0.3) ** 2 +
  ((y as number) - 0.7) ** 2 +
  (kind === "b" ? 0 : 0.05) +
  0.02 * (1 - Math.log10(size as number) / 3);

/** What was spent until the loss was reached. */
function spentUntil(sampler: Sampler, target: number, seed: number, mostTrials: number): number {
  const trials: Trial[] = [];
  let spent = 0;
  for (let number = 0; number < mostTrials; number += 1) {
    const random = createRandom(seed).fork(`trial/${number}`);
    const { params, explanation } = sampler.suggest(space, { direction: "minimize", trials }, random);
    const value = lossOf(params);
    spent += costOf(params);
    if (value <= target) return spent;
    trials.push({
      number,
      state: "completed",
      params,
      explanation,
      value,
      values: [value],
      cost: { usd: costOf(params) },
      intermediates: [],
      attempts: 1,
    });
  }
  return spent;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

test(
  "HT-11: where costs differ a thousandfold, a target is reached at less than 60 % of what TPE spends, over 30 seeds",
  { timeout: 600_000 },
  () => {
    const [plain, aware] = [tpeSampler(), costAwareSampler(tpeSampler(), { candidates: 8 })];
    const spent = Array.from({ length: 30 }, (_, seed) => ({
      plain: spentUntil(plain, 0.025, seed, 120),
      aware: spentUntil(aware, 0.025, seed, 120),
    }));
    const sum = (which: "plain" | "aware"): number => spent.reduce((total, each) => total + each[which], 0);
    expect(sum("aware") / sum("plain")).toBeLessThan(0.6);
    expect(median(spent.map(({ plain: p, aware: a }) => a / p))).toBeLessThan(0.6);
  },
);

test("a price that is known counts from the first trial; a sampler that was used answers as a fresh one", () => {
  const sampler = costAwareSampler(tpeSampler(), { cost: costOf, candidates: 16 });
  const first = Array.from(
    { length: 20 },
    (_, seed) =>
      sampler.suggest(space, { direction: "minimize", trials: [] }, createRandom(seed)).params["size"] as number,
  );
  expect(median(first)).toBeLessThan(5);
  const trials = Array.from({ length: 12 }, (_, number): Trial => {
    const params = tpeSampler().suggest(space, { direction: "minimize", trials: [] }, createRandom(number)).params;
    const value = lossOf(params);
    return {
      number,
      state: "completed",
      params,
      explanation: {},
      value,
      values: [value],
      cost: { usd: costOf(params) },
      intermediates: [],
      attempts: 1,
    };
  });
  const context = { direction: "minimize", trials } as const;
  expect(sampler.suggest(space, context, createRandom(5))).toEqual(
    costAwareSampler(tpeSampler(), { cost: costOf, candidates: 16 }).suggest(space, context, createRandom(5)),
  );
  const suggestion = costAwareSampler(tpeSampler(), { candidates: 16 }).suggest(space, context, createRandom(5));
  const predicted = suggestion.explanation["predictedCost"] as number;
  const size = suggestion.params["size"] as number;
  expect(Math.abs(Math.log(predicted / size))).toBeLessThan(1);
});
