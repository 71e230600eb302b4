import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type Sampler,
  type Space,
  type Trial,
  categorical,
  constant,
  float,
  int,
  permutation,
  randomSampler,
  subset,
  tpeSampler,
} from "@millwright/tuner";
import { expect, test } from "vitest";

const trial = (number: number, state: Trial["state"], value?: number): Trial => ({
  number,
  state,
  params: {},
  explanation: {},
  intermediates: [],
  attempts: 1,
  value,
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

test("HT-7: eight workers on a bowl: points under way keep their distance", () => {
  const bowl = { x: float(-10, 10) };
  const sampler = tpeSampler();
  let smallest = Infinity;
  for (let seed = 0; seed < 5; seed += 1) {
    const trials: Trial[] = [];
    const order = createRandom(seed);
    for (let number = 0; number < 120; number += 1) {
      const running = trials.filter(({ state }) => state === "running");
      if (running.length === 8) {
        // Workers end in any order.
        const { number: ended, params } = running[order.integer(8)] as Trial;
        const value = ((params["x"] as number) - 2) ** 2;
        trials[ended] = { ...(trials[ended] as Trial), state: "completed", value, values: [value] };
      }
      const { params } = sampler.suggest(bowl, { direction: "minimize", trials }, createRandom(seed).fork(number));
      const finished = Math.max(10, trials.filter(({ state }) => state === "completed").length);
      for (const other of trials) {
        if (other.state !== "running") continue;
        const distance = Math.abs((other.params["x"] as number) - (params["x"] as number)) / 20;
        smallest = Math.min(smallest, distance * (4 * finished + 8));
      }
      trials.push({ ...trial(number, "running"), params });
    }
    const best = Math.min(...trials.flatMap(({ value }) => value ?? []));
    expect(best).toBeLessThan(0.05);
  }
  // In units of the spacing that `refined` keeps: 1/(4 n + 8) of the range.
  expect(smallest).toBeGreaterThanOrEqual(1 - 1e-9);
});

test("permutations and subsets are learned", () => {
  const lists = { order: permutation("abcde".split("")), chosen: subset([1, 2, 3, 4, 5, 6], { min: 1, max: 4 }) };
  const loss = (params: Params): number => {
    const order = params["order"] as readonly string[];
    const chosen = params["chosen"] as readonly number[];
    const misplaced = order.filter((item, place) => item !== "cadbe"[place]).length;
    return (
      misplaced +
      [2, 5].filter((item) => !chosen.includes(item)).length +
      chosen.filter((item) => item !== 2 && item !== 5).length
    );
  };
  const mean = (sampler: Sampler): number => {
    let sum = 0;
    for (let seed = 0; seed < 10; seed += 1) {
      const trials: Trial[] = [];
      for (let number = 0; number < 60; number += 1) {
        const { params } = sampler.suggest(lists, { direction: "minimize", trials }, createRandom(seed).fork(number));
        trials.push({ ...trial(number, "completed", loss(params)), params });
        if (number >= 40) sum += loss(params) / 200;
      }
    }
    return sum;
  };
  expect(mean(tpeSampler())).toBeLessThan(0.8 * mean(randomSampler()));
});

/** Bowls in a random place, turned and stretched at random, some with waves: drawn by seed. */
function randomFunction(seed: number): { readonly space: Space; readonly loss: (params: Params) => number } {
  const random = createRandom(seed).fork("function");
  const size = 2 + (seed % 4);
  const names = Array.from({ length: size }, (_, index) => `x${index}`);
  const centre = names.map(() => 0.15 + 0.7 * random.next());
  const scales = names.map(() => 10 ** (2 * random.next() - 1));
  const turn = names.map(() => names.map(() => random.normal()));
  const wave = seed % 2 === 0 ? 0 : 0.2;
  const loss = (params: Params): number => {
    const away = names.map((name, index) => (params[name] as number) - (centre[index] as number));
    let sum = 0;
    for (const [index, row] of turn.entries()) {
      const along = row.reduce((total, weight, column) => total + weight * (away[column] as number), 0);
      sum += (scales[index] as number) * (along * along + wave * (1 - Math.cos(12 * along)));
    }
    return sum;
  };
  return { space: Object.fromEntries(names.map((name) => [name, float(0, 1)])), loss };
}

test("the default profile finds better points than Optuna 5's in at least 50 of 80 random functions", () => {
  const best = (sampler: Sampler, seed: number): number => {
    const { space: within, loss } = randomFunction(seed);
    const trials: Trial[] = [];
    for (let number = 0; number < 80; number += 1) {
      const { params } = sampler.suggest(within, { direction: "minimize", trials }, createRandom(seed).fork(number));
      const value = loss(params);
      trials.push({ ...trial(number, "completed", value), params, values: [value] });
    }
    return Math.min(...trials.map(({ value }) => value as number));
  };
  // Under equal chances 50 or more of 80 has p = 0.016 (binomial). Both begin with the same ten trials.
  const wins = Array.from(
    { length: 80 },
    (_, seed) => best(tpeSampler(), seed) < best(tpeSampler({ profile: "optuna5" }), seed),
  );
  expect(wins.filter(Boolean).length).toBeGreaterThanOrEqual(50);
});

test("ranges of one value, and grids as fine as a double's digits, have finite densities", () => {
  const extreme = {
    one: int(4, 4),
    equal: float(0.5, 0.5),
    beyond: float(0, 1, { step: 5 }),
    only: categorical(["x"]),
    wide: int(0, 1e15),
    logarithmic: int(1, 1e15, { log: true }),
    fine: float(0, 1, { step: 1e-12 }),
    tiny: float(1e-300, 1e-290, { log: true }),
  };
  for (const profile of ["optuna4", "optuna5", "refined"] as const) {
    const sampler = tpeSampler({ profile });
    const trials: Trial[] = [];
    for (let number = 0; number < 60; number += 1) {
      const { params, explanation } = sampler.suggest(
        extreme,
        { direction: "maximize", trials },
        createRandom(8).fork(number),
      );
      expect(params).toMatchObject({ one: 4, equal: 0.5, beyond: 0, only: "x" });
      if (number >= 10) expect(Number.isFinite(explanation["logRatio"])).toBe(true);
      const value =
        (params["wide"] as number) / 1e15 -
        (params["fine"] as number) +
        Math.log10(params["logarithmic"] as number) / 15;
      trials.push({ ...trial(number, "completed", value), params, values: [value] });
    }
    const late = trials.slice(-20).map(({ value }) => value as number);
    // Random values have a mean of 1/2 and a deviation of 1/2.
    expect(late.reduce((sum, value) => sum + value / 20, 0)).toBeGreaterThan(1);
  }
  const nothing = { one: int(4, 4), value: constant("v") };
  const same = tpeSampler({ startupTrials: 0 }).suggest(
    nothing,
    { direction: "minimize", trials: [] },
    createRandom(1),
  );
  expect(same.params).toEqual({ one: 4, value: "v" });
});
