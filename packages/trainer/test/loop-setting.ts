import { createRandom } from "@millwright/contracts";
import { openTfjs, type TensorFlow } from "@millwright/tfjs";
import type { Checkpoint } from "../src/checkpoint-file.ts";
import type { LoopOptions } from "../src/loop-options.ts";
import type { Matrix } from "../src/minibatches.ts";
import { digestWeights } from "../src/model-state.ts";
import { TrainingLoop } from "../src/training-loop.ts";

let opened: Promise<TensorFlow> | undefined;
export const tensorFlow = (): Promise<TensorFlow> => (opened ??= openTfjs({ device: "wasm" }).then(({ tf }) => tf));

/** Rows of two numbers whose label is about 2a − b. */
export function lineMatrix(rows: number, seed = 1): Matrix {
  const random = createRandom(seed);
  const features = Float32Array.from({ length: 2 * rows }, () => random.normal());
  const labels = Float32Array.from(
    { length: rows },
    (_, row) => 2 * (features[2 * row] as number) - (features[2 * row + 1] as number) + 0.1 * random.normal(),
  );
  return { rows, width: 2, features, labels };
}

/** A loop in this process over 40 rows in batches of 10: a layer of two weights and a bias, by gradient descent. */
export async function loopOptions(more: Partial<LoopOptions> = {}): Promise<LoopOptions> {
  const tf = await tensorFlow();
  const layer = tf.layers.dense({ units: 1, inputShape: [2], kernelInitializer: "zeros" });
  return {
    tf,
    ready: {
      model: tf.sequential({ layers: [layer] }),
      optimizer: tf.train.sgd(0.1),
      loss: (truth, predictions) => tf.mean(tf.squaredDifference(truth, predictions)),
    },
    task: "regression",
    train: lineMatrix(40),
    validation: undefined,
    epochs: 2,
    batchSize: 10,
    seed: 5,
    stopping: undefined,
    fingerprint: {},
    checkpointSteps: undefined,
    lossEverySteps: 1,
    signal: new AbortController().signal,
    onStep: () => {},
    onEpoch: () => Promise.resolve("continue"),
    ...more,
  };
}

/** Keeps checkpoints as they would come back from a file. */
export function keepCheckpoints(): { readonly all: Map<number, Checkpoint>; readonly save: LoopOptions["save"] } {
  const all = new Map<number, Checkpoint>();
  return {
    all,
    save: (step, { state, parts }) => {
      const copies = parts.map((part) => ({ ...part, data: part.data.slice() }));
      all.set(step, { state: JSON.parse(JSON.stringify(state)) as typeof state, parts: copies });
      return Promise.resolve("kept");
    },
  };
}

/**
 * Runs to the end, then again from each checkpoint of that run.
 * @returns digests of the final weights, that of the whole run first.
 */
export async function digestsOfResumes(make: () => Promise<LoopOptions>): Promise<readonly string[]> {
  const { all, save } = keepCheckpoints();
  const whole = { ...(await make()), save, checkpointSteps: 1 };
  await new TrainingLoop(whole).run();
  const digests = [await digestWeights(whole.ready.model)];
  for (const checkpoint of all.values()) {
    const options = { ...(await make()), save: keepCheckpoints().save, checkpointSteps: 1 };
    const loop = new TrainingLoop(options);
    await loop.restore(checkpoint, "kept");
    await loop.run();
    digests.push(await digestWeights(options.ready.model));
  }
  return digests;
}
