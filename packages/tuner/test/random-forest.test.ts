import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type Space,
  type Trial,
  categorical,
  float,
  int,
  linear,
  ordinal,
  permutation,
  randomForestSampler,
  randomSampler,
  subset,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { trialTargets } from "../src/forest/targets.ts";
import { validateParams } from "../src/space-check.ts";
import { lowest, simulate, wilcoxonBelow } from "./simulate.ts";

const mixed = {
  optimizer: categorical(["adam", "sgd", "rmsprop", "lion"]),
  momentum: when("optimizer", ["sgd"], float(0, 0.99)),
  schedule: when("optimizer", ["sgd"], categorical(["cosine", "step", "none"])),
  lr: float(1e-5, 1, { log: true }),
  layers: int(1, 12),
  width: ordinal([16, 32, 64, 128]),
  order: permutation(["a", "b", "c"]),
  parts: subset(["x", "y", "z"], { min: 1, max: 2 }),
} satisfies Space;

const loss = ({ optimizer, momentum, schedule, lr, layers, width }: Params): number =>
  (optimizer === "sgd"
    ? (Number(momentum) - 0.8) ** 2 + (schedule === "cosine" ? 0 : 0.3)
    : optimizer === "adam"
      ? 0.4
      : 1) +
  0.3 * (Math.log10(Number(lr)) + 2) ** 2 +
  0.05 * Math.abs(Number(layers) - 4) +
  0.1 * Math.abs(Math.log2(Number(width)) - 6);

const search = (
  sampler: typeof randomSampler | typeof randomForestSampler,
  space: Space,
  objective: (params: Params) => number,
  trials: number,
) =>
  Array.from({ length: 12 }, (_, seed) =>
    lowest(simulate({ space, sampler: sampler(), objective, trials, seed, context: { plannedTrials: trials } })),
  );

test("the random forest beats random search on choices with conditions", () => {
  const ours = search(randomForestSampler, mixed, loss, 60);
  expect(wilcoxonBelow(ours, search(randomSampler, mixed, loss, 60))).toBeLessThan(0.01);
});

test("the random forest beats random search on numbers", () => {
  const space = Object.fromEntries(Array.from({ length: 4 }, (_, index) => [`x${index}`, float(-5, 5)]));
  const ellipsoid = (params: Params): number =>
    Object.values(params).reduce<number>((sum, value, index) => sum + 4 ** index * (Number(value) - 1.7) ** 2, 0);
  const ours = search(randomForestSampler, space, ellipsoid, 60);
  expect(wilcoxonBelow(ours, search(randomSampler, space, ellipsoid, 60))).toBeLessThan(0.01);
});

test("a sampler that was never used before suggests what a used one does", () => {
  const objective = (params: Params, number: number) =>
    number % 7 === 3 ? ("fail" as const) : number % 5 === 2 ? { pruned: loss(params) } : loss(params);
  const run = { space: mixed, objective, trials: 40, seed: 3, workers: 4 };
  const used = simulate({ ...run, sampler: randomForestSampler() });
  expect(simulate({ ...run, sampler: () => randomForestSampler() })).toEqual(used);
  expect(new Set(used.map(({ explanation }) => explanation["phase"]))).toEqual(new Set(["design", "random", "model"]));
});

test("every suggestion is in the domain, keeps the constraints and is new", () => {
  const constraints = [linear({ layers: 1, lr: 10 }, { atMost: 9 })];
  const sampler = randomForestSampler({ candidates: 20 });
  const trials = simulate({ space: mixed, sampler, objective: loss, trials: 30, seed: 3, context: { constraints } });
  const random = createRandom(8);
  const more = Array.from({ length: 150 }, () =>
    sampler.suggest(mixed, { direction: "minimize", trials, constraints }, random),
  );
  for (const { params } of [...trials, ...more]) {
    validateParams(mixed, params);
    expect(Number(params["layers"]) + 10 * Number(params["lr"])).toBeLessThanOrEqual(9 + 1e-9);
  }
  const tried = new Set(trials.map(({ params }) => JSON.stringify(params)));
  for (const { params, explanation } of more)
    if (explanation["phase"] === "model") expect(tried.has(JSON.stringify(params))).toBe(false);
});

test("the design fills the space evenly, is a tenth of the budget, and differs from seed to seed", () => {
  const space = { x: float(0, 1), y: float(0, 1) };
  const design = (seed: number) =>
    simulate({
      space,
      sampler: () => randomForestSampler(),
      objective: () => 1,
      trials: 40,
      seed,
      workers: 40,
      context: { plannedTrials: 160 },
    })
      .filter(({ explanation }) => explanation["phase"] === "design")
      .map(({ params }) => Number(params["x"]));
  const [first, second] = [design(1), design(2)];
  expect(first).toHaveLength(16);
  // A Sobol sequence puts one of the first sixteen into each sixteenth.
  expect(new Set(first.map((x) => Math.floor(16 * x))).size).toBe(16);
  expect(second).not.toEqual(first);
});

test("workers side by side get different points", () => {
  const trials = simulate({
    space: { x: float(0, 1), y: float(0, 1) },
    sampler: randomForestSampler({ randomShare: 0 }),
    objective: ({ x, y }) => (Number(x) - 0.4) ** 2 + (Number(y) - 0.6) ** 2,
    trials: 60,
    seed: 2,
    workers: 8,
  });
  const points = trials.slice(20).map(({ params }) => [Number(params["x"]), Number(params["y"])] as const);
  for (const [index, [x, y]] of points.entries())
    for (const [a, b] of points.slice(Math.max(0, index - 8), index))
      expect(Math.hypot(x - a, y - b)).toBeGreaterThan(1e-6);
  expect(lowest(trials)).toBeLessThan(0.005);
});

test("what the forest learns of infeasible, pruned, failed and running trials is no better than the median", () => {
  const trial = { params: {}, explanation: {}, intermediates: [], attempts: 1 };
  const trials = [
    { ...trial, number: 0, state: "completed", value: 1 },
    { ...trial, number: 1, state: "completed", value: 5 },
    { ...trial, number: 2, state: "completed", value: 3 },
    { ...trial, number: 3, state: "completed", value: 0, constraintValues: [0.5] },
    { ...trial, number: 4, state: "failed" },
    { ...trial, number: 5, state: "running" },
    { ...trial, number: 6, state: "pruned", intermediates: [[1, 4]] },
    { ...trial, number: 7, state: "pruned", intermediates: [[1, 0.1]] },
  ] as const;
  const targets = trialTargets(trials, { direction: "minimize", trials }, createRandom(1));
  expect([...(targets ?? [])]).toEqual([1, 5, 3, 5, 3, 3, 4, 3]);
  expect(trialTargets(trials.slice(4), { direction: "minimize", trials }, createRandom(1))).toBeUndefined();
  const maximized = trialTargets(trials.slice(0, 3), { direction: "maximize", trials }, createRandom(1));
  expect([...(maximized ?? [])]).toEqual([-1, -5, -3]);
});

test("two objectives are weighed anew for each suggestion, and the whole front is approached", () => {
  const space = { x: float(0, 1), y: float(0, 1) };
  const sampler = randomForestSampler();
  const trials: Trial[] = [];
  const random = createRandom(6);
  const directions = ["minimize", "maximize"] as const;
  for (let number = 0; number < 60; number += 1) {
    const suggestion = sampler.suggest(
      space,
      { direction: "minimize", directions, trials: [...trials] },
      random.fork(number),
    );
    const { x, y } = suggestion.params as { x: number; y: number };
    trials.push({
      number,
      state: "completed",
      ...suggestion,
      values: [x ** 2 + y, -((x - 1) ** 2) - y],
      intermediates: [],
      attempts: 1,
    });
  }
  const near = trials.slice(30).filter(({ params }) => Number(params["y"]) < 0.1);
  expect(near.length).toBeGreaterThan(15);
  expect(near.some(({ params }) => Number(params["x"]) < 0.3)).toBe(true);
  expect(near.some(({ params }) => Number(params["x"]) > 0.7)).toBe(true);
});

test("options that make no sense are refused", () => {
  for (const options of [{ trees: 0 }, { candidates: 1.5 }, { startupTrials: -1 }, { randomShare: 1.1 }])
    expect(() => randomForestSampler(options)).toThrow(RangeError);
});
