import { createRandom } from "@millwright/contracts";
import { openTfjs, type TensorFlow } from "@millwright/tfjs";
import { beforeAll, expect, test } from "vitest";
import type { Checkpoint } from "../src/checkpoint-file.ts";
import { type Matrix, orderOfEpoch } from "../src/minibatches.ts";
import type { LoopOptions } from "../src/loop-options.ts";
import { TrainingLoop } from "../src/training-loop.ts";

const rows = 453;
const batchSize = 10; // 46 batches, the last of 3 rows
const seed = 5;
const random = createRandom(1);
const labels = Float32Array.from({ length: rows }, () => 3 * random.next());
const train: Matrix = { rows, width: 1, features: new Float32Array(rows).fill(1), labels };

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openTfjs({ device: "wasm" }));
});

/** A network that answers 0 and never learns: the loss of a batch is the mean of its squared labels. */
function options(more: Partial<LoopOptions>): LoopOptions {
  const layer = tf.layers.dense({ units: 1, inputShape: [1], kernelInitializer: "zeros" });
  return {
    tf,
    ready: {
      model: tf.sequential({ layers: [layer] }),
      optimizer: tf.train.sgd(0),
      loss: (truth, predictions) => tf.mean(tf.squaredDifference(truth, predictions)),
    },
    task: "regression",
    train,
    validation: undefined,
    epochs: 2,
    batchSize,
    seed,
    stopping: undefined,
    fingerprint: {},
    checkpointSteps: undefined,
    lossEverySteps: 20,
    signal: new AbortController().signal,
    onStep: () => {},
    onEpoch: () => Promise.resolve("continue"),
    ...more,
  };
}

/** Mean of the squared labels of the batches of an epoch. */
function meanOver(epoch: number, batches: readonly number[]): number {
  const order = orderOfEpoch(rows, seed, epoch);
  const squares = batches.flatMap((batch) =>
    Array.from(order.slice(batch * batchSize, (batch + 1) * batchSize), (row) => (labels[row] as number) ** 2),
  );
  return squares.reduce((sum, square) => sum + square, 0) / squares.length;
}
const all = Array.from({ length: 46 }, (_, batch) => batch);

test("where every step looks at the loss, an epoch's is the mean over all rows", async () => {
  const { epochs } = await new TrainingLoop(options({ lossEverySteps: 1 })).run();
  for (const { trainLoss } of epochs) expect(trainLoss).toBeCloseTo(meanOver(0, all), 5);
});

test("where every twentieth does, it is the mean over the rows looked at; the other steps tell none", async () => {
  const told: [step: number, loss: number | undefined][] = [];
  const { epochs } = await new TrainingLoop(options({ onStep: (step, _, loss) => told.push([step, loss]) })).run();
  // Steps count on over epochs: of the second, the 60th and 80th, which are its batches 14 and 34.
  expect(epochs[0]?.trainLoss).toBeCloseTo(meanOver(0, [0, 20, 40, 45]), 5);
  expect(epochs[1]?.trainLoss).toBeCloseTo(meanOver(1, [14, 34, 45]), 5);
  const looked = told.filter(([, loss]) => loss !== undefined);
  expect(looked.map(([step]) => step)).toEqual([1, 21, 41, 46, 61, 81, 92]);
  expect(looked[1]?.[1]).toBeCloseTo(meanOver(0, [20]), 5);
  expect(told).toHaveLength(92);
});

test("a run that goes on from a checkpoint within an epoch reports what one without a break does", async () => {
  const checkpoints = new Map<number, Checkpoint>();
  const save = (step: number, checkpoint: Checkpoint): Promise<string> => {
    checkpoints.set(step, checkpoint);
    return Promise.resolve("somewhere");
  };
  const { epochs } = await new TrainingLoop(options({ save, checkpointSteps: 15 })).run();
  expect(epochs[0]?.trainLoss).toBeCloseTo(meanOver(0, [0, 14, 20, 29, 40, 44, 45]), 5);
  const loop = new TrainingLoop(options({ save, checkpointSteps: 15 }));
  await loop.restore(checkpoints.get(30) as Checkpoint, "somewhere");
  expect((await loop.run()).epochs).toEqual(epochs);
});

test("no checkpoint is written of a step whose loss is no number, also where that step would not look", async () => {
  const order = orderOfEpoch(rows, seed, 0);
  const broken = Float32Array.from(labels);
  broken[order[6 * batchSize] as number] = Number.POSITIVE_INFINITY; // in the seventh step
  const saved: number[] = [];
  const save = (step: number): Promise<string> => Promise.resolve(String(saved.push(step)));
  const bad = { train: { ...train, labels: broken }, save };
  const notFinite = { code: "TRAINER_LOSS_NOT_FINITE", message: expect.stringContaining("in step 7 ") as string };
  await expect(new TrainingLoop(options({ ...bad, checkpointSteps: 7 })).run()).rejects.toMatchObject(notFinite);
  expect(saved).toEqual([]);

  const interruption = new AbortController();
  const onStep = (step: number): void => void (step === 7 && interruption.abort());
  const run = new TrainingLoop(options({ ...bad, signal: interruption.signal, onStep })).run();
  await expect(run).rejects.toMatchObject({ code: "TRAINER_LOSS_NOT_FINITE" });
  expect(saved).toEqual([]);
});

test("losses that nobody looks at are not kept on the device", async () => {
  const loop = new TrainingLoop(options({ epochs: 1 }));
  const before = tf.memory().numTensors;
  await loop.run();
  expect(tf.memory().numTensors - before).toBeLessThan(10);
});
