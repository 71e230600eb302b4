import { createRandom } from "@millwright/contracts";
import {
  type Direction,
  type Pruner,
  type Trial,
  curvePruner,
  float,
  medianPruner,
  openStudy,
  randomSampler,
} from "@millwright/tuner";
import { replayStudy } from "@millwright/tuner/insight";
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
    expect(saved).toBeGreaterThan(meanOf(run(medianPruner()).map((outcome) => outcome.saved)) + 0.08);
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

const late = (step: number): number => 1 / (1 + Math.exp((step - 30) / 2));

/** A curve that tells nothing before step 25, then falls to its level. */
const lateTrial = (number: number, level: number, count: number, state: Trial["state"]): Trial => {
  const values = Array.from(
    { length: count },
    (_, index) => level + (2 - level) * late(index + 1) + 1e-3 * (index % 3),
  );
  return {
    number,
    state,
    params: {},
    explanation: {},
    intermediates: values.map((value, index) => [index + 1, value] as const),
    attempts: 1,
    ...(state === "completed" ? { value: values.at(-1), values: [values.at(-1) as number] } : {}),
  };
};

test("a curve that says little early is not stopped early, once forecasts of others have failed there; one that is behind is stopped after the fall", () => {
  const pruner = curvePruner();
  const completed = [1, 0.8, 1.2, 0.5].map((level, number) => lateTrial(number, level, horizon, "completed"));
  const judge = (trial: Trial) => pruner.judge({ direction: "minimize", trial, trials: [...completed, trial] });
  for (const step of [6, 10, 15, 20])
    expect(judge(lateTrial(4, 0.3, step, "running")).prune, `step ${step}`).toBe(false);
  const { prune, explanation } = judge(lateTrial(4, 1.5, 45, "running")) as { prune: boolean; explanation: object };
  expect(prune).toBe(true);
  expect(explanation).toMatchObject({ rule: "curve", outcomes: 4, best: 3 });
  // Without what the others came to, it would be stopped: its curve is flat.
  const blind = completed.map((trial): Trial => ({ ...trial, intermediates: trial.intermediates.slice(-1) }));
  const early = lateTrial(4, 0.3, 15, "running");
  expect(pruner.judge({ direction: "minimize", trial: early, trials: [...blind, early] }).prune).toBe(true);
});

test("with pause, a trial goes on where it has the greatest chance, and gets half as far again before it pauses", () => {
  const pruner = curvePruner({ pause: true });
  const falling = (number: number, level: number, count: number, state: Trial["state"]): Trial => ({
    ...lateTrial(number, level, count, state),
    intermediates: Array.from({ length: count }, (_, index) => [index + 1, level + 1 / (index + 1)] as const),
    ...(state === "completed" ? { value: level + 1 / count, values: [level + 1 / count] } : {}),
  });
  const best = falling(0, 0.2, horizon, "completed");
  const bad = falling(1, 2, 8, "running");
  const verdict = pruner.judge({ direction: "minimize", trial: bad, trials: [best, bad] });
  expect(verdict).toMatchObject({ prune: false, pause: true, explanation: { rule: "curve", step: 8, best: 0 } });
  const explanation = verdict.prune || verdict.pause !== true ? {} : verdict.explanation;
  const again = (count: number) => {
    const trial: Trial = { ...falling(1, 2, count, "running"), verdict: explanation, attempts: 2 };
    return pruner.judge({ direction: "minimize", trial, trials: [best, trial] }) as { pause?: boolean };
  };
  expect([9, 11, 12].map((count) => again(count).pause)).toEqual([undefined, undefined, true]);
  // The paused trial that would now win goes on, whatever its turn; of those without hope, none does.
  const promising = falling(2, 0.05, 12, "paused");
  const trials = [best, falling(1, 2, 12, "paused"), promising];
  expect(pruner.promote?.({ direction: "minimize", trials })).toBe(2);
  const completed = [0.2, 0.4, 0.6].map((level, number) => falling(number, level, horizon, "completed"));
  const behind = Array.from({ length: 12 }, (_, index) => falling(3 + index, 3, 40, "paused"));
  expect(pruner.promote?.({ direction: "minimize", trials: [...completed, ...behind] })).toBeUndefined();
  expect(pruner.promote?.({ direction: "minimize", trials: [] })).toBeUndefined();
  expect(() => curvePruner({ pause: 1 as unknown as boolean })).toThrow(TypeError);
});

test("a study whose trials pause by their curves trains no step twice, gets to the best of them, and is replayed", async () => {
  const options = { space: { level: float(0, 1), scale: float(0.5, 2) }, sampler: randomSampler(), seed: 3 } as const;
  await using study = await openStudy({
    ...options,
    name: "curves",
    direction: "maximize",
    pruner: curvePruner({ pause: true }),
  });
  const trained = new Map<string, number>();
  const random = createRandom(1);
  await study.optimize(
    async ({ number, params: { level, scale }, checkpoint, report }) => {
      const valueAt = (step: number): number => level - scale / step + 0.005 * random.normal();
      let value = 0;
      for (let step = Number(checkpoint ?? 0) + 1; step <= 40; step += 1) {
        trained.set(`${number}/${step}`, (trained.get(`${number}/${step}`) ?? 0) + 1);
        value = valueAt(step);
        if ((await report(step, value, { checkpoint: String(step) })) !== "continue") return value;
      }
      return value;
    },
    { trials: 30 },
  );
  const trials = await study.trials();
  expect(Math.max(...trained.values())).toBe(1);
  expect(trained.size).toBeLessThan((2 / 3) * 30 * 40);
  expect(trials.some(({ state }) => state === "paused")).toBe(true);
  expect(trials.some(({ attempts, verdict }) => attempts > 1 && verdict?.["rule"] === "curve")).toBe(true);
  const finalOf = ({ params }: Trial): number => Number(params["level"]) - Number(params["scale"]) / 40;
  const best = await study.best();
  expect(finalOf(best)).toBeGreaterThan(Math.max(...trials.map(finalOf)) - 0.02);
  const recorded = { ...study, ...options, direction: "maximize" as const, trials, history: await study.history() };
  const replayed = replayStudy(recorded, { sampler: randomSampler(), pruner: curvePruner({ pause: true }) });
  expect(replayed.same).toBe(true);
});
