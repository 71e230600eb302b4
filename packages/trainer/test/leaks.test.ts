import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { TrainingLoop } from "../src/training-loop.ts";
import { type LeakFinding, type LeakOptions, LeakWatch } from "../src/watchdog/leak-watch.ts";
import { robustSlope } from "../src/watchdog/robust-slope.ts";
import { lineMatrix, loopOptions } from "./loop-setting.ts";
import { fixture, flights, openSetting } from "./setting.ts";

const MiB = 2 ** 20;

/** Memory as a process has it: 250 MB, a saw of garbage of 30 MB and noise, and what it does at the beginning. */
function memoryOf(seed: number): (step: number) => number {
  const random = createRandom(seed);
  return (step) => 250e6 + 40e6 * (1 - Math.exp(-step / 150)) + ((step * 0.7e6) % 30e6) + 2e6 * random.normal();
}

function findings(
  steps: number,
  measured: (step: number) => { rssBytes: number; tensors: number },
  options?: LeakOptions,
): LeakFinding[] {
  const watch = new LeakWatch(options);
  return Array.from({ length: steps }, (_, index) => watch.update(index + 1, measured(index + 1))).filter(
    (finding) => finding !== undefined,
  );
}

test("TR-14: a leak of 1 MiB a step is flagged within 128 steps, with an interval that has it", () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const memory = memoryOf(seed);
    const [found, ...more] = findings(500, (step) => ({ rssBytes: memory(step) + step * MiB, tensors: 40 }));
    expect(more).toEqual([]);
    expect(found).toMatchObject({ measure: "rssBytes" });
    expect(found?.step).toBeLessThanOrEqual(128);
    expect(found?.perStep.low).toBeGreaterThan(0.5 * MiB);
  }
});

test("TR-14: a slow leak is found when it has come to 64 MiB, and a run of 10,000 steps without one is not flagged", () => {
  const memory = memoryOf(6);
  const [slow] = findings(20_000, (step) => ({ rssBytes: memory(step) + step * 10_000, tensors: 40 }));
  expect(slow?.measure).toBe("rssBytes");
  expect(slow?.step).toBeLessThan(14_000);
  expect(slow?.perStep.slope).toBeGreaterThan(8_000);
  for (const seed of [7, 8, 9]) {
    const clean = memoryOf(seed);
    const random = createRandom(seed);
    expect(findings(10_000, (step) => ({ rssBytes: clean(step), tensors: 40 + random.integer(5) }))).toEqual([]);
  }
});

test("TR-14: one tensor a step is found with the others coming and going", () => {
  const random = createRandom(3);
  const [found] = findings(500, (step) => ({ rssBytes: 1e8, tensors: 100 + step + random.integer(20) }));
  expect(found).toMatchObject({ measure: "tensors" });
  expect(found?.step).toBeLessThanOrEqual(128);
  expect(found?.perStep.low).toBeLessThanOrEqual(1);
  expect(found?.perStep.high).toBeGreaterThanOrEqual(1);
});

test("the slope is the median of all pairs', whatever a quarter of the values are, and its interval that of Kendall's S", () => {
  expect(robustSlope([0, 2, 4, 6])).toMatchObject({ slope: 2 });
  const spoilt = Array.from({ length: 40 }, (_, index) => (index % 5 === 2 ? 1e6 * (index % 2) : 3 * index));
  expect(robustSlope(spoilt, 2).slope).toBeCloseTo(1.5, 9);
  // scipy.stats.theilslopes(values, alpha=0.99): the interval here is the same or wider, its ends being rounded outwards.
  const { slope, low, high } = robustSlope([1, 3, 2, 5, 4, 7, 8, 6, 9, 12, 10, 11]);
  expect(slope).toBeCloseTo(1, 12);
  expect(low).toBeLessThanOrEqual(0.6);
  expect(high).toBeGreaterThanOrEqual(1.3333333333333333);
  expect(low).toBeGreaterThan(0);
});

test("TR-14: 10,000 steps of a real loop are not flagged", async () => {
  const watch = new LeakWatch();
  const found: LeakFinding[] = [];
  const options = await loopOptions({
    train: lineMatrix(1_000),
    batchSize: 1,
    epochs: 10,
    stopWhen: { steps: 10_000 },
  });
  const step = (at: number): LeakFinding | undefined => {
    const finding = watch.update(at, { rssBytes: process.memoryUsage.rss(), tensors: options.tf.memory().numTensors });
    if (finding !== undefined) found.push(finding);
    return undefined;
  };
  const result = await new TrainingLoop({
    ...options,
    watch: { beat() {}, during() {}, step, leak: () => Promise.resolve(false) },
  }).run();
  expect(result.step).toBe(10_000);
  expect(found).toEqual([]);
});

test("TR-14: a callback of a module that leaks tensors is told of; with recycling the next process ends with the same weights", async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(2_000, 1));
  const options = {
    data: { train },
    label: "late",
    batchSize: 20,
    epochs: 2,
    device: "wasm",
    progress: false,
    hangs: false,
    retries: 2,
  } as const;
  const start = async (leak: boolean, leaks: { action: "snapshot" | "recycle" }) => {
    const run = await setting.trainer.start(fixture("leaking.train.js"), { ...options, params: { leak }, leaks });
    const result = await run.result();
    const events = [];
    for await (const { type, data } of run.events()) events.push({ type, data });
    return {
      result,
      events,
      leaks: events.filter(({ type }) => type === "run.leak-suspected").map(({ data }) => data),
    };
  };
  const clean = await start(false, { action: "snapshot" });
  expect(clean.leaks).toEqual([]);
  const warned = await start(true, { action: "snapshot" });
  expect(warned.leaks).toMatchObject([
    { measure: "tensors", action: "snapshot", bundle: expect.stringContaining("leak-tensors-step-") },
  ]);
  expect(warned.leaks[0]?.["step"]).toBeLessThanOrEqual(128);
  const recycled = await start(true, { action: "recycle" });
  // Two retries: two processes are ended, and the third goes on although it leaks as well.
  expect(recycled.leaks.map((leak) => leak["action"])).toEqual(["recycle", "recycle"]);
  expect(recycled.events.filter(({ type }) => type === "run.started").map(({ data }) => data["step"])).toEqual([
    0,
    ...recycled.leaks.map((leak) => leak["step"]),
  ]);
  for (const { result } of [warned, recycled]) expect(result.weightsDigest).toBe(clean.result.weightsDigest);
});

test("a loop that is to be recycled saves a checkpoint, and ends with an error that can be retried", async () => {
  const options = await loopOptions({ save: () => Promise.resolve("kept") });
  const finding: LeakFinding = { measure: "tensors", step: 3, perStep: { slope: 1, low: 1, high: 1 }, grown: 50 };
  const watch = {
    beat() {},
    during() {},
    step: (step: number) => (step === 3 ? finding : undefined),
    leak: () => Promise.resolve(true),
  };
  await expect(new TrainingLoop({ ...options, watch }).run()).rejects.toMatchObject({
    code: "TRAINER_WORKER_RECYCLED",
    retryable: true,
    message: expect.stringContaining("after step 3") as string,
  });
});
