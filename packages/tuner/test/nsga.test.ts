import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type Sampler,
  type Trial,
  bestCompromise,
  categorical,
  float,
  hypervolume,
  hypervolumeHistory,
  int,
  isFeasible,
  kneePoint,
  linear,
  nsga2Sampler,
  nsga3Sampler,
  openStudy,
  paretoFront,
  permutation,
  subset,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { dominates } from "../src/multi/domination.ts";
import { median, peers, problems, runTrials } from "./fixtures/multi-objective-problems.ts";

const peerOf = (problem: string, sampler: string): number =>
  median(
    peers.results.find((each) => each.problem === problem && each.sampler === sampler && each.trials === 200)
      ?.hypervolumes ?? [],
  );

const samplers: Readonly<Record<string, () => Sampler>> = { nsga2: nsga2Sampler, nsga3: nsga3Sampler };

for (const [problem, { space, evaluate, reference }] of Object.entries(problems)) {
  for (const [name, make] of Object.entries(samplers)) {
    test(`HT-16: ${name} dominates as much of ${problem} in 200 trials as Optuna's, and no point of its front is dominated`, () => {
      const objectives = reference.length;
      const volumes = [0, 1, 2, 3, 4, 5, 6].map((seed) => {
        const measure = (params: Params) => ({ values: evaluate(params) });
        const trials = runTrials(make(), { space, measure, trials: 200, seed, objectives });
        const directions = reference.map(() => "minimize" as const);
        const front = paretoFront(trials, directions);
        for (const { values } of front)
          expect(trials.some((other) => dominates(other.values ?? [], values ?? []))).toBe(false);
        const volume = hypervolume(
          front.map(({ values }) => values ?? []),
          reference,
        );
        const history = hypervolumeHistory(trials, directions, reference);
        expect(history.at(-1)?.hypervolume).toBeCloseTo(volume, 10);
        expect(history.every((point, index) => point.hypervolume >= (history[index - 1]?.hypervolume ?? 0))).toBe(true);
        return volume;
      });
      expect(median(volumes)).toBeGreaterThanOrEqual(peerOf(problem, name));
      expect(median(volumes)).toBeGreaterThan(1.02 * peerOf(problem, "random"));
    });
  }
}

const trialOf = (number: number, values: readonly number[], constraintValues?: readonly number[]): Trial => ({
  number,
  state: "completed",
  params: {},
  explanation: {},
  values,
  constraintValues,
  intermediates: [],
  attempts: 1,
});

test("HT-16: dominated, infeasible and unfinished trials are never on the front, whatever the directions", () => {
  for (let seed = 0; seed < 300; seed += 1) {
    const random = createRandom(seed);
    const objectives = 1 + random.integer(4);
    const directions = Array.from({ length: objectives }, () => (random.next() < 0.5 ? "minimize" : "maximize"));
    const trials = Array.from({ length: 1 + random.integer(40) }, (_, number): Trial => {
      const values = Array.from({ length: objectives }, () => random.integer(8) - 4);
      const trial = trialOf(number, values, random.next() < 0.3 ? [1 - random.integer(3)] : undefined);
      return random.next() < 0.1 ? { ...trial, state: "failed" } : trial;
    });
    const losses = ({ values = [] }: Trial): number[] =>
      values.map((value, objective) => (directions[objective] === "maximize" ? -value : value));
    const rivals = trials.filter((trial) => trial.state === "completed" && isFeasible(trial));
    const expected = rivals.filter((one) => !rivals.some((other) => dominates(losses(other), losses(one))));
    expect(paretoFront(trials, directions)).toEqual(expected);
  }
});

test("preferences choose the trial of the front that serves them, also on a concave front", () => {
  const directions = ["minimize", "maximize"] as const;
  // f² + (1 − g)² = 1: concave, so no weighted sum would choose an inner point.
  const trials = Array.from({ length: 21 }, (_, number) => {
    const angle = (number / 20) * (Math.PI / 2);
    return trialOf(number, [Math.sin(angle), 1 - Math.cos(angle)]);
  });
  expect(bestCompromise(trials, directions, [1, 0])?.number).toBe(0);
  expect(bestCompromise(trials, directions, [0, 5])?.number).toBe(20);
  expect(bestCompromise(trials, directions, [1, 1])?.number).toBe(10);
  const leaning = bestCompromise(trials, directions, [3, 1])?.number ?? 0;
  expect(leaning).toBeGreaterThan(0);
  expect(leaning).toBeLessThan(10);
  expect(bestCompromise([], directions, [1, 1])).toBeUndefined();
  for (const weights of [[1], [0, 0], [-1, 2], [Number.NaN, 1]])
    expect(() => bestCompromise(trials, directions, weights)).toThrow(RangeError);
});

test("the knee is where a convex front bends", () => {
  const trials = [0, 1, 2, 3, 4].map((number) => trialOf(number, [number, [10, 2, 1, 0.5, 0][number] as number]));
  expect(kneePoint(trials, ["minimize", "minimize"])?.number).toBe(1);
});

const mixed = {
  rate: float(1e-4, 1, { log: true }),
  layers: int(1, 4),
  kind: categorical(["a", "b", "c"]),
  momentum: when("kind", ["b"], float(0, 1)),
  order: permutation(["p", "q", "r"]),
  parts: subset(["u", "v", "w"], { min: 1 }),
};

const measureMixed = (params: Params) => {
  const rate = Math.log10(params["rate"] as number);
  const momentum = (params["momentum"] as number | undefined) ?? 0.7;
  const length = (params["parts"] as readonly string[]).length;
  return {
    values: [
      (rate + 2) ** 2 + momentum,
      (params["layers"] as number) + length - ((params["order"] as string[])[0] === "r" ? 1 : 0),
    ],
    constraintValues: [(params["layers"] as number) - 3.5],
  };
};

for (const [name, make] of Object.entries(samplers)) {
  test(`${name} depends on nothing but the trials: a used sampler, a new one and one after a restart agree`, () => {
    const used = make();
    const options = { space: mixed, measure: measureMixed, trials: 130, seed: 4, objectives: 2 };
    const constraints = [linear({ rate: 1, layers: 0.1 }, { atMost: 1 })];
    const trials = runTrials(used, { ...options, constraints });
    for (const trial of trials) {
      expect((trial.params["rate"] as number) + 0.1 * (trial.params["layers"] as number)).toBeLessThanOrEqual(1);
      expect("momentum" in trial.params).toBe(trial.params["kind"] === "b");
    }
    const restored = JSON.parse(JSON.stringify(trials)) as Trial[];
    for (const count of [0, 49, 50, 99, 100, 129]) {
      const context = { direction: "minimize", directions: ["minimize", "minimize"], constraints } as const;
      const suggest = (sampler: Sampler, known: readonly Trial[]) =>
        sampler.suggest(mixed, { ...context, trials: known.slice(0, count) }, createRandom(4).fork(count));
      expect(suggest(make(), restored)).toEqual(suggest(used, trials));
      expect(suggest(make(), restored).params).toEqual(trials[count]?.params);
    }
    expect(trials.map(({ explanation }) => explanation["generation"])).toEqual(
      trials.map((_, number) => Math.floor(number / 50)),
    );
  });
}

test("parents are told, and a generation whose trials fail goes on until enough have completed", () => {
  const sampler = nsga2Sampler({ population: 4, crossover: "sbx", mutation: "polynomial" });
  const space = { x: float(0, 1), y: float(0, 1) };
  const measure = ({ x, y }: Params) => ({ values: [x as number, 1 - (x as number) + (y as number)] });
  const trials = runTrials(sampler, { space, measure, trials: 8, objectives: 2 });
  for (const { explanation } of trials.slice(4)) {
    expect(explanation["generation"]).toBe(1);
    expect((explanation["parents"] as number[]).every((parent) => parent < 4)).toBe(true);
  }
  const failed = trials.map((trial): Trial => (trial.number === 5 ? { ...trial, state: "failed" } : trial));
  const context = { direction: "minimize", directions: ["minimize", "minimize"] } as const;
  expect(sampler.suggest(space, { ...context, trials: failed }, createRandom(1)).explanation["generation"]).toBe(1);
  expect(sampler.suggest(space, { ...context, trials }, createRandom(1)).explanation["generation"]).toBe(2);
});

test("NSGA-II with constraints finds the front inside of them", () => {
  const space = { x: float(0, 1), y: float(0, 1) };
  // The free optimum is y = 0; only a quarter of the square is feasible, where x + y ≥ 1.2 by a measured constraint.
  const measure = ({ x, y }: Params) => ({
    values: [x as number, y as number],
    constraintValues: [1.2 - (x as number) - (y as number)],
  });
  const trials = runTrials(nsga2Sampler({ population: 20, mutation: "polynomial", crossover: "sbx" }), {
    space,
    measure,
    trials: 400,
    objectives: 2,
  });
  const front = paretoFront(trials, ["minimize", "minimize"]);
  expect(front.length).toBeGreaterThan(15);
  expect(front.every(isFeasible)).toBe(true);
  const late = trials.slice(200).filter(isFeasible).length;
  expect(late).toBeGreaterThan(100);
  expect(median(front.map(({ values }) => (values?.[0] ?? 0) + (values?.[1] ?? 0)))).toBeLessThan(1.25);
});

test("a study of two objectives gives its front, without what its constraints measured as infeasible", async () => {
  const space = { x: float(0, 1), y: float(0, 1) };
  await using study = await openStudy({
    name: "front",
    space,
    directions: ["minimize", "maximize"],
    sampler: nsga2Sampler({ population: 10 }),
    seed: 2,
  });
  await study.optimize(({ params: { x, y } }) => ({ values: [x, y - x], constraints: [y - 0.9] }), { trials: 60 });
  const front = await study.front();
  expect(front.length).toBeGreaterThan(0);
  for (const { values, params } of front) {
    expect(params.y).toBeLessThanOrEqual(0.9);
    expect(values).toEqual([params.x, params.y - params.x]);
  }
});

test("samplers refuse what is no option at once", () => {
  expect(() => nsga2Sampler({ population: 1 })).toThrow(RangeError);
  expect(() => nsga2Sampler({ crossoverProbability: 2 })).toThrow(RangeError);
  expect(() => nsga2Sampler({ mutationEta: -1 })).toThrow(RangeError);
  expect(() => nsga3Sampler({ divisions: 0 })).toThrow(RangeError);
  expect(() => nsga3Sampler({ directions: [[0, 0]] })).toThrow(RangeError);
  const context = { direction: "minimize", directions: ["minimize", "minimize"], trials: [] } as const;
  const three = nsga3Sampler({ directions: [[1, 1, 1]] });
  expect(() => three.suggest({ x: float(0, 1) }, context, createRandom(1))).toThrow(RangeError);
});
