import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type Space,
  type Trial,
  categorical,
  float,
  int,
  permutation,
  tpeSampler,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { logNormalMass } from "../src/samplers/normal-mass.ts";
import { type Mixture, createMixture } from "../src/samplers/parzen.ts";
import { createAxisTable } from "../src/samplers/parzen-axes.ts";
import { tpeRules } from "../src/samplers/tpe-profile.ts";
import { goodMask, goodTrials, trialWeights } from "../src/samplers/tpe-split.ts";

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

const rules = tpeRules({ profile: "optuna5" }, 1);

function mixtureOf(within: Space, observations: readonly Params[]): Mixture & { densityOf(params: Params): number } {
  const table = createAxisTable(within, rules);
  const axes = table.parameters.flatMap((parameter) => parameter.axes);
  const rows = observations.map((params) => table.encode(params));
  const mixture = createMixture(axes, rows, trialWeights(rows.length), table, rules);
  return { ...mixture, densityOf: (params) => mixture.logDensities([table.encode(params)])[0] as number };
}

for (const { observations, points, logDensity } of golden.cases) {
  test(`the density of ${observations.length} observations equals Optuna's`, () => {
    const mixture = mixtureOf(space, observations);
    const ours = points.map((point) => mixture.densityOf(point));
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
  const mixture = mixtureOf({ momentum: space.momentum }, observations);
  const random = createRandom(11);
  const row = new Float64Array(1);
  const draws = Array.from({ length: 20_000 }, () => {
    mixture.sample(random, row);
    return 0.9 * (row[0] as number);
  }).toSorted((a, b) => a - b);
  // Kolmogorov-Smirnov distance to the integral of the density, by the trapezoid rule on 2,000 cells; p = 0.001 at 1.95/√n.
  const cells = 2_000;
  const density = Array.from(
    { length: cells + 1 },
    (_, index) =>
      // The mixture's densities are per share of the range.
      Math.exp(mixture.densityOf({ momentum: (0.9 * index) / cells })) / 0.9,
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
  const good = goodMask(trials, ["minimize"], goodTrials);
  expect([...good.keys()].filter((index) => good[index] === 1)).toEqual([1, 3, 4]);
});

test("a sampler that was used before, and one that was not, suggest the same", () => {
  const mixed = { ...space, order: permutation(["a", "b", "c", "d"]), slow: when("optimizer", ["sgd"], float(0, 1)) };
  const used = tpeSampler();
  const trials: Trial[] = [];
  const random = createRandom(21);
  for (let number = 0; number < 90; number += 1) {
    const stream = createRandom(4).fork(number);
    const suggestion = used.suggest(mixed, { direction: "minimize", trials }, stream);
    const known = trials.map((one) => ({ ...one, params: { ...one.params } }));
    const again = tpeSampler().suggest(
      { ...mixed },
      { direction: "minimize", trials: known },
      createRandom(4).fork(number),
    );
    expect(again).toEqual(suggestion);
    const { params, explanation } = suggestion;
    // Trials end in another order than they began.
    trials.push({ ...trial(number, "running"), params, explanation });
    const ends = random.integer(trials.length);
    const value = (params["momentum"] as number) + (params["units"] as number) / 64;
    if (trials[ends]?.state === "running")
      trials[ends] = { ...(trials[ends] as Trial), state: "completed", value, values: [value] };
  }
  expect(trials.at(-1)?.explanation["phase"]).toBe("model");
});

test("an explanation names the counts, both densities and the nearest trials", () => {
  const trials = Array.from({ length: 20 }, (_, number) => ({
    ...trial(number, "completed", Math.abs(number - 10)),
    params: { x: number / 20 },
  }));
  const { params, explanation } = tpeSampler().suggest(
    { x: float(0, 1) },
    { direction: "minimize", trials },
    createRandom(1),
  );
  const near = trials.toSorted(
    (a, b) => Math.abs(a.params.x - (params["x"] as number)) - Math.abs(b.params.x - (params["x"] as number)),
  );
  expect(explanation).toMatchObject({ sampler: "tpe", profile: "refined", phase: "model", good: 2, bad: 18 });
  expect(explanation["nearest"]).toEqual(near.slice(0, 3).map(({ number }) => number));
  expect(explanation["logRatio"]).toBeCloseTo(
    (explanation["logGood"] as number) - (explanation["logBad"] as number),
    12,
  );
  expect(explanation["logRatio"]).toBeGreaterThan(0);
});

test("infeasible trials come after all others, by what they violate", () => {
  const trials = [
    { ...trial(0, "completed", 1), constraintValues: [3, -1] },
    { ...trial(1, "completed", 2), constraintValues: [0.5, 0.25] },
    { ...trial(2, "completed", 9), constraintValues: [0, -1] },
    { ...trial(3, "pruned", undefined, [[1, 5]]), constraintValues: [-1] },
  ];
  const order = [1, 2, 3, 4].map((count) => [...goodMask(trials, ["minimize"], () => count)]);
  expect(order).toEqual([
    [0, 0, 1, 0],
    [0, 0, 1, 1],
    [0, 1, 1, 1],
    [1, 1, 1, 1],
  ]);
});

test("options out of their range are named", () => {
  expect(() => tpeSampler({ profile: "optuna3" as never })).toThrow(/profile/);
  expect(() => tpeSampler({ startupTrials: -1 })).toThrow(RangeError);
  expect(() => tpeSampler({ candidates: 0 })).toThrow(RangeError);
  expect(() => tpeSampler({ priorWeight: NaN })).toThrow(RangeError);
  expect(() => tpeSampler({ multivariate: false, group: true })).toThrow(RangeError);
});
