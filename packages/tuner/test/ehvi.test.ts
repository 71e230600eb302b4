import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type Sampler,
  type Trial,
  bestTrial,
  categorical,
  ehviSampler,
  float,
  gpSampler,
  hypervolume,
  int,
  isFeasible,
  openStudy,
  paretoFront,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import type { Acquisition } from "../src/gp/acquisition.ts";
import { combined, constraintModel, logFeasibility } from "../src/gp/feasibility.ts";
import { conditionGaussianProcess } from "../src/gp/gaussian-process.ts";
import { logHypervolumeImprovement, logHypervolumeImprovementBeyond } from "../src/multi/expected-hypervolume.ts";
import { median, peers, problems, runTrials } from "./fixtures/multi-objective-problems.ts";

for (const [problem, count] of [
  ["zdt1", 60],
  ["zdt2", 60],
  ["dtlz2", 100],
] as const) {
  test(`HT-16: log-EHVI dominates a tenth more of ${problem} in ${count} trials than Optuna's default`, () => {
    const { space, evaluate, reference } = problems[problem] as (typeof problems)[string];
    const volumes = [0, 1, 2].map((seed) => {
      const measure = (params: Params) => ({ values: evaluate(params) });
      const trials = runTrials(ehviSampler(), { space, measure, trials: count, seed, objectives: reference.length });
      return hypervolume(
        trials.map(({ values }) => values ?? []),
        reference,
      );
    });
    const peer = peers.results.find(
      (result) => result.problem === problem && result.sampler === "default" && result.trials === count,
    );
    expect(median(volumes)).toBeGreaterThanOrEqual(1.1 * median(peer?.hypervolumes ?? []));
  });
}

/** Models of random functions in three dimensions. */
const modelsOf = (objectives: number) => {
  const random = createRandom(12);
  const points = new Float64Array(36).map(() => random.next());
  const hyperparameters = { weights: Float64Array.of(2, 5, 1), scale: 1, noise: 1e-3 };
  return Array.from({ length: objectives }, () => {
    const targets = new Float64Array(12).map(() => random.normal());
    return conditionGaussianProcess({ dimensions: 3 }, hyperparameters, { points, targets });
  });
};

const frontOf = (objectives: number): number[][] =>
  Array.from({ length: objectives }, (_, axis) =>
    Array.from({ length: objectives }, (__, objective) => (axis === objective ? 0.5 : -0.6)),
  );

const constraint = () => {
  const random = createRandom(3);
  const points = new Float64Array(30).map(() => random.next());
  const values = Float64Array.from({ length: 10 }, (_, row) => (points[3 * row] as number) - 0.4);
  const model = constraintModel({ dimensions: 3 }, points, values, undefined);
  if (model === undefined) throw new Error("no model");
  return { key: "constraint0", ...model };
};

const pending = { points: Float64Array.of(0.2, 0.3, 0.9, 0.7, 0.6, 0.1), count: 2 };
const reference = [1, 1, 1];

const acquisitions: Readonly<Record<string, () => Acquisition>> = {
  "log-EHVI of two objectives": () => logHypervolumeImprovement(modelsOf(2), frontOf(2), [1, 1]),
  "log-EHVI of three objectives": () => logHypervolumeImprovement(modelsOf(3), frontOf(3), reference),
  "log-EHVI beyond pending trials": () =>
    logHypervolumeImprovementBeyond(modelsOf(3), frontOf(3), reference, pending, createRandom(5)),
  feasibility: () => logFeasibility([constraint()]),
  "log-EHVI by feasibility": () =>
    combined([logHypervolumeImprovement(modelsOf(2), frontOf(2), [1, 1]), logFeasibility([constraint()])]),
};

for (const [name, make] of Object.entries(acquisitions)) {
  test(`the gradient of ${name} is that of its values`, () => {
    const acquisition = make();
    const random = createRandom(8);
    for (let round = 0; round < 10; round += 1) {
      const point = Float64Array.from({ length: 3 }, () => 0.05 + 0.9 * random.next());
      const gradient = new Float64Array(3);
      const value = acquisition.evaluate(point, gradient);
      expect(value).toBeCloseTo(acquisition.values(point, 1)[0] as number, 9);
      for (let k = 0; k < 3; k += 1) {
        const [above, below] = [1e-5, -1e-5].map((step) => {
          const moved = point.map((x, index) => (index === k ? x + step : x));
          return acquisition.values(moved, 1)[0] as number;
        }) as [number, number];
        const slope = (above - below) / 2e-5;
        expect(Math.abs((gradient[k] as number) - slope)).toBeLessThan(1e-4 * Math.max(1, Math.abs(slope)));
      }
    }
  });
}

test("what pending trials may bring is not looked for once more", () => {
  const models = modelsOf(2);
  const alone = logHypervolumeImprovement(models, frontOf(2), [1, 1]);
  const random = createRandom(2);
  const points = new Float64Array(600).map(() => random.next());
  const values = alone.values(points, 200);
  const best = [...values.keys()].reduce(
    (most, row) => ((values[row] as number) > (values[most] as number) ? row : most),
    0,
  );
  const chosen = points.slice(3 * best, 3 * best + 3);
  const beyond = logHypervolumeImprovementBeyond(
    models,
    frontOf(2),
    [1, 1],
    { points: chosen, count: 1 },
    createRandom(5),
  );
  expect(beyond.values(chosen, 1)[0]).toBeLessThan((values[best] as number) - 1);
  // Beyond a pending trial there is never more to gain, on the mean over its outcomes.
  const after = beyond.values(points, 200);
  const higher = [...after.keys()].filter((row) => (after[row] as number) > (values[row] as number) + 0.3);
  expect(higher.length).toBeLessThan(20);
});

const branin = ({ x, y }: { readonly x: number; readonly y: number }): number =>
  (y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6) ** 2 +
  10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) +
  10;
/** At most 0 inside of a circle that holds none of Branin's three minima. */
const circle = ({ x, y }: { readonly x: number; readonly y: number }): number => (x - 2.5) ** 2 + (y - 7.5) ** 2 - 20;
const braninSpace = { x: float(-5, 10), y: float(0, 15) };

function feasibleOptimum(): number {
  let best = Infinity;
  for (let column = 0; column <= 1_500; column += 1) {
    for (let row = 0; row <= 1_500; row += 1) {
      const point = { x: -5 + column / 100, y: row / 100 };
      if (circle(point) <= 0) best = Math.min(best, branin(point));
    }
  }
  return best;
}

const modelled: Readonly<Record<string, () => Sampler>> = { gp: () => gpSampler(), ehvi: () => ehviSampler() };

for (const [name, make] of Object.entries(modelled))
  test(`HT-17: ${name} finds the feasible optimum of Branin inside a measured constraint, and reports it as the best`, async () => {
    const optimum = feasibleOptimum();
    for (const seed of [1, 2, 3]) {
      await using study = await openStudy({
        name: `branin ${seed}`,
        space: braninSpace,
        direction: "minimize",
        seed,
        sampler: make(),
      });
      await study.optimize(({ params }) => ({ value: branin(params), constraints: [circle(params)] }), { trials: 50 });
      const best = await study.best();
      expect(isFeasible(best)).toBe(true);
      expect(circle(best.params)).toBeLessThanOrEqual(0);
      expect(best.value - optimum).toBeLessThan(0.05);
      // The unconstrained minima were seen, or their neighbourhood, and not taken for the best.
      expect(best.value).toBeGreaterThan(optimum - 0.05);
    }
  });

for (const [name, make] of Object.entries(modelled))
  test(`HT-17: where nothing is feasible yet, trials of ${name} go where that is likelier`, () => {
    const measure = ({ x, y }: Params) => {
      const away = Math.hypot((x as number) - 0.83, (y as number) - 0.21);
      return { values: [x as number], constraintValues: [away - 0.06] };
    };
    const space = { x: float(0, 1), y: float(0, 1) };
    let found = 0;
    for (const seed of [1, 2, 3, 4]) {
      const trials = runTrials(make(), { space, measure, trials: 25, seed });
      if (isFeasible(bestTrial(trials, "minimize") as Trial)) found += 1;
      expect(trials.at(-1)?.explanation["constraint0"]).toHaveLength(5);
    }
    // Random draws would find the 1 % that is feasible in 22 of 100 studies.
    expect(found).toBeGreaterThanOrEqual(3);
  });

const mixed = {
  rate: float(1e-4, 1, { log: true }),
  layers: int(1, 4),
  kind: categorical(["a", "b", "c"]),
  momentum: when("kind", ["b"], float(0, 1)),
};

const measureMixed = ({ rate, layers, momentum = 0.7 }: Params) => ({
  values: [(Math.log10(rate as number) + 2) ** 2 + (momentum as number), layers as number],
  constraintValues: [(layers as number) - 3.5],
});

test("ehvi depends on nothing but the trials: a used sampler, a new one and one after a restart agree", () => {
  const used = ehviSampler({ candidates: 64, starts: 2 });
  const make = (): Sampler => ehviSampler({ candidates: 64, starts: 2 });
  const trials = runTrials(used, { space: mixed, measure: measureMixed, trials: 24, seed: 4, objectives: 2 });
  const restored = JSON.parse(JSON.stringify(trials)) as Trial[];
  const context = { direction: "minimize", directions: ["minimize", "minimize"] } as const;
  for (const count of [0, 9, 12, 17, 23]) {
    const known = restored.slice(0, count);
    const suggestion = make().suggest(mixed, { ...context, trials: known }, createRandom(4).fork(count));
    expect(suggestion.params).toEqual(trials[count]?.params);
    expect(JSON.parse(JSON.stringify(suggestion.explanation))).toEqual(restored[count]?.explanation);
  }
  const busy = restored.map((trial): Trial =>
    trial.number % 7 === 6 ? { ...trial, state: "running", values: undefined } : trial,
  );
  const one = make().suggest(mixed, { ...context, trials: busy }, createRandom(1));
  expect(one).toEqual(used.suggest(mixed, { ...context, trials: busy }, createRandom(1)));
  expect(one.explanation["pending"]).toBe(3);
  expect(busy.some(({ params }) => JSON.stringify(params) === JSON.stringify(one.params))).toBe(false);
});

test("gp searches several objectives as ehvi does", () => {
  const options = { space: mixed, measure: measureMixed, trials: 14, seed: 2, objectives: 2 };
  const [one, other] = [gpSampler({ candidates: 64, starts: 2 }), ehviSampler({ candidates: 64, starts: 2 })].map(
    (each) => runTrials(each, options),
  );
  expect(one).toEqual(other);
  expect(one?.at(-1)?.explanation["acquisition"]).toBe("hypervolume");
});

test("five objectives are searched by random scalarisations, and better than at random", () => {
  const space = Object.fromEntries(Array.from({ length: 4 }, (_, index) => [`x${index}`, float(0, 1)]));
  const measure = (params: Params) => {
    const xs = Object.values(params) as number[];
    // Each objective draws towards another corner of the first coordinates; the last is best at a quarter.
    const away = ((xs[3] as number) - 0.25) ** 2;
    return {
      values: [0, 1, 2, 3, 4].map((objective) => Math.abs((xs[objective % 3] as number) - objective / 5) + 3 * away),
    };
  };
  const trials = runTrials(ehviSampler({ candidates: 128, starts: 2 }), { space, measure, trials: 40, objectives: 5 });
  expect(trials.at(-1)?.explanation["acquisition"]).toBe("scalarised");
  const late = trials.slice(20).map(({ params }) => Math.abs((params["x3"] as number) - 0.25));
  expect(median(late)).toBeLessThan(0.1);
  expect(paretoFront(trials, trials[0]?.values?.map(() => "minimize" as const) ?? []).length).toBeGreaterThan(10);
});

test("options that are none are refused", () => {
  expect(() => ehviSampler({ startupTrials: 0 })).toThrow(RangeError);
  expect(() => ehviSampler({ candidates: 1.5 })).toThrow(RangeError);
  const context = { direction: "minimize", directions: ["minimize", "minimize"], trials: [] } as const;
  const wrong = ehviSampler({ reference: [1] });
  expect(() => wrong.suggest({ x: float(0, 1) }, context, createRandom(1))).toThrow(RangeError);
});
