import { type Clock, createManualClock, type LoadedModel, type Meter, type ModelRuntime } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openModelServer } from "../src/index.ts";
import { createServerless } from "../src/isolation.ts";
import { asked, isolated, obedient, until } from "./isolation-setting.ts";
import { expected, packFolder, denseRuntime } from "./models.ts";

/** Keeps what the histogram of setup times is told. */
const recording = (times: number[]): Meter => ({
  counter: () => ({ add: () => {} }),
  gauge: () => ({ set: () => {} }),
  histogram: (name) => ({
    observe: (value) => void (name === "millwright_serving_model_setup_seconds" && times.push(value)),
  }),
});

/** The dense runtime, whose loads take so long on the clock; the files are read once, since the disk does not follow the clock. */
function slowly(clock: Clock, loadMs: number): ModelRuntime {
  let read: Promise<LoadedModel> | undefined;
  return {
    formats: ["dense"],
    async load(...given) {
      read ??= denseRuntime().load(...given);
      const model = await read;
      await clock.sleep(loadMs);
      return model;
    },
  };
}

/** Moves the clock on until the promise has settled. */
async function passing<Value>(clock: ReturnType<typeof createManualClock>, promise: Promise<Value>): Promise<Value> {
  let over = false;
  const settled = promise.finally(() => (over = true));
  settled.catch(() => {});
  while (!over) await clock.advance(100);
  return settled;
}

test("SV-32: a serverless endpoint scales to zero, its first request pays the setup, which is told, and over its concurrency it answers 429", async () => {
  const clock = createManualClock(0);
  const times: number[] = [];
  const serverless = createServerless({
    memorySizeMb: 3_072,
    maxConcurrency: 2,
    idleMs: 60_000,
    clock,
    meter: recording(times),
  });
  expect(serverless.heapBytes).toBe(2_304 * 2 ** 20);
  await using folder = await packFolder(1);
  const opening = openModelServer({
    source: folder.source,
    runtimes: [serverless.runtime(slowly(clock, 1_500))],
    watch: false,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages: [serverless.stage()] } },
  });
  await using server = await passing(clock, opening);
  const row = [0.1, 0.2, 0.3, 0.4];
  const ask = () => server.predict("late", { instances: [row] });
  expect((await ask()).outputs["probability"]?.data[0]).toBeCloseTo(expected(1, row), 6);
  expect(serverless.loaded()).toBe(1);
  expect(times).toEqual([]);

  // It was asked a moment ago: it stays.
  await clock.advance(59_000);
  await ask();
  await clock.advance(59_999);
  expect(serverless.loaded()).toBe(1);
  await clock.advance(1);
  expect(serverless.loaded()).toBe(0);

  // Three at once, and two places: the third is turned away, the others pay the setup once.
  const three = Promise.allSettled([ask(), ask(), ask()]);
  const [first, second, third] = await passing(clock, three);
  expect([first?.status, second?.status, third?.status]).toEqual(["fulfilled", "fulfilled", "rejected"]);
  const request = new Request("http://localhost/endpoints/late/predict", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ instances: [row] }),
  });
  expect(times).toHaveLength(1);
  expect(times[0]).toBeGreaterThanOrEqual(1.5);
  expect(times[0]).toBeLessThan(2);
  expect(third).toMatchObject({ reason: { code: "SERVING_CONCURRENCY_EXCEEDED", category: "quota", retryable: true } });

  // Over HTTP as well.
  await clock.advance(60_000);
  expect(serverless.loaded()).toBe(0);
  const both = Promise.all([ask(), ask()]);
  const reply = await server.handle(request);
  expect(reply.status).toBe(429);
  await passing(clock, both);
  expect(serverless.loaded()).toBe(1);
});

test("a serverless model in workers leaves no process behind while nobody asks", async () => {
  const serverless = createServerless({ idleMs: 80 });
  await using runtime = isolated({ heapBytes: serverless.heapBytes });
  const model = await serverless.runtime(runtime).load("/nowhere", obedient());
  const [pid] = runtime.workers().map((worker) => worker.pid ?? 0);
  expect(await asked(model, 20)).toBe(40);
  await until(() => runtime.workers().length === 0);
  expect(() => process.kill(pid ?? 0, 0)).toThrow("ESRCH");
  // Several who come while it is loaded wait for one load.
  expect(await Promise.all([asked(model, 21), asked(model, 22)])).toEqual([42, 44]);
  expect(runtime.workers()).toHaveLength(1);
  await model.dispose();
  expect(runtime.workers()).toEqual([]);
  await expect(asked(model, 23)).rejects.toMatchObject({ code: "PORT_CLOSED" });
});

test("with provisioned concurrency a model stays loaded; sizes and limits are SageMaker's", async () => {
  const clock = createManualClock(0);
  const serverless = createServerless({ clock, idleMs: 10, maxConcurrency: 5, provisionedConcurrency: 1 });
  const inner = { formats: ["obedient"], load: async () => ({ memoryBytes: 0, predict: (given: never) => given, dispose: async () => {} }) }; // prettier-ignore
  const model = await serverless.runtime(inner).load("/nowhere", obedient());
  await clock.advance(1_000_000);
  expect(serverless.loaded()).toBe(1);
  await model.dispose();
  for (const memorySizeMb of [0, 512, 1_500, 7_168])
    expect(() => createServerless({ memorySizeMb })).toThrow("memorySizeMb");
  for (const maxConcurrency of [0, 1.5, 201])
    expect(() => createServerless({ maxConcurrency })).toThrow("maxConcurrency");
  expect(() => createServerless({ maxConcurrency: 2, provisionedConcurrency: 3 })).toThrow("provisionedConcurrency");
  expect(() => createServerless({ idleMs: 0 })).toThrow("idleMs");
});
