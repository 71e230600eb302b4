import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type Sampler,
  type Trial,
  categorical,
  float,
  int,
  randomSampler,
  tpeSampler,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { logNormalMass } from "../src/samplers/normal-mass.ts";
import { parzenEstimator } from "../src/samplers/parzen.ts";
import { goodTrials, splitTrials, trialWeights } from "../src/samplers/tpe.ts";

interface Golden {
  readonly cases: readonly {
    readonly observations: readonly Params[];
    readonly points: readonly Params[];
    readonly logDensity: readonly number[];
  }[];
  readonly normalMass: { readonly rows: readonly (readonly [number, number, number])[] };
}

const golden = JSON.parse(readFileSync(new URL("golden/optuna-5.0.0-parzen.json", import.meta.url), "utf8")) as Golden;

const space = {
  lr: float(1e-4, 1e-1, { log: true }),
  momentum: float(0, 0.9),
  units: int(8, 64, { step: 8 }),
  layers: int(1, 6, { log: true }),
  optimizer: categorical(["adam", "sgd", "rmsprop"]),
};

for (const { observations, points, logDensity } of golden.cases) {
  test(`the density of ${observations.length} observations equals Optuna's`, () => {
    const estimator = parzenEstimator(space, observations, trialWeights(observations.length));
    const ours = points.map((point) => estimator.logDensity(point));
    // Densities are known up to one constant, so the first point is taken as the zero.
    for (const [index, value] of ours.entries()) {
      expect(value - (ours[0] as number)).toBeCloseTo((logDensity[index] as number) - (logDensity[0] as number), 9);
    }
  });
}

test("the mass of a normal interval is exact in the middle and in both tails", () => {
  for (const [low, high, expected] of golden.normalMass.rows) {
    expect(Math.abs(logNormalMass(low, high) - expected)).toBeLessThan(1e-11 * Math.max(1, Math.abs(expected)));
  }
});

test("samples follow the density they are drawn from", () => {
  const observations = golden.cases[3]?.observations ?? [];
  const estimator = parzenEstimator({ momentum: space.momentum }, observations, trialWeights(observations.length));
  const random = createRandom(11);
  const draws = Array.from({ length: 20_000 }, () => estimator.sample(random)["momentum"] as number).toSorted(
    (a, b) => a - b,
  );
  // Kolmogorov-Smirnov distance to the integral of the density, by the trapezoid rule on 2,000 cells; p = 0.001 at 1.95/√n.
  const cells = 2_000;
  const density = Array.from({ length: cells + 1 }, (_, index) =>
    Math.exp(estimator.logDensity({ momentum: (0.9 * index) / cells })),
  );
  let integral = 0;
  let rank = 0;
  let distance = 0;
  for (let index = 1; index <= cells; index += 1) {
    integral += (((density[index - 1] as number) + (density[index] as number)) / 2) * (0.9 / cells);
    while (rank < draws.length && (draws[rank] as number) <= (0.9 * index) / cells) rank += 1;
    distance = Math.max(distance, Math.abs(rank / draws.length - integral));
  }
  expect(integral).toBeCloseTo(1, 4);
  expect(distance).toBeLessThan(1.95 / Math.sqrt(draws.length));
});

test("the number and the weights of good trials are Optuna's", () => {
  expect([1, 10, 11, 30, 100, 250, 1000].map(goodTrials)).toEqual([1, 1, 2, 3, 10, 25, 25]);
  expect(trialWeights(24)).toEqual(new Array(24).fill(1));
  const weights = trialWeights(30);
  expect(weights.slice(0, 5)).toEqual([0, 1, 2, 3, 4].map((index) => 1 / 30 + (29 / 30) * (index / 4)));
  expect(weights.slice(5)).toEqual(new Array(25).fill(1));
});

const trial = (
  number: number,
  state: Trial["state"],
  value?: number,
  intermediates: Trial["intermediates"] = [],
): Trial => ({
  number,
  state,
  params: {},
  explanation: {},
  intermediates,
  attempts: 1,
  value,
});

test("good are the best completed, then the pruned that got furthest; running ones are bad", () => {
  const trials = [
    trial(0, "pruned", undefined, [[1, 0.2]]),
    trial(1, "completed", 3),
    trial(2, "running"),
    trial(3, "pruned", undefined, [[4, 0.9]]),
    ...Array.from({ length: 18 }, (_, index) => trial(4 + index, "pruned", undefined, [[2, index]])),
  ];
  const { below, above } = splitTrials(trials, "minimize");
  expect(below.map(({ number }) => number)).toEqual([1, 3, 4]);
  expect(above).toHaveLength(trials.length - 3);
  expect(above.map(({ number }) => number)).toContain(2);
});

/** Branin's function; its minimum is 0.397887. Branin (1972). */
const branin = (x: number, y: number): number =>
  (y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6) ** 2 +
  10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) +
  10;

function bestOfRun(sampler: Sampler, seed: number): number {
  const trials: Trial[] = [];
  for (let number = 0; number < 60; number += 1) {
    const random = createRandom(seed).fork(number);
    const { params } = sampler.suggest(
      { x: float(-5, 10), y: float(0, 15) },
      { direction: "minimize", trials },
      random,
    );
    trials.push({ ...trial(number, "completed", branin(params["x"] as number, params["y"] as number)), params });
  }
  return Math.min(...trials.map(({ value }) => value as number));
}

test("on Branin's function it beats random search in at least 40 of 60 pairs of runs", () => {
  // Under equal chances 40 or more of 60 has p = 0.007 (binomial).
  const wins = Array.from(
    { length: 60 },
    (_, seed) => bestOfRun(tpeSampler(), seed) < bestOfRun(randomSampler(), 1000 + seed),
  );
  expect(wins.filter(Boolean).length).toBeGreaterThanOrEqual(40);
});
