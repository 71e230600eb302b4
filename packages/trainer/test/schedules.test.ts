import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { initialStopping, stepStopping, type StoppingState } from "../src/early-stopping.ts";
import { clipGradients } from "../src/gradient-step.ts";
import { learningRateAt, type PlainSchedule, type PlateauSchedule, type WarmupSchedule } from "../src/learning-rate.ts";
import { rankCheckpoints, type KeptCheckpoint } from "../src/best-checkpoints.ts";
import { checkOptimization, type GradientClipping, type Optimization } from "../src/optimization.ts";
import { initialPlateau, stepPlateau } from "../src/reduce-on-plateau.ts";
import { stopAfterEpoch, stopAfterStep } from "../src/stop-conditions.ts";
import { shareOfNext } from "../src/weight-averaging.ts";
import { tensorFlow } from "./loop-setting.ts";

interface Golden {
  readonly base: number;
  readonly schedules: readonly {
    readonly schedule: PlainSchedule | WarmupSchedule;
    readonly rates: readonly number[];
  }[];
  readonly stoppings: readonly {
    readonly metric: string;
    readonly values: readonly (number | null)[];
    readonly options: { readonly patience: number; readonly minDelta?: number; readonly baseline?: number };
    readonly stoppedAfter: number | null;
    readonly bestEpoch: number;
  }[];
  readonly plateaus: readonly {
    readonly metric: string;
    readonly values: readonly (number | null)[];
    readonly options: Omit<PlateauSchedule, "kind" | "metric">;
    readonly rates: readonly number[];
  }[];
  readonly gradients: readonly { readonly shape: readonly number[]; readonly values: readonly number[] }[];
  readonly clips: readonly { readonly clip: GradientClipping; readonly clipped: readonly (readonly number[])[] }[];
}
/** Of Keras, and of PyTorch's formula where Keras has none: `golden/schedules.py` writes it. */
const golden = JSON.parse(await readFile(new URL("golden/schedules.json", import.meta.url), "utf8")) as Golden;

test("TR-7: learning rates are those of Keras and PyTorch, step by step", () => {
  expect(golden.schedules.map(({ schedule }) => schedule.kind)).toEqual([
    "step",
    "exponential",
    "cosine",
    "cosine",
    "cosine",
    "warmup",
    "oneCycle",
    "oneCycle",
  ]);
  for (const { schedule, rates } of golden.schedules) {
    for (const [step, rate] of rates.entries()) {
      // Keras computes in float32: numbers of 0.1 within a few of its last bits of 7e-9.
      const found = learningRateAt(schedule, golden.base, step);
      expect(Math.abs(found - rate), `${JSON.stringify(schedule)} at ${step}: ${found}, not ${rate}`).toBeLessThan(
        3e-8,
      );
    }
  }
});

test("TR-7: early stopping stops after the epoch that Keras stops after, with its best epoch", () => {
  const stopped = new Set<number | null>();
  for (const { metric, values, options, stoppedAfter, bestEpoch } of golden.stoppings) {
    let state: StoppingState = initialStopping;
    let after: number | null = null;
    for (const [index, value] of values.entries()) {
      const rule = { metric, minDelta: 0, ...options };
      const next = stepStopping(state, index + 1, { [metric]: value ?? Number.NaN }, rule);
      state = next.state;
      if (!next.stop) continue;
      after = index + 1;
      break;
    }
    expect({ stoppedAfter: after, bestEpoch: state.bestEpoch }, JSON.stringify(options)).toEqual({
      stoppedAfter,
      bestEpoch,
    });
    stopped.add(after);
  }
  expect(stopped.size).toBeGreaterThan(4);
});

test("TR-7: the rate is lowered on plateaus in the epochs in which Keras lowers it", () => {
  for (const { metric, values, options, rates } of golden.plateaus) {
    let state = initialPlateau(golden.base);
    for (const [index, value] of values.entries()) {
      state = stepPlateau(state, { [metric]: value ?? Number.NaN }, { kind: "plateau", metric, ...options });
      expect(state.learningRate, `${JSON.stringify(options)} in epoch ${index + 1}`).toBeCloseTo(
        rates[index] as number,
        7,
      );
    }
    expect(state.learningRate).toBeLessThan(golden.base);
  }
});

test("TR-7: gradients are clipped to Keras's, by norm and by value", async () => {
  const tf = await tensorFlow();
  const gradients = Object.fromEntries(
    golden.gradients.map(({ shape, values }, index) => [String(index), tf.tensor([...values], [...shape])]),
  );
  for (const { clip, clipped } of golden.clips) {
    const found = Object.values(clipGradients(tf, gradients, clip)).map((tensor) => [...tensor.dataSync()]);
    for (const [index, values] of clipped.entries()) {
      for (const [place, value] of values.entries()) expect(found[index]?.[place]).toBeCloseTo(value, 5); // float32
    }
  }
});

test("TR-7: what goes into averages of weights: exponentially at each step, evenly at epochs", () => {
  expect(shareOfNext({ kind: "ema", decay: 0.75 }, { count: 9, epoch: 1, end: "step" })).toBe(0.25);
  expect(shareOfNext({ kind: "ema" }, { count: 9, epoch: 1, end: "epoch" })).toBeUndefined();
  const swa = { kind: "swa", fromEpoch: 3 } as const;
  expect(shareOfNext(swa, { count: 0, epoch: 3, end: "step" })).toBeUndefined();
  expect(shareOfNext(swa, { count: 0, epoch: 2, end: "epoch" })).toBeUndefined();
  expect([0, 1, 2].map((count) => shareOfNext(swa, { count, epoch: 3 + count, end: "epoch" }))).toEqual([
    1,
    1 / 2,
    1 / 3,
  ]);
});

test("TR-7: of checkpoints the best are kept, of equal ones the earlier, and none without a number", () => {
  const run = (metric: string, values: readonly number[]): readonly (readonly number[])[] => {
    let kept: readonly KeptCheckpoint[] = [];
    return values.map((value, index) => {
      kept = rankCheckpoints(kept, { epoch: index + 1, step: 10 * (index + 1), value }, { metric, keep: 2 });
      return kept.map(({ epoch }) => epoch);
    });
  };
  expect(run("logLoss", [3, 1, 2, 1, Number.NaN, 0.5])).toEqual([[1], [2, 1], [2, 3], [2, 4], [2, 4], [6, 2]]);
  expect(run("auc", [0.5, 0.7, 0.6])).toEqual([[1], [2, 1], [2, 3]]);
});

test("TR-30: a run ends after the step and the epoch that its conditions name", () => {
  const steps = [1, 2, 3, 4].map((step) => stopAfterStep({ steps: 3 }, { step, elapsedMs: 0 })?.cause);
  expect(steps).toEqual([undefined, undefined, "steps", "steps"]);
  const times = [0, 99.9, 100].map((elapsedMs) => stopAfterStep({ timeMs: 100 }, { step: 1, elapsedMs })?.cause);
  expect(times).toEqual([undefined, undefined, "time"]);
  const reached = (name: string, value: number): string | undefined =>
    stopAfterEpoch({ metric: { name, reaches: 0.5 } }, { [name]: value })?.cause;
  expect([reached("logLoss", 0.51), reached("logLoss", 0.5), reached("logLoss", Number.NaN)]).toEqual([
    undefined,
    "metric",
    undefined,
  ]);
  expect([reached("auc", 0.49), reached("auc", 0.5)]).toEqual([undefined, "metric"]);
  expect(stopAfterEpoch({ metric: { name: "auc", reaches: 0.5 } }, {})).toBeUndefined();
});

test("TR-7: options that make no sense are refused with their name", () => {
  const wrong: readonly [Optimization, RegExp][] = [
    [{ accumulate: 0 }, /"accumulate" is 0/],
    [{ clip: { norm: 0 } }, /"clip\.norm" is 0/],
    [{ clip: {} as { value: number } }, /"clip\.value" is undefined/],
    [{ average: { kind: "ema", decay: 1 } }, /"average\.decay" is 1/],
    [{ average: { kind: "swa", fromEpoch: 0 } }, /"average\.fromEpoch" is 0/],
    [{ notFinite: "ignore" as "skip" }, /"notFinite" is "ignore"/],
    [{ learningRate: { kind: "step" } as PlainSchedule }, /"learningRate\.every" is undefined/],
    [{ learningRate: { kind: "cosine", period: 3, growth: 0.5 } }, /"learningRate\.growth" is 0\.5/],
    [{ learningRate: { kind: "oneCycle", length: 3, rising: 0.3 } }, /"learningRate\.rising" is 0\.3/],
    [
      { learningRate: { kind: "warmup", length: 3, then: { kind: "exponential", factor: -1 } } },
      /"learningRate\.then\.factor" is -1/,
    ],
    [{ learningRate: { kind: "plateau", factor: 1 } }, /"learningRate\.factor" is 1/],
    [{ learningRate: { kind: "zigzag" } as unknown as PlainSchedule }, /of the kind/],
  ];
  for (const [optimization, message] of wrong) {
    expect(() => checkOptimization(optimization), String(message)).toThrow(message);
  }
  checkOptimization({
    learningRate: { kind: "oneCycle", length: 20 },
    clip: { norm: 1 },
    accumulate: 4,
    notFinite: "skip",
  });
});
