import { createManualClock } from "@millwright/contracts";
import {
  type Progress,
  type Sampler,
  categorical,
  float,
  int,
  linear,
  openStudy,
  permutation,
  randomSampler,
  when,
} from "@millwright/tuner";
import { expect, test } from "vitest";

const space = {
  x: float(0, 1),
  n: int(1, 8),
  net: categorical(["linear", "deep"]),
  depth: when("net", ["deep"], int(1, 3)),
  order: permutation(["p", "q", "r"]),
};
const options = { name: "line", space, direction: "minimize", sampler: randomSampler(), seed: 4 } as const;

test("HT-28: enqueued trials run first, in order; what was fixed of them stays, the sampler gives the rest", async () => {
  await using study = await openStudy(options);
  await study.optimize(() => 1, { trials: 2 });
  await study.enqueue({ x: 0.25, n: 3, net: "linear", order: ["r", "q", "p"] });
  await study.enqueue({ x: 0.5 }, { attributes: { from: "production" } });
  await study.enqueue({ net: "deep", depth: 2, order: ["q", "p", "r"] });
  await study.optimize(({ params }) => params.x, { trials: 6, parallelism: 2 });
  const trials = await study.trials();
  expect(trials).toHaveLength(6);
  expect(trials[2]?.params).toEqual({ x: 0.25, n: 3, net: "linear", order: ["r", "q", "p"] });
  expect(trials[3]).toMatchObject({ params: { x: 0.5 }, attributes: { from: "production" } });
  expect(Object.keys(trials[3]?.params ?? {})).toEqual(expect.arrayContaining(["x", "n", "net", "order"]));
  expect(trials[4]?.params).toMatchObject({ net: "deep", depth: 2, order: ["q", "p", "r"] });
  expect(trials[4]?.params["x"]).toBeTypeOf("number");
  expect(trials[5]?.explanation["sampler"]).toBe("random");

  await expect(study.enqueue({ x: 2 })).rejects.toMatchObject({ code: "TUNER_PARAMS_OUTSIDE_SPACE" });
  await expect(study.enqueue({ net: "linear", depth: 2 })).rejects.toMatchObject({
    code: "TUNER_PARAMS_OUTSIDE_SPACE",
  });
  // @ts-expect-error not in the space
  await expect(study.enqueue({ z: 2 })).rejects.toMatchObject({ code: "TUNER_PARAMS_OUTSIDE_SPACE" });
});

test("HT-28: with skipIfExists nothing is put in line twice", async () => {
  await using study = await openStudy(options);
  const first = await study.enqueue({ x: 0.5, n: 2 });
  expect(await study.enqueue({ x: 0.5, n: 2 }, { skipIfExists: true })).toBe(first);
  expect(await study.enqueue({ x: 0.5, n: 3 }, { skipIfExists: true })).toBe(first + 1);
  expect(await study.enqueue({ x: 0.5, n: 2 })).toBe(first + 2);
  expect(await study.trials()).toHaveLength(3);
});

test("HT-28: parameters fixed for a whole search, beside which constraints hold; what cannot be is refused at once", async () => {
  const constraints = [linear({ x: 10, n: 1 }, { atMost: 6 })];
  await using study = await openStudy({ ...options, constraints });
  await study.optimize(({ params }) => params.x, { trials: 20, fixed: { n: 5, net: "deep", order: ["p", "r", "q"] } });
  for (const { params } of await study.trials()) {
    expect(params).toMatchObject({ n: 5, net: "deep", order: ["p", "r", "q"] });
    expect(params["x"]).toBeLessThanOrEqual(0.1 + 1e-9);
  }
  expect((await study.ask({ fixed: { x: 0.05 } })).params.x).toBe(0.05);
  await expect(study.enqueue({ x: 0.9 })).rejects.toMatchObject({ code: "TUNER_CONSTRAINTS_UNSATISFIABLE" });
  await expect(study.optimize(() => 1, { trials: 99, fixed: { x: 3 } })).rejects.toMatchObject({
    code: "TUNER_PARAMS_OUTSIDE_SPACE",
  });
});

test("HT-28: finished trials from elsewhere are seen by samplers and count for no limit; attributes are kept", async () => {
  const seen: number[] = [];
  const watching: Sampler = {
    name: "watching",
    suggest(given, context, random) {
      seen.push(context.trials.filter(({ state }) => state === "completed").length);
      return randomSampler().suggest(given, context, random);
    },
  };
  await using study = await openStudy({ ...options, sampler: watching });
  const params = { x: 0.1, n: 1, net: "linear", order: ["p", "q", "r"] } as const;
  await study.add({ params, result: { state: "completed", value: -5 }, attributes: { model: "champion" } });
  await study.add({ params, result: { state: "failed", reason: "out of time" } });
  await expect(
    study.add({ params: { ...params, n: 9 }, result: { state: "completed", value: 1 } }),
  ).rejects.toMatchObject({ code: "TUNER_PARAMS_OUTSIDE_SPACE" });
  const summary = await study.optimize(
    async (trial) => {
      await trial.setAttributes({ host: "here", scratch: 1 });
      await trial.setAttributes({ scratch: null });
      return { value: trial.params.x, attributes: { epochs: 3 } };
    },
    { trials: 3 },
  );
  expect(summary).toMatchObject({ stopped: "trials", completed: 4, failed: 1 });
  expect(seen).toEqual([1, 2, 3]);
  const trials = await study.trials();
  expect(trials[0]).toMatchObject({ added: true, attempts: 0, attributes: { model: "champion" } });
  expect(trials[2]?.attributes).toEqual({ host: "here", epochs: 3 });
  expect((await study.best()).value).toBe(-5);
  await study.setAttributes({ owner: "fleet", draft: true });
  await study.setAttributes({ draft: null });
  expect(await study.attributes()).toEqual({ owner: "fleet" });
});

test("progress tells what is done, the best and what is left, in time too", async () => {
  const clock = createManualClock();
  await using study = await openStudy({ ...options, clock });
  await study.optimize(() => 9, { trials: 2 });
  const told: Progress[] = [];
  await study.optimize(
    async ({ number }) => {
      await clock.advance(1_000);
      return 10 - number;
    },
    { trials: 5, onProgress: (progress) => told.push(progress) },
  );
  expect(told.map(({ done, total, etaMs }) => [done, total, etaMs])).toEqual([
    [3, 5, 2_000],
    [4, 5, 1_000],
    [5, 5, 0],
  ]);
  expect(told.at(-1)).toMatchObject({ running: 0, elapsedMs: 3_000, best: { number: 4, value: 6 } });
});

test("a study that is closed gives its running trials back, and refuses what comes after", async () => {
  const study = await openStudy(options);
  const run = study.optimize(
    ({ signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true }),
      ),
    { trials: 4, parallelism: 2, onTrial: () => {} },
  );
  run.catch(() => {});
  while ((await study.trials()).filter(({ state }) => state === "running").length < 2);
  await study.close();
  await expect(run).rejects.toMatchObject({ code: "PORT_CLOSED" });
  await expect(study.ask()).rejects.toMatchObject({ code: "PORT_CLOSED" });
  await study.close();
});
