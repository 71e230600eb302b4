import { createRandom } from "@millwright/contracts";
import { type Direction, type Pruner, type Trial, curvePruner, medianPruner } from "@millwright/tuner";
import { expect, test } from "vitest";
import { forecast, studentBelow } from "../src/pruners/curve-fit.ts";

const horizon = 50;

interface Outcome {
  /** How much worse the best trial that was trained to the end is than the best of all would have been. */
  readonly regret: number;
  /** Share of the steps that were not trained. */
  readonly saved: number;
}

/** Twenty power laws a + b·t^−c with noise, one after the other; values lie between 0 and 2.3. */
function tune(pruner: Pruner, seed: number, direction: Direction, deviation: number): Outcome {
  const random = createRandom(seed);
  const sign = direction === "minimize" ? 1 : -1;
  const trials: Trial[] = [];
  let [used, best, found] = [0, Infinity, Infinity];
  for (let number = 0; number < 20; number += 1) {
    const [a, b, c] = [random.next(), 0.3 + random.next(), 0.3 + 1.2 * random.next()];
    const lossAt = (step: number): number => a + b * step ** -c;
    best = Math.min(best, lossAt(horizon));
    let trial: Trial = { number, state: "running", params: {}, explanation: {}, intermediates: [], attempts: 1 };
    for (let step = 1; step <= horizon && trial.state === "running"; step += 1) {
      used += 1;
      const value = sign * (lossAt(step) + deviation * random.normal());
      trial = { ...trial, intermediates: [...trial.intermediates, [step, value]] };
      if (pruner.judge({ direction, trial, trials: [...trials, trial] }).prune) trial = { ...trial, state: "pruned" };
    }
    const value = trial.intermediates.at(-1)?.[1] as number;
    if (trial.state === "running") found = Math.min(found, lossAt(horizon));
    trials.push(trial.state === "running" ? { ...trial, state: "completed", value, values: [value] } : trial);
  }
  return { regret: found - best, saved: 1 - used / (20 * horizon) };
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

for (const [direction, deviation] of [
  ["minimize", 0.01],
  ["maximize", 0.03],
] as const)
  test(`HT-20: on 500 power-law curves (${direction}, noise ${deviation}) stops lose at most 0.002 in the mean and save at least two thirds of the steps`, () => {
    const run = (pruner: Pruner) => Array.from({ length: 25 }, (_, seed) => tune(pruner, seed, direction, deviation));
    const outcomes = run(curvePruner());
    expect(meanOf(outcomes.map(({ regret }) => regret))).toBeLessThan(0.002);
    expect(Math.max(...outcomes.map(({ regret }) => regret))).toBeLessThan(0.05);
    const saved = meanOf(outcomes.map((outcome) => outcome.saved));
    expect(saved).toBeGreaterThan(2 / 3);
    // More than the median rule saves, which cannot tell what a curve comes to.
    expect(saved).toBeGreaterThan(meanOf(run(medianPruner()).map((outcome) => outcome.saved)) + 0.1);
  });

test("HT-20: the uncertainty of a forecast is honest: as many curves end below a quantile as it says", () => {
  const random = createRandom(5);
  const ranks: number[] = [];
  for (let count = 0; count < 400; count += 1) {
    const [a, b, c] = [random.next(), 0.3 + random.next(), 0.3 + 1.2 * random.next()];
    const steps = Array.from({ length: 4 + random.integer(12) }, (_, index) => index + 1);
    const lossAt = (step: number): number => a + b * step ** -c + 0.02 * random.normal();
    ranks.push(forecast({ steps, losses: steps.map(lossAt) }, horizon, 0.02).below(lossAt(horizon)));
  }
  for (const quantile of [0.05, 0.25, 0.5, 0.75, 0.95]) {
    const share = ranks.filter((rank) => rank < quantile).length / ranks.length;
    // Slower laws and exponentials have weight too, which these curves are not: forecasts are a little hopeful, and stops careful.
    expect(Math.abs(share - quantile), `quantile ${quantile}: ${share}`).toBeLessThan(0.15);
  }
  expect(ranks.filter((rank) => rank < 0.05).length / ranks.length).toBeLessThan(0.06);
});

test("a forecast without noise finds the law it was made with", () => {
  const steps = [1, 2, 3, 4, 5, 6, 8, 10];
  const seen = forecast({ steps, losses: steps.map((step) => 0.3 + 0.9 * step ** -0.65) }, horizon, 1e-6);
  // Rates are a grid: the nearest is within a fifteenth.
  expect(Math.abs(seen.mean - (0.3 + 0.9 * horizon ** -0.65))).toBeLessThan(0.015);
  expect(seen.below(0.2)).toBeLessThan(0.01);
  expect(seen.below(0.6)).toBeGreaterThan(0.99);
});

test("Student's distribution is SciPy's", () => {
  // scipy.stats.t.cdf(t, degrees) of SciPy 1.17.1.
  for (const [t, degrees, p] of [
    [-3.2, 0.5, 0.1779944628570926],
    [0.7, 1, 0.6944001122142147],
    [-12, 3.5, 0.0002872670964280638],
    [1.5, 7.25, 0.9120786419378002],
    [-2.2, 40.5, 0.016785796612663904],
    [4, 120, 0.9999450280786879],
  ] as const)
    expect(Math.abs(studentBelow(t, degrees) - p)).toBeLessThan(1e-12);
});

test("it waits for reports, for a trial to beat, and leaves what may still win; NaN is passed over", () => {
  const trialOf = (number: number, values: readonly number[], state: Trial["state"]): Trial => ({
    number,
    state,
    params: {},
    explanation: {},
    intermediates: values.map((value, index) => [index, value] as const),
    attempts: 1,
    ...(state === "completed" ? { value: values.at(-1), values: [values.at(-1) as number] } : {}),
  });
  const lossesTo = (level: number, count: number): readonly number[] =>
    Array.from({ length: count }, (_, index) => level + 1 / (index + 1));
  const best = trialOf(0, lossesTo(0.2, 40), "completed");
  const judge = (values: readonly number[], pruner = curvePruner(), trials = [best]) => {
    const trial = trialOf(1, values, "running");
    return pruner.judge({ direction: "minimize", trial, trials: [...trials, trial] });
  };
  expect(judge(lossesTo(2, 3)).prune).toBe(false);
  expect(judge(lossesTo(2, 8), curvePruner(), []).prune).toBe(false);
  expect(judge(lossesTo(0.1, 8)).prune).toBe(false);
  expect(judge(lossesTo(2, 8), curvePruner({ startupTrials: 2 })).prune).toBe(false);
  expect(judge(lossesTo(2, 8))).toMatchObject({
    prune: true,
    explanation: { rule: "curve", step: 7, horizon: 39, best: 0, chance: 0.05 },
  });
  expect(judge(lossesTo(2, 9).with(3, Number.NaN)).prune).toBe(true);
  expect(judge([Number.NaN, Number.NaN, Infinity, 3, 2]).prune).toBe(false);
  expect(() => curvePruner({ chance: 0 })).toThrow(RangeError);
});
