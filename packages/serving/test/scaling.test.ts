import { createManualClock, createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  decideScaling,
  invocationsPerInstance,
  openAutoscaler,
  type ScalingOptions,
  type ScalingPolicy,
  simulateScaling,
  startScaling,
} from "../src/isolation.ts";
import { asked, isolated, obedient } from "./isolation-setting.ts";

const minute = 60_000;
const hour = 60 * minute;
/** Requests per second that a worker can answer. */
const rate = 20;
const target = invocationsPerInstance(rate);

type Load = readonly { readonly timeMs: number; readonly ratePerSecond: number }[];

const every = (forMs: number, stepMs: number, ratePerSecond: (timeMs: number) => number): Load =>
  Array.from({ length: Math.floor(forMs / stepMs) + 1 }, (_, at) => ({
    timeMs: at * stepMs,
    ratePerSecond: ratePerSecond(at * stepMs),
  }));

const random = createRandom(7);
const noisy = (value: number, part: number): number => Math.max(0, value * (1 + part * random.normal()));

/** Loads as services have them, each with how often the number of workers may turn: as often as the load does, and for noise twice an hour at most. */
const traces: Readonly<Record<string, { readonly load: Load; readonly turns: number }>> = {
  "a day with its tide": {
    load: every(24 * hour, minute, (at) => 60 + 50 * Math.sin((2 * Math.PI * at) / (24 * hour))),
    turns: 3,
  },
  "the same with noise": {
    load: every(24 * hour, minute, (at) => noisy(60 + 50 * Math.sin((2 * Math.PI * at) / (24 * hour)), 0.15)),
    turns: 24,
  },
  "a step up and down": { load: every(3 * hour, minute, (at) => (at > hour && at < 2 * hour ? 90 : 20)), turns: 2 },
  "a saw of two minutes": {
    load: every(2 * hour, 30_000, (at) => (Math.floor(at / minute) % 2 === 0 ? 75 : 25)),
    turns: 1,
  },
  "a steady load with noise": { load: every(4 * hour, 30_000, () => noisy(50, 0.2)), turns: 8 },
};

const tracking: ScalingOptions = {
  min: 1,
  max: 40,
  policies: [{ kind: "target", metric: "invocationsPerInstance", target }],
};

test("SV-33: replayed loads: target tracking turns no more often than the load does and keeps the objective, with SageMaker's formula for the target", () => {
  // MAX_RPS · SAFETY · 60, as SageMaker's guide has it.
  expect(target).toBe(20 * 0.5 * 60);
  for (const [name, { load, turns }] of Object.entries(traces)) {
    const report = simulateScaling(tracking, load, {
      workerRatePerSecond: rate,
      startMs: 5_000,
      everyMs: 10_000,
      workers: 3,
    });
    expect.soft(report.oscillations, `${name}: turns`).toBeLessThanOrEqual(turns);
    expect.soft(report.withinObjective, `${name}: within the objective`).toBeGreaterThan(0.99);
    // It is not kept by leaving everything up.
    const seconds = (at: number): number =>
      ((load[at + 1]?.timeMs ?? load[at]?.timeMs ?? 0) - (load[at]?.timeMs ?? 0)) / 1_000;
    const requests = load.reduce((sum, { ratePerSecond }, at) => sum + ratePerSecond * seconds(at), 0);
    expect.soft(requests / (report.workerHours * 3_600 * rate), `${name}: use`).toBeGreaterThan(0.25);
  }
  // Without cooldowns and stabilisation the saw is followed up and down: what these are for.
  const restless: ScalingOptions = {
    ...tracking,
    stabilisation: { inMs: 0 },
    policies: [
      { kind: "target", metric: "invocationsPerInstance", target, scaleOutCooldownMs: 0, scaleInCooldownMs: 0 },
    ],
  };
  const saw = traces["a saw of two minutes"]?.load ?? [];
  const flapping = simulateScaling(restless, saw, {
    workerRatePerSecond: rate,
    startMs: 5_000,
    everyMs: 10_000,
    workers: 3,
  });
  expect(flapping.oscillations).toBeGreaterThan(40);
});

test("by concurrency and by queue the objective is kept as well, and the policy that wants most is followed", () => {
  const policies: readonly ScalingPolicy[] = [
    { kind: "target", metric: "concurrencyPerInstance", target: 0.5 },
    { kind: "target", metric: "queuePerInstance", target: 2, disableScaleIn: true },
  ];
  const { load } = traces["a step up and down"] ?? { load: [] };
  const report = simulateScaling({ min: 1, max: 40, policies }, load, {
    workerRatePerSecond: rate,
    everyMs: 10_000,
    startMs: 10_000,
    workers: 3,
  });
  expect(report.withinObjective).toBeGreaterThan(0.99);
  expect(report.oscillations).toBeLessThanOrEqual(1);
  expect(report.mostWorkers).toBeLessThanOrEqual(14);
});

const decide = (
  options: ScalingOptions,
  workers: number,
  samples: readonly (readonly [timeMs: number, value: number])[],
): readonly number[] => {
  let state = startScaling(workers);
  return samples.map(([timeMs, value]) => {
    ({ state } = decideScaling(options, state, { timeMs, metrics: { m: value } }));
    return state.workers;
  });
};

test("target tracking: the formula, the tolerance, the cooldowns and the bounds", () => {
  const policy = { kind: "target", metric: "m", target: 10 } as const;
  const one = (extra: object = {}, rest: object = {}): ScalingOptions => ({
    max: 10,
    policies: [{ ...policy, ...extra }],
    stabilisation: { inMs: 0 },
    ...rest,
  });
  // ceil(4 · 25 / 10), and no more than twice as many at once; within a tenth nothing; clamped.
  expect(decide(one(), 4, [[0, 25]])).toEqual([8]);
  expect(decide(one({}, { maxFactor: 3 }), 4, [[0, 25]])).toEqual([10]);
  expect(decide(one(), 4, [[0, 15]])).toEqual([6]);
  expect(decide(one(), 4, [[0, 10.9]])).toEqual([4]);
  expect(decide(one({}, { min: 3 }), 4, [[0, 1]])).toEqual([3]);
  expect(decide(one({ disableScaleIn: true }), 4, [[0, 1]])).toEqual([4]);
  // Within the cooldown only what is more than was wanted then.
  expect(decide(one(), 2, [[0, 20], [10_000, 11.5], [20_000, 20], [90_000, 11.5]])).toEqual([4, 5, 10, 10]); // prettier-ignore
  // Fewer only after the cooldown of the last change.
  expect(decide(one({ scaleInCooldownMs: 100_000 }), 2, [[0, 20], [50_000, 5], [99_999, 5], [100_000, 5]])).toEqual([4, 4, 4, 2]); // prettier-ignore
  // A sample without the metric changes nothing.
  expect(decideScaling(one(), startScaling(4), { timeMs: 0, metrics: {} }).decision.workers).toBe(4);
});

test("stabilisation: fewer only where none of the window wanted more, more only where all of it did", () => {
  const policies: readonly ScalingPolicy[] = [
    { kind: "target", metric: "m", target: 10, scaleInCooldownMs: 0, scaleOutCooldownMs: 0 },
  ];
  const samples = [[0, 10], [60_000, 4], [120_000, 8], [180_000, 4], [240_000, 4], [300_000, 4], [420_000, 4]] as const; // prettier-ignore
  expect(decide({ max: 10, policies, stabilisation: { inMs: 300_000 } }, 5, samples)).toEqual([5, 5, 5, 5, 5, 4, 2]);
  const peaks = [[0, 30], [10_000, 10], [20_000, 30], [30_000, 30]] as const; // prettier-ignore
  expect(decide({ max: 20, policies, stabilisation: { outMs: 15_000 } }, 2, peaks)).toEqual([6, 6, 6, 12]);
});

test("step scaling adjusts by workers, per cent or to a number", () => {
  const steps = [{ to: -5, change: -1 }, { from: 0, to: 20, change: 1 }, { from: 20, change: 3 }]; // prettier-ignore
  const step = (adjustment: "change" | "percent" | "exact", given = steps): ScalingOptions => ({
    max: 20,
    maxFactor: 3,
    stabilisation: { inMs: 0 },
    policies: [{ kind: "step", metric: "m", threshold: 50, adjustment, steps: given, cooldownMs: 0 }],
  });
  expect(decide(step("change"), 5, [[0, 40], [1, 47], [2, 55], [3, 80]])).toEqual([4, 4, 5, 8]); // prettier-ignore
  expect(decide(step("percent", [{ from: 0, to: 20, change: 10 }, { from: 20, change: 50 }]), 5, [[0, 55], [1, 90]])).toEqual([6, 9]); // prettier-ignore
  expect(decide(step("exact", [{ from: 0, change: 12 }]), 5, [[0, 50]])).toEqual([12]);
});

test("a schedule moves the bounds, over midnight too, and a forecast is ready before the load is", () => {
  const scheduled: ScalingOptions = {
    max: 10,
    stabilisation: { inMs: 0 },
    policies: [
      { kind: "target", metric: "m", target: 10, scaleInCooldownMs: 0 },
      { kind: "scheduled", entries: [{ daily: { fromMinute: 22 * 60, toMinute: 2 * 60 }, min: 4 }, { once: { fromMs: 5 * hour, toMs: 6 * hour }, max: 2 }] }, // prettier-ignore
    ],
  };
  expect(decide(scheduled, 1, [[hour, 0], [3 * hour, 0], [5 * hour, 90], [23 * hour, 0]])).toEqual([4, 1, 2, 4]); // prettier-ignore

  const wave = every(3 * 24 * hour, 5 * minute, (at) => (Math.floor(at / hour) % 24 === 8 ? 100 : 10));
  const reactive: ScalingOptions = {
    max: 20,
    policies: [{ kind: "target", metric: "invocationsPerInstance", target }],
  };
  const predictive: ScalingOptions = {
    ...reactive,
    policies: [
      ...reactive.policies,
      { kind: "predictive", metric: "invocationsPerInstance", target, leadMs: 15 * minute },
    ],
  };
  const simulation = { workerRatePerSecond: rate, startMs: 8 * minute, everyMs: minute, workers: 1 };
  const onThirdDay = (options: ScalingOptions): number =>
    simulateScaling(options, wave, simulation).steps.filter(
      ({ timeMs, latencyMs }) => timeMs > 48 * hour && latencyMs > 1_000,
    ).length;
  expect(onThirdDay(reactive)).toBeGreaterThan(3);
  expect(onThirdDay(predictive)).toBe(0);
});

test("an autoscaler scales real workers by their queue, or only says what it would do", async () => {
  const clock = createManualClock(0);
  await using runtime = isolated({ kind: "thread", workers: 1 });
  const model = await runtime.load("/nowhere", obedient());
  const options = {
    clock,
    everyMs: 1_000,
    max: 3,
    policies: [{ kind: "target", metric: "concurrencyPerInstance", target: 2, scaleInCooldownMs: 0 }],
    stabilisation: { inMs: 2_000 },
  } as const;
  const dry: number[] = [];
  const watching = openAutoscaler(runtime, 1, {
    ...options,
    dryRun: true,
    onDecision: ({ workers }) => void dry.push(workers),
  });
  const requests = Array.from({ length: 6 }, (_, at) => asked(model, 10 + at, 400));
  await clock.advance(1_000);
  await watching[Symbol.asyncDispose]();
  expect(dry).toEqual([3]);
  expect(runtime.workers()).toHaveLength(1);
  await using scaler = openAutoscaler(runtime, 1, options);
  await clock.advance(1_000);
  await expect.poll(() => runtime.workers().length, { timeout: 100_000 }).toBe(3);
  expect(scaler.last()).toMatchObject({ workers: 3 });
  expect(await Promise.all(requests)).toEqual([20, 22, 24, 26, 28, 30]);
  // Nothing to do: back to one.
  await expect
    .poll(
      async () => {
        await clock.advance(1_000);
        return runtime.workers().length;
      },
      { timeout: 100_000 },
    )
    .toBe(1);
  expect(scaler.state().workers).toBe(1);
});

test("options out of range are refused", () => {
  const state = startScaling(1);
  const sample = { timeMs: 0, metrics: {} };
  expect(() => decideScaling({ max: 0, policies: tracking.policies }, state, sample)).toThrow("max");
  expect(() => decideScaling({ max: 2, policies: [] }, state, sample)).toThrow("policy");
  expect(() =>
    decideScaling({ max: 2, policies: [{ kind: "target", metric: "m", target: 0 }] }, state, sample),
  ).toThrow("target");
  expect(() => decideScaling({ max: 2, policies: [{ kind: "other" } as never] }, state, sample)).toThrow("kind");
  expect(() => simulateScaling(tracking, [], { workerRatePerSecond: 1 })).toThrow("two entries");
});
