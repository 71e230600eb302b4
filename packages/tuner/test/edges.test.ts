import {
  type Space,
  bool,
  categorical,
  float,
  int,
  openStudy,
  randomSampler,
  rule,
  tpeSampler,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";

const open = (space: Space) =>
  openStudy({ name: "edge", space, direction: "minimize", sampler: tpeSampler({ startupTrials: 3 }) });

test.each([
  ["no parameter at all", {}],
  ["a low above the high", { x: float(2, 1) }],
  ["a bound that is NaN", { x: float(Number.NaN, 1) }],
  ["a categorical without choices", { c: categorical([]) }],
  ["a step of nothing", { n: int(0, 4, { step: 0 }) }],
  ["a condition on a value that its parent never has", { a: bool(), x: when("a", ["perhaps"], float(0, 1)) }],
  ["bounds that its parent never reaches", { n: int(1, 4), x: when("n", { atLeast: 9 }, float(0, 1)) }],
  ["bounds that contradict each other", { n: int(1, 4), x: when("n", { atLeast: 3, atMost: 2 }, float(0, 1)) }],
  ["conditions in a circle", { a: when("b", [true], bool()), b: when("a", [true], bool()) }],
  ["a condition on itself", { a: when("a", [true], bool()) }],
] as const)("a space with %s is refused by its own error", async (_what, space) => {
  await expect(open(space as Space)).rejects.toMatchObject({ code: "TUNER_SPACE_INVALID", category: "user" });
});

test("one choice, equal ends and a step larger than the range leave one value, which every trial has", async () => {
  const space = {
    c: categorical(["only"]),
    x: float(2, 2),
    n: int(7, 7),
    s: float(0, 1, { step: 3 }),
    free: float(0, 1),
  };
  await using study = await open(space);
  await study.optimize(({ params }) => params["free"] as number, { trials: 12 });
  for (const { params } of await study.trials()) expect(params).toMatchObject({ c: "only", x: 2, n: 7, s: 0 });
  await using single = await openStudy({
    name: "single",
    space: { c: categorical(["only"]), x: float(2, 2) },
    direction: "minimize",
    duplicates: "skip",
  });
  expect(await single.optimize(() => 1, { trials: 5 })).toMatchObject({ stopped: "space", completed: 1 });
});

test("conditions of which one of several never holds beside the other leave the parameter out", async () => {
  const n = int(1, 4);
  const space = { n, x: when("n", { atLeast: 3 }, when("n", { atMost: 2 }, float(0, 1))) };
  await using study = await open(space);
  await study.optimize(({ params }) => params["n"] as number, { trials: 8 });
  for (const { params } of await study.trials()) expect(Object.keys(params)).toEqual(["n"]);
});

test("constraints that nothing keeps to are an error of ask and of optimize, and no trial is made", async () => {
  await using study = await openStudy({
    name: "never",
    space: { x: float(0, 1) },
    direction: "minimize",
    sampler: randomSampler(),
    constraints: [rule("never", () => false)],
  });
  await expect(study.ask()).rejects.toMatchObject({ code: "TUNER_CONSTRAINTS_UNSATISFIABLE" });
  await expect(study.optimize(() => 1, { trials: 3 })).rejects.toMatchObject({
    code: "TUNER_CONSTRAINTS_UNSATISFIABLE",
  });
  expect(await study.trials()).toEqual([]);
});

test("what is no result is a failure that says so", async () => {
  await using study = await open({ x: float(0, 1) });
  const results: unknown[] = [
    Number.NaN,
    undefined,
    "0.5",
    { value: Number.NaN },
    { values: [1, 2] },
    [Number.NaN],
    null,
  ];
  const summary = await study.optimize(({ number }) => results[number] as number, {
    trials: results.length,
    failuresInARow: Infinity,
  });
  expect(summary).toMatchObject({ completed: 0, failed: results.length });
  for (const { reason } of await study.trials()) expect(reason).toMatch(/NaN|must|type|values|gave/);
});

test("an objective that does not listen is left at its time, and what it says later counts for nothing", async () => {
  await using study = await open({ x: float(0, 1) });
  let late: Promise<unknown> | undefined;
  const summary = await study.optimize(
    (trial) => {
      if (trial.number > 0) return 1;
      const work = new Promise<number>((resolve) => setTimeout(resolve, 60, 0));
      late = work.then(() => trial.report(0, 1)).catch((error: unknown) => error);
      return work;
    },
    { trials: 2, trialTimeoutMs: 20, failuresInARow: Infinity },
  );
  expect(summary).toMatchObject({ completed: 1, failed: 1 });
  expect(await late).toMatchObject({ code: "TUNER_TRIAL_FINISHED" });
  expect((await study.trials())[0]).toMatchObject({ failure: "timeout", intermediates: [] });
});
