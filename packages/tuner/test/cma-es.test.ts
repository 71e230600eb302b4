import { createRandom } from "@millwright/contracts";
import {
  type Params,
  type Space,
  type Trial,
  categorical,
  cmaEsSampler,
  float,
  int,
  linear,
  ordinal,
  permutation,
  randomSampler,
  subset,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";
import { validateParams } from "../src/space-check.ts";
import { lowest, simulate, wilcoxonBelow } from "./simulate.ts";

const mixed = {
  lr: float(1e-4, 1e-1, { log: true }),
  momentum: float(0, 0.9, { step: 0.1 }),
  units: int(8, 64, { step: 8 }),
  layers: int(1, 30, { log: true }),
  size: ordinal(["s", "m", "l"]),
  optimizer: categorical(["adam", "sgd", "rmsprop"]),
  nesterov: when("optimizer", ["sgd"], categorical([true, false])),
  order: permutation(["a", "b", "c"]),
  parts: subset(["x", "y", "z"], { min: 1, max: 2 }),
} satisfies Space;

const loss = (params: Params): number =>
  (Math.log10(params["lr"] as number) + 2.5) ** 2 +
  ((params["momentum"] as number) - 0.6) ** 2 +
  ((params["units"] as number) / 64 - 0.75) ** 2 +
  Math.abs((params["layers"] as number) - 5) / 30 +
  (params["size"] === "m" ? 0 : 0.2) +
  (params["optimizer"] === "sgd" ? (params["nesterov"] === true ? 0 : 0.1) : 0.5);

const numbers = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`x${index}`, float(-5, 5)]));
const values = (params: Params): readonly number[] => Object.values(params) as number[];

const functions: Readonly<Record<string, (x: readonly number[]) => number>> = {
  sphere: (x) => x.reduce((sum, value) => sum + (value - 1.3) ** 2, 0),
  ellipsoid: (x) => x.reduce((sum, value, index) => sum + 10 ** (index / 2) * (value + 2.1) ** 2, 0),
  rosenbrock: (x) =>
    x.slice(1).reduce((sum, value, index) => {
      const before = x[index] as number;
      return sum + 100 * (value - before ** 2) ** 2 + (1 - before) ** 2;
    }, 0),
};

for (const [name, objective] of Object.entries(functions)) {
  test(`CMA-ES is far below random search on the ${name} of 6 dimensions`, () => {
    const search = (sampler: typeof randomSampler | typeof cmaEsSampler): readonly number[] =>
      Array.from({ length: 12 }, (_, seed) =>
        lowest(
          simulate({
            space: numbers,
            sampler: sampler(),
            objective: (params) => objective(values(params)),
            trials: 250,
            seed,
          }),
        ),
      );
    const ours = search(cmaEsSampler);
    const random = search(randomSampler);
    expect(wilcoxonBelow(ours, random)).toBeLessThan(0.01);
    expect(ours.toSorted((a, b) => a - b)[6]).toBeLessThan(0.1 * (random.toSorted((a, b) => a - b)[6] as number));
  });
}

test("all kinds of parameters are searched, and beat random search", () => {
  const search = (sampler: typeof randomSampler | typeof cmaEsSampler): readonly number[] =>
    Array.from({ length: 12 }, (_, seed) =>
      lowest(simulate({ space: mixed, sampler: sampler(), objective: loss, trials: 150, seed })),
    );
  expect(wilcoxonBelow(search(cmaEsSampler), search(randomSampler))).toBeLessThan(0.01);
});

test("a sampler that was never used before suggests what a used one does, with workers side by side, failures and pruned trials", () => {
  const objective = (params: Params, number: number) =>
    number % 7 === 3 ? ("fail" as const) : number % 5 === 2 ? { pruned: loss(params) } : loss(params);
  for (const workers of [1, 6]) {
    const run = { space: mixed, objective, trials: 120, seed: 5, workers };
    const used = simulate({ ...run, sampler: cmaEsSampler() });
    const fresh = simulate({ ...run, sampler: () => cmaEsSampler() });
    expect(fresh).toEqual(used);
    expect(Math.max(...used.map(({ explanation }) => Number(explanation["generation"])))).toBeGreaterThan(5);
    // The journal keeps explanations as JSON.
    const stored = JSON.parse(JSON.stringify(used)) as readonly Trial[];
    const next = (trials: readonly Trial[]) =>
      cmaEsSampler().suggest(mixed, { direction: "minimize", trials }, createRandom(1));
    expect(next(stored)).toEqual(next(used));
  }
});

test("one sampler serves several studies", () => {
  const shared = cmaEsSampler();
  const run = (sampler: typeof shared, seed: number) =>
    simulate({ space: numbers, sampler, objective: () => 1, trials: 40, seed });
  const apart = [run(cmaEsSampler(), 1), run(cmaEsSampler(), 2)];
  expect([run(shared, 1), run(shared, 2), run(shared, 1)]).toEqual([...apart, apart[0]]);
});

test("every suggestion is in the domain and keeps the constraints", () => {
  const constraints = [linear({ momentum: 1, lr: 5 }, { atMost: 0.7 })];
  const sampler = cmaEsSampler();
  const trials = simulate({ space: mixed, sampler, objective: loss, trials: 60, seed: 3, context: { constraints } });
  const check = (params: Params): void => {
    validateParams(mixed, params);
    expect(5 * (params["lr"] as number) + (params["momentum"] as number)).toBeLessThanOrEqual(0.7 + 1e-12);
  };
  for (const { params } of trials) check(params);
  const random = createRandom(8);
  for (let draw = 0; draw < 20_000; draw += 1)
    check(sampler.suggest(mixed, { direction: "minimize", trials, constraints }, random).params);
});

test("workers side by side learn nearly as much as one", () => {
  const sphere = functions["sphere"] as (x: readonly number[]) => number;
  const median = (workers: number): number =>
    Array.from({ length: 9 }, (_, seed) =>
      lowest(
        simulate({
          space: numbers,
          sampler: cmaEsSampler(),
          objective: (params) => sphere(values(params)),
          trials: 250,
          seed,
          workers,
        }),
      ),
    ).toSorted((a, b) => a - b)[4] as number;
  expect(median(8)).toBeLessThan(30 * median(1));
  expect(median(8)).toBeLessThan(0.2);
});

test("the best of earlier trials is where the search begins, and an enqueued better one is taken in", () => {
  const at = (number: number, x: number): Trial => ({
    number,
    state: "completed",
    params: Object.fromEntries(Object.keys(numbers).map((name) => [name, x])),
    explanation: { sampler: "enqueued" },
    value: 6 * (x - 1.3) ** 2,
    intermediates: [],
    attempts: 1,
  });
  const before = [at(0, -3), at(1, 1.2), at(2, 4)];
  const sphere = functions["sphere"] as (x: readonly number[]) => number;
  const run = { space: numbers, objective: (params: Params) => sphere(values(params)), trials: 60 };
  const warm = simulate({ ...run, sampler: cmaEsSampler(), seed: 2, before });
  expect(warm[3]?.explanation["warmTrials"]).toEqual([1]);
  const near = warm.slice(3, 12).map(({ params }) => values(params).reduce((sum, x) => sum + x / 6, 0));
  expect(Math.abs(near.reduce((sum, x) => sum + x / 9, 0) - 1.2)).toBeLessThan(1);
  const cold = simulate({ ...run, sampler: cmaEsSampler({ learnFromOthers: false }), seed: 2, before });
  expect(cold[3]?.explanation["start"]).toEqual(new Array(6).fill(0.5));
  // The best of all comes from elsewhere in the middle of the search.
  const middle = [...simulate({ ...run, sampler: cmaEsSampler(), seed: 4, trials: 20 })];
  middle.push(at(20, 1.3));
  const after = simulate({ ...run, sampler: cmaEsSampler(), seed: 4, before: middle });
  expect(
    after.some(({ explanation }) => (explanation["learnedFrom"] as readonly number[] | undefined)?.[0] === 20),
  ).toBe(true);
});

test("a converged run is followed by others elsewhere, with larger and with small populations", () => {
  const trials = simulate({
    space: { x: float(0, 1), y: float(0, 1) },
    sampler: cmaEsSampler(),
    // Two basins; the start lies in that of the worse one.
    objective: ({ x, y }) =>
      Math.min(0.1 + (Number(x) - 0.5) ** 2, 30 * (Number(x) - 0.93) ** 2) + (Number(y) - 0.5) ** 2,
    trials: 1_800,
    seed: 1,
  });
  const starts = trials
    .filter(({ explanation }) => explanation["regime"] !== undefined)
    .map(({ explanation }) => explanation);
  expect(starts.length).toBeGreaterThan(3);
  expect(starts[0]?.["population"]).toBe(6);
  expect(starts[1]?.["population"]).toBe(12);
  expect(starts.slice(1).every(({ stopped }) => typeof stopped === "string")).toBe(true);
  expect(starts.map(({ regime }) => regime)).toContain("small");
  expect(lowest(trials)).toBeLessThan(1e-6);
  const once = simulate({
    space: { x: float(0, 1) },
    sampler: cmaEsSampler({ restarts: "none" }),
    objective: ({ x }) => Number(x),
    trials: 300,
    seed: 1,
  });
  expect(once.every(({ explanation }) => explanation["run"] === 0)).toBe(true);
});

test("places where every trial fails are left", () => {
  const trials = simulate({
    space: { x: float(0, 1), y: float(0, 1) },
    sampler: cmaEsSampler({ sigma: 0.05 }),
    objective: ({ x, y }) => (Number(x) > 0.3 ? "fail" : (Number(x) - 0.1) ** 2 + (Number(y) - 0.5) ** 2),
    trials: 300,
    seed: 2,
  });
  expect(trials.slice(-50).filter(({ state }) => state === "completed").length).toBeGreaterThan(40);
  expect(lowest(trials)).toBeLessThan(1e-3);
});

test("trials that fail by chance do not hold the search up", () => {
  const sphere = functions["sphere"] as (x: readonly number[]) => number;
  const median = (failing: boolean): number =>
    Array.from({ length: 9 }, (_, seed) => {
      const random = createRandom(seed + 100);
      const objective = (params: Params) =>
        failing && random.next() < 0.3 ? ("fail" as const) : sphere(values(params));
      // As many completed ones in both.
      return lowest(
        simulate({ space: numbers, sampler: cmaEsSampler(), objective, trials: failing ? 286 : 200, seed }),
      );
    }).toSorted((a, b) => a - b)[4] as number;
  expect(median(true)).toBeLessThan(5 * median(false));
});

test("spaces of choices alone, of few points and of none are searched too", () => {
  const choices = { a: categorical([0, 1, 2, 3]), b: categorical([0, 1, 2, 3]), c: categorical([0, 1, 2, 3]) };
  const objective = ({ a, b, c }: Params): number => Number(a !== 2) + Number(b !== 1) + Number(c !== 3);
  const found = Array.from({ length: 9 }, (_, seed) =>
    simulate({ space: choices, sampler: cmaEsSampler(), objective, trials: 64, seed }),
  );
  // 64 points; those tried already are avoided.
  expect(found.filter((trials) => lowest(trials) === 0).length).toBeGreaterThanOrEqual(8);
  const steps = { k: int(1, 7), l: ordinal(["a", "b", "c", "d"]) };
  const all = simulate({ space: steps, sampler: cmaEsSampler(), objective: ({ k }) => Number(k), trials: 60, seed: 1 });
  expect(lowest(all)).toBe(1);
  expect(new Set(all.map(({ params }) => JSON.stringify(params))).size).toBeGreaterThan(15);
  expect(
    simulate({
      space: { only: categorical(["one"]) },
      sampler: cmaEsSampler(),
      objective: () => 0,
      trials: 3,
      seed: 1,
    }),
  ).toHaveLength(3);
});

test("options that make no sense are refused", () => {
  for (const options of [{ population: 3 }, { population: 7.5 }, { sigma: 0 }, { sigma: Number.NaN }])
    expect(() => cmaEsSampler(options)).toThrow(RangeError);
  expect(() => cmaEsSampler({ restarts: "always" as never })).toThrow("restarts is always");
  expect(() => cmaEsSampler({ prunedTrials: "worst" as never })).toThrow("prunedTrials");
});
