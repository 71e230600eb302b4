import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlite } from "@millwright/storage";
import {
  type DynamicTrial,
  categorical,
  float,
  int,
  openDynamicStudy,
  openStudy,
  randomSampler,
  subset,
  tpeSampler,
} from "@millwright/tuner";
import { expect, test } from "vitest";

const options = { name: "run", direction: "minimize", seed: 11 } as const;
const loss = (x: number, n: number, kind: string): number => (x - 0.3) ** 2 + n / 100 + (kind === "b" ? 0.2 : 0);
const objective = (trial: DynamicTrial): number => {
  const x = trial.suggestFloat("x", 0, 1);
  const n = trial.suggestInt("n", 1, 64, { log: true });
  return loss(x, n, trial.suggestCategorical("kind", ["a", "b", "c"]));
};

test.each([
  ["random", randomSampler],
  ["TPE", tpeSampler],
] as const)(
  "HT-2: with one seed, define by run, a fixed space, and ask and tell in either form give one sequence (%s)",
  async (_name, sampler) => {
    await using byRun = await openDynamicStudy({ ...options, sampler: sampler() });
    await byRun.optimize(objective, { trials: 30 });
    const sequence = (await byRun.trials()).map(({ params, value }) => ({ params, value }));
    expect(new Set(sequence.map(({ value }) => value)).size).toBe(30);

    await using asked = await openDynamicStudy({ ...options, sampler: sampler() });
    for (let count = 0; count < 30; count += 1) {
      const trial = await asked.ask();
      await asked.tell(trial.number, { state: "completed", value: objective(trial) });
    }
    expect((await asked.trials()).map(({ params, value }) => ({ params, value }))).toEqual(sequence);

    const space = { x: float(0, 1), n: int(1, 64, { log: true }), kind: categorical(["a", "b", "c"]) };
    await using fixed = await openStudy({ ...options, space, sampler: sampler() });
    await fixed.optimize(({ params }) => loss(params.x, params.n, params.kind), { trials: 30 });
    expect((await fixed.trials()).map(({ params, value }) => ({ params, value }))).toEqual(sequence);

    await using told = await openStudy({ ...options, space, sampler: sampler() });
    for (let count = 0; count < 30; count += 1) {
      const { number, params } = await told.ask();
      await told.tell(number, { state: "completed", value: loss(params.x, params.n, params.kind) });
    }
    expect((await told.trials()).map(({ params, value }) => ({ params, value }))).toEqual(sequence);
  },
);

test("a program branches: a trial has the parameters it asked for, and those that all have are suggested together", async () => {
  await using study = await openDynamicStudy(options);
  await study.optimize(
    (trial) => {
      const rate = trial.suggestFloat("rate", 1e-4, 1, { log: true });
      if (trial.suggestCategorical("optimizer", ["sgd", "adam"]) === "adam") return Math.abs(Math.log10(rate) + 2);
      const kept = trial.suggest("kept", subset(["p", "q", "r"], { min: 1 })) as readonly string[];
      return Math.abs(Math.log10(rate) + 2) + trial.suggestFloat("momentum", 0, 0.99) + kept.length;
    },
    { trials: 40, parallelism: 3 },
  );
  const trials = await study.trials();
  const names = trials.map(({ params }) => Object.keys(params).toSorted().join(" "));
  expect(new Set(names)).toEqual(new Set(["optimizer rate", "kept momentum optimizer rate"]));
  expect(trials.slice(5).some(({ proposed }) => Object.keys(proposed ?? {}).join(" ") === "rate optimizer")).toBe(true);
  expect((await study.best()).value).toBeLessThan(0.6);
});

test("a name keeps its kind over trials and its domain within one; enqueued values are taken where they are asked for", async () => {
  await using study = await openDynamicStudy(options);
  await study.enqueue({ x: 0.5, never: 3 });
  const trial = await study.ask();
  expect(trial.suggestFloat("x", 0, 1)).toBe(0.5);
  expect(trial.suggestFloat("x", 0, 1)).toBe(0.5);
  expect(() => trial.suggestFloat("x", 0.6, 2)).toThrow(expect.objectContaining({ code: "TUNER_PARAMETER_CHANGED" }));
  expect(() => trial.suggestInt("x", 0, 1)).toThrow(expect.objectContaining({ code: "TUNER_PARAMETER_CHANGED" }));
  expect(() => trial.suggestCategorical("none", [])).toThrow(expect.objectContaining({ code: "TUNER_SPACE_INVALID" }));
  await study.tell(trial.number, { state: "completed", value: 1 });
  expect((await study.trials())[0]?.params).toEqual({ x: 0.5 });
  const next = await study.ask();
  expect(() => next.suggestCategorical("x", ["a"])).toThrow(
    expect.objectContaining({ code: "TUNER_PARAMETER_CHANGED" }),
  );
  // Another range is another domain of the same parameter.
  expect(next.suggestFloat("x", 5, 6)).toBeGreaterThanOrEqual(5);
});

test("what a trial asked for outlives its process, with its checkpoint", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-tuner-"));
  try {
    await using database = await openSqlite(join(folder, "mill.db"));
    const open = () => openDynamicStudy({ ...options, database, sampler: randomSampler(), pruner: false });
    const stop = new AbortController();
    let before: Record<string, unknown> = {};
    {
      await using study = await open();
      const run = study.optimize(
        async (trial) => {
          before = { x: trial.suggestFloat("x", 0, 1), n: trial.suggestInt("n", 1, 9) };
          await trial.report(0, 1, { checkpoint: "half" });
          stop.abort(new Error("enough"));
          return 1;
        },
        { trials: 1, signal: stop.signal },
      );
      await expect(run).rejects.toThrow("enough");
    }
    await using study = await open();
    await study.optimize(
      (trial) => {
        expect(trial.checkpoint).toBe("half");
        expect(trial.retries).toBe(1);
        expect({ x: trial.suggestFloat("x", 0, 1), n: trial.suggestInt("n", 1, 9) }).toEqual(before);
        return 1;
      },
      { trials: 1, failuresInARow: 1 },
    );
    expect((await study.trials())[0]).toMatchObject({ state: "completed", params: before });
    await expect(openStudy({ ...options, space: { x: float(0, 1) }, database })).rejects.toMatchObject({
      code: "TUNER_STUDY_DIFFERS",
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
