import { createRandom, hasCode } from "@millwright/contracts";
import {
  type Params,
  type Sampler,
  type Space,
  type Trial,
  categorical,
  constant,
  float,
  gridSampler,
  haltonSampler,
  int,
  linear,
  openStudy,
  ordinal,
  permutation,
  sobolSampler,
  subset,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";

const trialOf = (number: number, params: Params, explanation: Trial["explanation"]): Trial => ({
  number,
  state: "completed",
  params,
  value: 1,
  values: [1],
  explanation,
  intermediates: [],
  attempts: 1,
});

/** Suggests until the sampler says that it is done, with a new sampler each time, as after a restart. */
function all(make: () => Sampler, space: Space, before: readonly Trial[] = [], constraints = [] as const): Trial[] {
  const trials = [...before];
  for (let number = before.length; number < 1_000; number += 1) {
    try {
      const context = { direction: "minimize" as const, trials, constraints };
      const { params, explanation } = make().suggest(space, context, createRandom(number));
      trials.push(trialOf(number, params, explanation));
    } catch (error) {
      if (hasCode(error, "TUNER_STUDY_EXHAUSTED")) return trials.slice(before.length);
      throw error;
    }
  }
  throw new Error("The grid has no end.");
}

test("a grid is every point once, the last parameter fastest, also when each suggestion is another process's", () => {
  const space = { opt: categorical(["adam", "sgd"]), units: int(8, 24, { step: 8 }), fixed: constant(1) };
  const points = all(() => gridSampler(), space).map(({ params }) => params);
  expect(points).toEqual(["adam", "sgd"].flatMap((opt) => [8, 16, 24].map((units) => ({ opt, units, fixed: 1 }))));
});

test("floats take given points, or so many with both ends, on their scale", () => {
  const space = { rate: float(1e-4, 1, { log: true }), drop: float(0, 0.5) };
  const points = all(() => gridSampler({ points: { rate: 5, drop: [0, 0.25] } }), space).map(({ params }) => params);
  expect(points).toHaveLength(10);
  const rates = [...new Set(points.map(({ rate }) => rate as number))];
  for (const [index, rate] of rates.entries()) expect(rate / 10 ** (index - 4)).toBeCloseTo(1, 12);
  expect(rates).toHaveLength(5);
  const even = all(() => gridSampler({ points: { n: 4 } }), { n: int(1, 100) }).map(({ params }) => params["n"]);
  expect(even).toEqual([1, 34, 67, 100]);
});

test("inactive parameters are not varied, and forbidden points are left out", () => {
  const space = {
    model: categorical(["tree", "net"]),
    depth: when("model", ["tree"], int(1, 3)),
    width: when("model", ["net"], ordinal([16, 32])),
  };
  expect(all(() => gridSampler(), space).map(({ params }) => params)).toEqual([
    { model: "tree", depth: 1 },
    { model: "tree", depth: 2 },
    { model: "tree", depth: 3 },
    { model: "net", width: 16 },
    { model: "net", width: 32 },
  ]);
  const sums = { a: int(0, 3), b: int(0, 3) };
  const constraints = [linear({ a: 1, b: 1 }, { atMost: 2 })] as never;
  expect(all(() => gridSampler(), sums, [], constraints)).toHaveLength(6);
});

test("lists have grids of all orders and all subsets", () => {
  const space = { order: permutation(["x", "y", "z"]), features: subset([1, 2, 3, 4], { min: 1, max: 2 }) };
  const points = all(() => gridSampler(), space).map(({ params }) => JSON.stringify(params));
  expect(new Set(points).size).toBe(6 * 10);
});

test("a point that another trial had is not tried again", () => {
  const before = [trialOf(0, { n: 2 }, { sampler: "enqueued" })];
  expect(all(() => gridSampler(), { n: int(1, 3) }, before).map(({ params }) => params["n"])).toEqual([1, 3]);
});

test("the end of the grid ends the study", async () => {
  await using study = await openStudy({
    name: "grid",
    space: { n: int(1, 7) },
    direction: "minimize",
    sampler: gridSampler(),
  });
  const summary = await study.optimize(async ({ params }) => params.n, { trials: 100, parallelism: 3 });
  expect(summary.completed).toBe(7);
  expect((await study.trials()).map(({ params }) => params["n"])).toEqual([1, 2, 3, 4, 5, 6, 7]);
  await expect(study.ask()).rejects.toMatchObject({
    code: "TUNER_STUDY_EXHAUSTED",
    message: expect.stringContaining("7"),
  });
});

test("a grid without points for a continuous parameter, or with points outside the space, says what to do", () => {
  const suggest = (sampler: Sampler, space: Space): unknown =>
    sampler.suggest(space, { direction: "minimize", trials: [] }, createRandom(1));
  const invalid = expect.objectContaining({ code: "TUNER_SPACE_INVALID" });
  expect(() => suggest(gridSampler(), { x: float(0, 1) })).toThrow(invalid);
  expect(() => suggest(gridSampler(), { x: float(0, 1) })).toThrow(/points: \{ x: 5 \}/);
  expect(() => suggest(gridSampler({ points: { x: [2] } }), { x: float(0, 1) })).toThrow(invalid);
  expect(() => suggest(gridSampler({ points: { y: [0] } }), { x: int(0, 1) })).toThrow(invalid);
  expect(() => suggest(gridSampler(), { order: permutation("abcdefghijklm".split("")) })).toThrow(invalid);
  expect(() => gridSampler({ points: { x: [] } })).toThrow(RangeError);
  expect(() => gridSampler({ points: { x: 1 } })).toThrow(RangeError);
});

const cube = { x: float(0, 1), y: float(0, 1), kind: categorical(["a", "b", "c", "d"]) };

for (const make of [sobolSampler, haltonSampler]) {
  const { name } = make();
  test(`${name} gives parallel workers different points, the same after a restart, evenly spread`, () => {
    const run = (seed: number, fresh: boolean): Trial[] => {
      const trials: Trial[] = [];
      const used = make();
      for (let number = 0; number < 64; number += 1) {
        const sampler = fresh ? make() : used;
        const random = createRandom(seed).fork(number);
        const { params, explanation } = sampler.suggest(cube, { direction: "minimize", trials }, random);
        trials.push({ ...trialOf(number, params, explanation), state: "running", value: undefined });
      }
      return trials;
    };
    const points = run(1, false).map(({ params }) => params);
    expect(run(1, true).map(({ params }) => params)).toEqual(points);
    expect(run(2, true).map(({ params }) => params)).not.toEqual(points);
    const cells = new Set(
      points.map(({ x, y }) => `${Math.floor((x as number) * 8)} ${Math.floor((y as number) * 8)}`),
    );
    // Random points would leave e^-1 of the 64 cells empty, and so fill 40 of them.
    expect(cells.size).toBeGreaterThanOrEqual(name === "sobol" ? 64 : 48);
    for (const choice of cube.kind.choices)
      expect(points.filter(({ kind }) => kind === choice).length).toBeGreaterThanOrEqual(14);
  });

  test(`${name} keeps to known constraints, and says when there is no way to`, () => {
    const sampler = make({ scramble: false });
    const constraints = [linear({ x: 1, y: 1 }, { atMost: 0.5 })];
    const trials: Trial[] = [];
    for (let number = 0; number < 100; number += 1) {
      const { params, explanation } = sampler.suggest(
        cube,
        { direction: "minimize", trials, constraints },
        createRandom(1),
      );
      expect((params["x"] as number) + (params["y"] as number)).toBeLessThanOrEqual(0.5);
      trials.push(trialOf(number, params, explanation));
    }
    expect(new Set(trials.map(({ params }) => JSON.stringify(params))).size).toBe(100);
    const never = [linear({ x: 1 }, { atLeast: 2 })];
    expect(() => sampler.suggest(cube, { direction: "minimize", trials, constraints: never }, createRandom(1))).toThrow(
      expect.objectContaining({ code: "TUNER_CONSTRAINTS_UNSATISFIABLE" }),
    );
  });
}
