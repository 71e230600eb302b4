import { readFile } from "node:fs/promises";
import { systemClock } from "@millwright/contracts";
import {
  chromeTrace,
  formatProfile,
  type ProfiledRun,
  profilerFindings,
  type ProfilerRuleName,
  type SystemSample,
} from "@millwright/trainer";
import { expect, test } from "vitest";
import { trainingRows } from "../src/input/training-rows.ts";
import { runProfile } from "../src/profiler/run-profile.ts";
import { TrainingLoop } from "../src/training-loop.ts";
import { lineMatrix, loopOptions, tensorFlow } from "./loop-setting.ts";
import { fixture, flights, openSetting } from "./setting.ts";

/** What each phase takes, by the hand of a clock that only they move. */
const took = { data: 2, forward: 7, backward: 11, optimizer: 3, callbacks: 5, validation: 20, checkpoint: 30 };

test("TR-24: simulated phases of 8 steps and 2 epochs are reported within 2 %, step for step in the trace", async () => {
  const tf = await tensorFlow();
  let nowMs = 0;
  const clock = { ...systemClock, nowMs: () => nowMs, monotonicMs: () => nowMs };
  const pass = (ms: number): void => void (nowMs += ms);
  const options = await loopOptions({ clock, traceSpans: 1_000, validation: lineMatrix(10, 2) });
  const rows = trainingRows(options.train, options.seed);
  const { ready } = options;
  // Its forward pass takes its time, and its gradient takes another.
  const slowly = tf.customGrad((x, save) => {
    pass(took.forward);
    (save as (tensors: unknown[]) => void)([x]);
    return { value: (x as ReturnType<typeof tf.zeros>).clone(), gradFunc: (dy) => (pass(took.backward), dy) };
  });
  const apply = ready.optimizer.applyGradients.bind(ready.optimizer);
  ready.optimizer.applyGradients = (gradients) => {
    pass(took.optimizer);
    apply(gradients);
  };
  const validation = { rows: 10, width: 2, pieces: () => (pass(took.validation), [lineMatrix(10, 2)]) };
  const { profiler } = await new TrainingLoop({
    ...options,
    validation,
    ready: { ...ready, loss: (truth, predictions) => slowly(tf.mean(tf.squaredDifference(truth, predictions))) },
    train: { ...rows, batch: (...place) => (pass(took.data), rows.batch(...place)) },
    callbacks: [{ name: "slow", onBatchEnd: () => pass(took.callbacks) }],
    save: () => (pass(took.checkpoint), Promise.resolve("kept")),
  }).run();
  const profile = runProfile(profiler, { asynchronous: false, samples: [] });
  const all = 8 * (2 + 7 + 11 + 3 + 5) + 2 * (20 + 30);
  expect(profile.wallMs).toBeCloseTo(all, 6);
  for (const [phase, ms] of Object.entries(took)) {
    const share = ((phase === "validation" || phase === "checkpoint" ? 2 : 8) * ms) / all;
    expect(Math.abs((profile.phases[phase as keyof typeof took]?.share ?? 0) - share)).toBeLessThan(0.02);
  }
  expect(profile.stepMs).toEqual({ count: 8, mean: 23, p50: 23, p95: 23, max: 23 });
  const { traceEvents } = chromeTrace(profiler.spans, "line", 1) as {
    traceEvents: { ph: string; name: string; ts: number; dur: number }[];
  };
  const slices = traceEvents.filter(({ ph }) => ph === "X").slice(0, 6);
  expect(slices.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
    ["data", 0, 2_000],
    ["forward", 2_000, 7_000],
    ["backward", 9_000, 11_000],
    ["optimizer", 20_000, 3_000],
    ["callbacks", 23_000, 5_000],
    ["data", 28_000, 2_000],
  ]);
  expect(formatProfile(profile)).toContain("backward    27.2 %");
});

const samples = (count: number, at: (index: number) => Partial<SystemSample>): SystemSample[] =>
  Array.from({ length: count }, (_, index) => ({ timeMs: index * 500, ...at(index) }));
const gpu = (utilizationPercent: number, memoryPercent = 50) => ({ utilizationPercent, memoryPercent });

/** A run as it should be, of so many samples; then what each rule is about. */
const sound: ProfiledRun = {
  samples: samples(1_200, (index) => ({
    cpuPercent: 60,
    ioWaitPercent: 2,
    gpus: [gpu(85 + (index % 10)), gpu(84 + (index % 10))],
  })),
  stepsMs: Array.from({ length: 500 }, (_, index) => 10 + (index % 3)),
  initializationMs: 5_000,
};
const faults: Readonly<Record<ProfilerRuleName, readonly [fires: Partial<ProfiledRun>, silent: Partial<ProfiledRun>]>> =
  {
    CPUBottleneck: [
      {
        samples: samples(1_000, (index) => ({ cpuPercent: index < 501 ? 91 : 89, gpus: [gpu(index < 501 ? 9 : 95)] })),
      },
      {
        samples: samples(1_000, (index) => ({ cpuPercent: index < 500 ? 91 : 89, gpus: [gpu(index < 500 ? 9 : 95)] })),
      },
    ],
    IOBottleneck: [
      { samples: samples(1_000, (index) => ({ ioWaitPercent: 51, gpus: [gpu(index < 501 ? 9 : 95)] })) },
      { samples: samples(999, () => ({ ioWaitPercent: 51, gpus: [gpu(9)] })) },
    ],
    LowGPUUtilization: [
      { samples: samples(1_000, () => ({ cpuPercent: 80, gpus: [gpu(95), gpu(69)] })) },
      { samples: samples(1_000, () => ({ cpuPercent: 80, gpus: [gpu(95), gpu(70)] })) },
    ],
    GPUMemoryIncrease: [
      { samples: samples(1_000, (index) => ({ cpuPercent: 80, gpus: [gpu(90, index < 990 ? 50 : 60.1)] })) },
      { samples: samples(1_000, (index) => ({ cpuPercent: 80, gpus: [gpu(90, index < 990 ? 50 : 59.9)] })) },
    ],
    BatchSize: [
      { samples: samples(1_000, () => ({ cpuPercent: 69, gpus: [gpu(69, 69)] })) },
      { samples: samples(1_000, () => ({ cpuPercent: 69, gpus: [gpu(69, 70)] })) },
    ],
    StepOutlier: [
      { stepsMs: Array.from({ length: 500 }, (_, index) => (index < 11 ? 200 : 10)) },
      { stepsMs: Array.from({ length: 500 }, (_, index) => (index < 10 ? 200 : 10)) },
    ],
    LoadBalancing: [
      { samples: samples(1_000, (index) => ({ cpuPercent: 80, gpus: [gpu(95), gpu(index % 5 < 2 ? 95 : 75)] })) },
      { samples: samples(1_000, (index) => ({ cpuPercent: 80, gpus: [gpu(95), gpu(index % 5 < 3 ? 95 : 75)] })) },
    ],
    MaxInitializationTime: [{ initializationMs: 1_200_001 }, { initializationMs: 1_200_000 }],
  };

for (const [rule, [fires, silent]] of Object.entries(faults)) {
  test(`TR-24: ${rule} fires on its fixture, with SageMaker's defaults, and not on one just within`, () => {
    const rulesOf = (run: Partial<ProfiledRun>) =>
      profilerFindings({ ...sound, ...run }).map((finding) => finding.rule);
    expect(rulesOf(fires)).toContain(rule);
    expect(rulesOf(silent)).not.toContain(rule);
  });
}

test("TR-24: nothing is said of a sound run, nor of GPUs that were not measured", () => {
  expect(profilerFindings(sound)).toEqual([]);
  expect(
    profilerFindings({ ...sound, samples: samples(2_000, () => ({ cpuPercent: 99, ioWaitPercent: 90 })) }),
  ).toEqual([]);
});

test("TR-24: a run says what its time went to, and keeps a trace", async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(2_000, 1));
  const run = await setting.trainer.start(fixture("plain.train.js"), {
    data: { train, validation: train },
    label: "late",
    epochs: 3,
    batchSize: 50,
    profile: { traceSpans: 100 },
    progress: false,
  });
  const { profile } = await run.result();
  expect(profile?.stepMs.count).toBe(120);
  const shares = Object.values(profile?.phases ?? {}).map(({ share }) => share);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
  expect(Object.keys(profile?.phases ?? {})).toEqual(
    expect.arrayContaining(["data", "forward", "backward", "optimizer", "validation", "checkpoint"]),
  );
  const trace = JSON.parse(await readFile(profile?.trace ?? "", "utf8")) as { traceEvents: readonly unknown[] };
  expect(trace.traceEvents).toHaveLength(102);
});
