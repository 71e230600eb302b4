import { createBudget, createManualClock, hasCode } from "@millwright/contracts";
import { type Study, categorical, float, medianPruner, openStudy, randomSampler } from "@millwright/tuner";
import { expect, test } from "vitest";

const space = { x: float(-5, 5), kind: categorical(["a", "b"]) };
const open = (options: Partial<Parameters<typeof openStudy<typeof space>>[0]> = {}): Promise<Study<typeof space>> =>
  openStudy({ name: "bowl", space, direction: "minimize", seed: 1, ...options });

test("ask and tell give the same trials as optimize", async () => {
  await using told = await open();
  for (let count = 0; count < 15; count += 1) {
    const trial = await told.ask();
    await told.tell(trial.number, { state: "completed", value: trial.params.x ** 2 });
  }
  await using optimized = await open();
  await optimized.optimize(({ params }) => params.x ** 2, { trials: 15 });
  const paramsOf = async (study: typeof told) => (await study.trials()).map(({ params }) => params);
  expect(await paramsOf(optimized)).toEqual(await paramsOf(told));
  expect((await told.best()).value).toBeLessThan(0.5);
});

test("the number of trials counts the study, not the call, and may be raised", async () => {
  await using study = await open();
  const objective = ({ params }: { readonly params: { readonly x: number } }): number => params.x;
  await study.optimize(objective, { trials: 4, parallelism: 3 });
  await study.optimize(objective, { trials: 4 });
  expect(await study.trials()).toHaveLength(4);
  expect(await study.optimize(objective, { trials: 6 })).toMatchObject({
    stopped: "trials",
    completed: 6,
    pruned: 0,
    failed: 0,
  });
});

test("enqueued parameters come first, in order, and must lie in the space", async () => {
  await using study = await open();
  await study.enqueue({ x: 1, kind: "a" });
  await study.enqueue({ x: 2, kind: "b" });
  expect((await study.ask()).params).toEqual({ x: 1, kind: "a" });
  expect((await study.ask()).params).toEqual({ x: 2, kind: "b" });
  await expect(study.enqueue({ x: 6, kind: "a" })).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_PARAMS_OUTSIDE_SPACE"),
  );
  // @ts-expect-error A choice that is not in the space.
  await expect(study.enqueue({ x: 0, kind: "c" })).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_PARAMS_OUTSIDE_SPACE"),
  );
});

test("a trial that is told to prune is pruned, whatever its objective does then", async () => {
  await using study = await open({ sampler: randomSampler(), pruner: medianPruner({ startupTrials: 2 }) });
  let number = 0;
  const summary = await study.optimize(
    async (trial) => {
      const value = number++;
      if ((await trial.report(0, value)) === "prune" && value % 2 === 0) throw new Error("left early");
      return value;
    },
    { trials: 8 },
  );
  expect(summary).toMatchObject({ stopped: "trials", completed: 2, pruned: 6, failed: 0 });
  expect((await study.trials())[5]?.reason).toContain("worse than");
});

test("telling the same twice does nothing; telling another result is refused", async () => {
  await using study = await open();
  const { number } = await study.ask();
  await study.tell(number, { state: "completed", value: 1 });
  await study.tell(number, { state: "completed", value: 1 });
  await expect(study.tell(number, { state: "completed", value: 2 })).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_TRIAL_FINISHED"),
  );
  await expect(study.tell(7, { state: "failed", reason: "x" })).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_TRIAL_UNKNOWN"),
  );
  await expect(study.tell(number, { state: "completed", value: Number.NaN })).rejects.toSatisfy((error) =>
    hasCode(error, "TUNER_VALUE_INVALID"),
  );
});

test("a failing trial is kept as failed and the study goes on; five in a row end it with the error", async () => {
  await using study = await open();
  let calls = 0;
  const summary = await study.optimize(
    () => {
      calls += 1;
      if (calls % 2 === 1) throw new Error("bad luck");
      return calls;
    },
    { trials: 6 },
  );
  expect(summary).toMatchObject({ stopped: "trials", completed: 3, pruned: 0, failed: 3 });
  await using broken = await open({ name: "broken" });
  await expect(broken.optimize(() => Promise.reject(new Error("never works")), { trials: 100 })).rejects.toThrow(
    "never works",
  );
  expect(await broken.trials()).toHaveLength(5);
});

test("a budget is reserved before each trial and ends the study without an error", async () => {
  const budget = createBudget({ usd: 1 });
  await using study = await open({ budget, trialCost: { usd: 0.3 } });
  const summary = await study.optimize(() => 1, { trials: 100, parallelism: 5 });
  expect(summary).toMatchObject({ stopped: "budget", completed: 3, pruned: 0, failed: 0 });
  expect(budget.remaining()["usd"]).toBeCloseTo(0.1, 12);
});

test("after the time limit running trials are aborted and wait for the next call", async () => {
  await using study = await open();
  const summary = await study.optimize(
    (trial) =>
      new Promise((_resolve, reject) =>
        trial.signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true }),
      ),
    { trials: 10, parallelism: 2, timeLimitMs: 30 },
  );
  expect(summary).toMatchObject({ stopped: "time", completed: 0, pruned: 0, failed: 0 });
  expect((await study.trials()).map(({ state }) => state)).toEqual(["waiting", "waiting"]);
  expect((await study.optimize(() => 1, { trials: 3 })).completed).toBe(3);
});

test("an objective that never waits is aborted, and held to its time limit, all the same", async () => {
  await using study = await open({ sampler: randomSampler() });
  const controller = new AbortController();
  const reason = new Error("enough");
  setTimeout(() => controller.abort(reason), 20);
  const endless = study.optimize(() => 1, { trials: Infinity, signal: controller.signal });
  await expect(endless).rejects.toBe(reason);
  await using timed = await open({ sampler: randomSampler() });
  const summary = await timed.optimize(() => 1, { trials: Infinity, timeLimitMs: 300 });
  expect(summary.stopped).toBe("time");
  expect(summary.completed).toBeGreaterThan(0);
});

test("options that no search can keep to are refused before a trial begins", async () => {
  await using study = await open();
  for (const [options, name] of [
    [{ trials: Number.NaN }, "trials"],
    [{ trials: 2, parallelism: 0 }, "parallelism"],
    [{ trials: 2, parallelism: 2 ** 40 }, "parallelism"],
    [{ trials: 2, timeLimitMs: -1 }, "timeLimitMs"],
    [{ trials: 2, failuresInARow: 0 }, "failuresInARow"],
  ] as const)
    await expect(study.optimize(() => 1, options)).rejects.toThrow(new RegExp(`^${name} is .*must be`));
  // @ts-expect-error an objective is needed
  await expect(study.optimize(undefined, { trials: 1 })).rejects.toThrow(TypeError);
  expect(await study.trials()).toEqual([]);
  // @ts-expect-error it goes one of two ways
  await expect(open({ direction: "upwards" })).rejects.toThrow(RangeError);
});

test("the time limit is that of the clock", async () => {
  const clock = createManualClock();
  await using study = await open({ clock });
  const run = study.optimize(
    async ({ signal }) => {
      await clock.advance(3_600_000);
      return signal.aborted ? Number.NaN : 1;
    },
    { trials: 10, timeLimitMs: 2 * 3_600_000 },
  );
  expect(await run).toMatchObject({ stopped: "time", completed: 1, pruned: 0, failed: 0 });
});

test("an abort rejects with the signal's reason and loses no trial", async () => {
  await using study = await open();
  const controller = new AbortController();
  const reason = new Error("enough");
  const run = study.optimize(
    ({ number }) => {
      if (number === 2) controller.abort(reason);
      return number;
    },
    { trials: 10, signal: controller.signal },
  );
  await expect(run).rejects.toBe(reason);
  expect((await study.trials()).map(({ state }) => state)).toEqual(["completed", "completed", "waiting"]);
});

test("best of an empty study says what to do", async () => {
  await using study = await open();
  await expect(study.best()).rejects.toSatisfy((error) => hasCode(error, "TUNER_STUDY_EMPTY"));
});
