import {
  categorical,
  constant,
  float,
  int,
  openStudy,
  permutation,
  randomSampler,
  subset,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";

const three = { kind: categorical(["a", "b", "c"]) };
const open = (duplicates: "allow" | "skip" | "reuse-cached" | "re-evaluate-for-noise", name: string = duplicates) =>
  openStudy({ name, space: three, direction: "minimize", sampler: randomSampler(), duplicates });
const score = { a: 3, b: 1, c: 2 } as const;

test("HT-8: of three values and ten trials, skip runs exactly three and ends the study", async () => {
  await using study = await open("skip");
  const seen: string[] = [];
  const summary = await study.optimize(
    ({ params }) => {
      seen.push(params.kind);
      return score[params.kind];
    },
    { trials: 10, parallelism: 4 },
  );
  expect(seen.toSorted()).toEqual(["a", "b", "c"]);
  expect(summary).toMatchObject({ stopped: "space", completed: 3 });
  expect(summary.reason).toContain("every point");
  await expect(study.ask()).rejects.toMatchObject({ code: "TUNER_STUDY_EXHAUSTED" });
});

test("HT-8: reuse-cached runs three objectives and records ten, side by side too", async () => {
  for (const parallelism of [1, 5]) {
    await using study = await open("reuse-cached", `cached-${parallelism}`);
    let runs = 0;
    const summary = await study.optimize(
      async ({ params }) => {
        runs += 1;
        await new Promise((resolve) => setTimeout(resolve, 5));
        return score[params.kind];
      },
      { trials: 10, parallelism },
    );
    expect(runs).toBe(3);
    expect(summary).toMatchObject({ stopped: "trials", completed: 10 });
    for (const { params, value } of await study.trials()) expect(value).toBe(score[params["kind"] as "a"]);
  }
});

test("HT-8: allow runs duplicates; re-evaluate-for-noise runs them as repeats with seeds of their own", async () => {
  await using allowed = await open("allow");
  expect(await allowed.optimize(() => 1, { trials: 10 })).toMatchObject({ completed: 10 });
  await using study = await open("re-evaluate-for-noise");
  const seeds = new Set<number>();
  await study.optimize(
    ({ params, seed }) => {
      seeds.add(seed);
      return score[params.kind];
    },
    { trials: 10 },
  );
  expect(seeds.size).toBe(10);
  const trials = await study.trials();
  const firsts = trials.filter(({ repeatOf }) => repeatOf === undefined);
  expect(firsts).toHaveLength(3);
  for (const { repeatOf, params } of trials)
    if (repeatOf !== undefined) expect(trials[repeatOf]?.params).toEqual(params);
});

test("a space is used up point by point: conditions, constraints, permutations, subsets and steps counted as they are", async () => {
  const space = {
    net: categorical(["linear", "deep"]),
    layers: when("net", ["deep"], int(1, 3)),
    order: permutation(["x", "y"]),
    kept: subset(["p", "q"], { min: 1 }),
    rate: float(0, 1, { step: 0.5 }),
    fixed: constant(7),
  };
  // (1 + 3) × 2! × 3 × 3
  await using study = await openStudy({
    name: "points",
    space,
    direction: "minimize",
    duplicates: "skip",
    sampler: randomSampler(),
  });
  const points = new Set<string>();
  const summary = await study.optimize(
    ({ params }) => {
      points.add(JSON.stringify(params));
      return 1;
    },
    { trials: 100 },
  );
  expect(summary).toMatchObject({ stopped: "space", completed: 72 });
  expect(points.size).toBe(72);
});
