import type { Optimization } from "@millwright/trainer";
import { expect, test } from "vitest";
import { digestWeights, readWeights } from "../src/model-state.ts";
import { TrainingLoop } from "../src/training-loop.ts";
import { digestsOfResumes, keepCheckpoints, lineMatrix, loopOptions, tensorFlow } from "./loop-setting.ts";

type Options = Awaited<ReturnType<typeof loopOptions>>;
const weightsOf = async ({ ready }: Options): Promise<readonly number[]> =>
  (await readWeights(ready.model)).flatMap(({ data }) => [...data]);

/** Weights after a run, and after each of its steps. */
async function trained(
  optimization: Optimization,
  more: Partial<Options> = {},
): Promise<{
  readonly final: readonly number[];
  readonly steps: readonly (readonly number[])[];
  readonly result: Awaited<ReturnType<TrainingLoop["run"]>>;
}> {
  const steps: (readonly number[])[] = [];
  const watch = {
    name: "watch",
    onFitStart: async () => void steps.push(await weightsOf(options)),
    onBatchEnd: async () => void steps.push(await weightsOf(options)),
  };
  const options: Options = await loopOptions({ optimization, callbacks: [watch], ...more });
  const result = await new TrainingLoop(options).run();
  return { final: await weightsOf(options), steps, result };
}

const close = (found: readonly number[], wanted: readonly number[], digits: number): void => {
  expect(found).toHaveLength(wanted.length);
  for (const [index, value] of wanted.entries()) expect(found[index]).toBeCloseTo(value, digits);
};

test("TR-7: a batch learned from in parts makes the step of the whole", async () => {
  const whole = await trained({});
  // 10 rows in 3 parts of 4, 4 and 2.
  for (const accumulate of [2, 3, 10, 50]) close((await trained({ accumulate })).final, whole.final, 6);
  // Clipping is of the whole's gradients too.
  const clip = { norm: 0.3 };
  const clipped = await trained({ clip });
  close((await trained({ accumulate: 3, clip })).final, clipped.final, 6);
  expect(Math.abs((clipped.final[0] as number) - (whole.final[0] as number))).toBeGreaterThan(0.1);
});

test("TR-7: gradients are clipped before the step is taken", async () => {
  const { steps } = await trained({ clip: { norm: 0.5 } });
  const lengths = steps
    .slice(1)
    .map((after, index) => Math.hypot(...after.map((value, place) => value - (steps[index]?.[place] as number))));
  // The learning rate is 0.1: the first steps are as long as they may be, and none is longer.
  expect(lengths[0]).toBeCloseTo(0.05, 6);
  expect(Math.max(...lengths)).toBeLessThan(0.05 + 1e-6);
  const { steps: cut } = await trained({ clip: { value: 0.5 } });
  for (const value of cut[1] ?? []) expect(Math.abs(value)).toBeLessThan(0.05 + 1e-6);
  expect(Math.max(...(cut[1] ?? []).map(Math.abs))).toBeCloseTo(0.05, 6);
});

test("TR-7: the model ends with its exponential average, and with the mean of its epochs", async () => {
  const decay = 0.8;
  const ema = await trained({ average: { kind: "ema", decay } });
  let average = ema.steps[0] ?? [];
  for (const weights of ema.steps.slice(1)) {
    average = average.map((value, place) => value * decay + (weights[place] as number) * (1 - decay));
  }
  close(ema.final, average, 5);
  const swa = await trained({ average: { kind: "swa", fromEpoch: 2 } }, { epochs: 4 });
  const ends = [8, 12, 16].map((step) => swa.steps[step] ?? []);
  const mean = (ends[0] ?? []).map(
    (_, place) => ends.reduce((sum, weights) => sum + (weights[place] as number), 0) / 3,
  );
  close(swa.final, mean, 5);
  expect(swa.steps.at(-1)).not.toEqual(swa.final);
  // The steps themselves go on from the model's own weights.
  expect(ema.steps).toEqual((await trained({})).steps);
});

test("TR-7: validation and the best epoch's weights are of the average", async () => {
  const validation = lineMatrix(30, 2);
  const { result, final } = await trained(
    { average: { kind: "ema", decay: 0.9 } },
    { validation, stopping: { metric: "mse", patience: 3, minDelta: 0, restoreBest: true } },
  );
  let sum = 0;
  for (let row = 0; row < validation.rows; row += 1) {
    const [a = 0, b = 0, bias = 0] = final;
    const said = a * (validation.features[2 * row] as number) + b * (validation.features[2 * row + 1] as number) + bias;
    sum += (said - (validation.labels[row] as number)) ** 2;
  }
  expect(result.epochs.at(-1)?.metrics["mse"]).toBeCloseTo(sum / validation.rows, 5);
});

test("TR-7: a schedule's rate is the rate of each step, also of optimizers that keep it as a tensor", async () => {
  const tf = await tensorFlow();
  const rates = async (optimizer: Options["ready"]["optimizer"], learningRate: Optimization["learningRate"]) => {
    const seen: number[] = [];
    const watch = { name: "watch", onBatchEnd: ({ step }: { step: number }) => void (seen[step - 1] = rateOf()) };
    const rateOf = (): number => (optimizer as unknown as { learningRate: number }).learningRate;
    const base = await loopOptions({ optimization: { learningRate }, callbacks: [watch] });
    await new TrainingLoop({ ...base, ready: { ...base.ready, optimizer } }).run();
    return seen;
  };
  const halving = { kind: "step", every: 2, factor: 0.5 } as const;
  const steps = [0.4, 0.4, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05];
  close(await rates(tf.train.adam(0.4), halving), steps, 12);
  close(await rates(tf.train.sgd(0.4), halving), steps, 12);
  close(
    await rates(tf.train.rmsprop(0.4), { ...halving, every: 1, per: "epoch" }),
    [0.4, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2],
    12,
  );
  // Gradient descent with the rate 0 from the third step on stays where it is.
  const { steps: weights } = await trained({ learningRate: { kind: "cosine", period: 2, restarts: false } });
  expect(weights[3]).toEqual(weights[2]);
  expect(weights[2]).not.toEqual(weights[1]);
});

test("TR-7: the rate is lowered where the loss stays, from the next epoch on", async () => {
  const seen: number[] = [];
  const watch = { name: "watch", onEpochStart: (run: { learningRate: number }) => void seen.push(run.learningRate) };
  // No epoch is better by 1,000 than the first.
  const learningRate = { kind: "plateau", patience: 2, factor: 0.5, minDelta: 1_000 } as const;
  await new TrainingLoop(await loopOptions({ epochs: 6, optimization: { learningRate }, callbacks: [watch] })).run();
  close(seen, [0.1, 0.1, 0.1, 0.05, 0.05, 0.025], 12);
});

test("TR-7: a step whose loss is no number ends the run, is skipped, or stops it with the weights before", async () => {
  const good = lineMatrix(40);
  const labels = Float32Array.from(good.labels);
  labels[13] = Number.POSITIVE_INFINITY;
  const train = { ...good, labels };
  await expect(trained({}, { train })).rejects.toMatchObject({ code: "TRAINER_LOSS_NOT_FINITE" });
  const skipped = await trained({ notFinite: "skip" }, { train });
  expect(skipped.final.every(Number.isFinite)).toBe(true);
  expect(skipped.result.epochs.map((epoch) => epoch.skipped)).toEqual([1, 1]);
  expect(skipped.result.epochs.every(({ trainLoss }) => Number.isFinite(trainLoss))).toBe(true);
  const stopped = await trained({ notFinite: "stop" }, { train });
  expect(stopped.result).toMatchObject({ outcome: "stopped", stop: { cause: "not-finite" } });
  expect(stopped.final).toEqual(stopped.steps.at(-2)); // that of the step left out is the last
  expect(stopped.final).toEqual(skipped.steps[stopped.result.step]);
});

test("TR-7: a resume from any step ends with the same bits, with schedule, parts, clipping and averages on", async () => {
  const tf = await tensorFlow();
  const averages = [
    { kind: "ema", decay: 0.7 },
    { kind: "swa", fromEpoch: 2 },
  ] as const;
  const schedules = [
    { kind: "warmup", length: 3, then: { kind: "cosine", period: 4, growth: 2 } },
    { kind: "plateau", patience: 1, minDelta: 10, factor: 0.5 },
    { kind: "oneCycle", length: 12 },
  ] as const;
  for (const [index, learningRate] of schedules.entries()) {
    const average = averages[index % 2];
    const digests = await digestsOfResumes(async () => {
      const options = await loopOptions({
        epochs: 3,
        validation: lineMatrix(20, 3),
        optimization: { learningRate, average, accumulate: 3, clip: { norm: 1 }, notFinite: "skip" },
        stopping: { metric: "mse", patience: 2, minDelta: 0, restoreBest: index === 1 },
      });
      return { ...options, ready: { ...options.ready, optimizer: tf.train.adam(0.1) } };
    });
    expect(digests.length).toBeGreaterThan(8);
    expect(new Set(digests).size).toBe(1);
  }
});

test("TR-7: checkpoints are written as time goes by, and change nothing of what the run reports", async () => {
  const { all, save } = keepCheckpoints();
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs } as NonNullable<Options["clock"]>;
  const options = await loopOptions({
    save,
    clock,
    checkpointMs: 200,
    onStep: () => void (nowMs += 100),
    lossEverySteps: 20,
  });
  const result = await new TrainingLoop(options).run();
  const plain = await loopOptions({ lossEverySteps: 20 });
  expect(result.epochs).toEqual((await new TrainingLoop(plain).run()).epochs);
  expect(await digestWeights(options.ready.model)).toBe(await digestWeights(plain.ready.model));
  expect([...all.keys()]).toEqual([3, 4, 7, 8]);
});

test("losses and averages that nobody needs any more are not kept on the device", async () => {
  const options = await loopOptions({
    optimization: { average: { kind: "ema" }, accumulate: 3, clip: { norm: 1 }, notFinite: "skip" },
  });
  const before = options.tf.memory().numTensors;
  await new TrainingLoop(options).run();
  expect(options.tf.memory().numTensors - before).toBeLessThan(3);
});
