import { createRandom } from "@millwright/contracts";
import { type Trial, autoSampler, categorical, float, openStudy } from "@millwright/tuner";
import { expect, test } from "vitest";
import { chooseArm, progressOf } from "../src/samplers/portfolio.ts";

const trial = (number: number, value: number, arm = "gp", more: Partial<Trial> = {}): Trial => ({
  number,
  state: "completed",
  params: { x: 0 },
  explanation: { arm },
  value,
  values: [value],
  intermediates: [],
  attempts: 1,
  ...more,
});

test("progress counts trials since a clear improvement, and credits the arms that brought them", () => {
  const values = [9, 5, 7, 4.9999, 8, 3, 6];
  const { finished, sinceBetter, improvements } = progressOf(
    values.map((value, number) => trial(number, value, number === 5 ? "tpe" : "gp")),
    "minimize",
  );
  expect([finished, sinceBetter]).toEqual([7, 1]);
  expect(improvements["tpe"]).toBeCloseTo(0.5 ** (1 / 20), 12);
  expect(improvements["gp"]).toBeCloseTo(0.5 ** (6 / 20) + 0.5 ** (5 / 20), 12);
  // 4.9999 is better than 5, but not clearly.
  expect(
    progressOf(
      [9, 5, 7, 4.9999].map((value, number) => trial(number, value)),
      "minimize",
    ).sinceBetter,
  ).toBe(2);
  const infeasible = trial(7, -50, "gp", { constraintValues: [1] });
  expect(progressOf([...values.map((value, number) => trial(number, value)), infeasible], "minimize").sinceBetter).toBe(
    2,
  );
});

test("the first arm has all turns while it gets on, and half of them in the end; the others share by merit", () => {
  const arms = [
    { name: "gp", credit: 1 },
    { name: "region", credit: 1 },
    { name: "tpe", credit: 1 },
  ] as const;
  const random = createRandom(1);
  const shares = (sinceBetter: number, improvements: Record<string, number> = {}): readonly number[] => {
    const counts = [0, 0, 0];
    for (let turn = 0; turn < 4000; turn += 1) {
      const chosen = chooseArm(arms, { finished: 50, sinceBetter, improvements }, 10, random);
      const at = arms.findIndex(({ name }) => name === chosen.name);
      counts[at] = (counts[at] as number) + 1;
    }
    return counts.map((count) => count / 4000);
  };
  expect(shares(10)).toEqual([1, 0, 0]);
  expect(shares(20)[0]).toBeCloseTo(0.75, 1);
  const [first, region, tpe] = shares(1000, { tpe: 2 }) as [number, number, number];
  expect(first).toBeCloseTo(0.5, 1);
  expect(tpe / region).toBeGreaterThan(2.5);
});

test("auto names the arm that made each suggestion, and leaves an arm that does not get on", async () => {
  const space = { x: float(0, 1), y: float(0, 1), kind: categorical(["a", "b"]) };
  await using study = await openStudy({
    name: "flat",
    space,
    direction: "minimize",
    sampler: autoSampler(),
    pruner: false,
  });
  // Nothing to learn: after the patience others have turns.
  await study.optimize(({ number }) => (number === 0 ? 0 : 1), { trials: 60 });
  const arms = (await study.trials()).map(({ explanation }) => explanation["arm"]);
  expect(new Set(arms.slice(0, 14))).toEqual(new Set(["gp"]));
  expect(new Set(arms).size).toBeGreaterThan(1);
});

test("a used sampler suggests what a fresh one does", async () => {
  const space = { x: float(-5, 5), y: float(1e-3, 1, { log: true }) };
  const used = autoSampler();
  await using study = await openStudy({ name: "same", space, direction: "minimize", sampler: used, pruner: false });
  await study.optimize(({ params: { x, y } }) => (x - 1) ** 2 + Math.log(y) ** 2, { trials: 25 });
  const context = { direction: "minimize", trials: await study.trials() } as const;
  expect(used.suggest(space, context, createRandom(5))).toEqual(autoSampler().suggest(space, context, createRandom(5)));
});

test("several objectives, one point and many trials each have an arm", () => {
  const space = { x: float(0, 1), y: float(0, 1) };
  const suggest = (count: number, over: object = space, directions?: readonly ("minimize" | "maximize")[]) =>
    autoSampler().suggest(
      over as typeof space,
      {
        direction: "minimize",
        directions,
        trials: Array.from({ length: count }, (_, number) =>
          trial(number, 1 / (number + 1), "gp", {
            params: { x: (number % 29) / 29, y: (number % 31) / 31, kind: "a" },
          }),
        ),
      },
      createRandom(2),
    ).explanation["arm"];
  expect(suggest(3, space, ["minimize", "maximize"])).toBe("ehvi");
  expect(suggest(300, space, ["minimize", "maximize"])).toBe("nsga2");
  expect(suggest(3)).toBe("gp");
  expect(suggest(500)).toBe("cma-es");
  expect(suggest(500, { ...space, kind: categorical(["a", "b"]) })).toBe("tpe");
});

test("auto learns from trials that were paused after a step: it suggests where their values were low", () => {
  const space = { x: float(0, 1) };
  const paused = Array.from({ length: 25 }, (_, number) => {
    const x = (number * 0.618034) % 1;
    return trial(number, Number.NaN, "gp", {
      state: "paused",
      params: { x },
      value: undefined,
      values: undefined,
      intermediates: [[1, (x - 0.8) ** 2]],
    });
  });
  const sampler = autoSampler();
  const suggested = Array.from({ length: 20 }, (_, seed) =>
    sampler.suggest(space, { direction: "minimize", trials: paused }, createRandom(seed)),
  );
  const modelled = suggested.filter(({ explanation }) => explanation["wrapper"] === "multi-fidelity");
  expect(modelled.length).toBeGreaterThan(8);
  for (const { params } of modelled) expect(Math.abs((params["x"] as number) - 0.8)).toBeLessThan(0.1);
});
