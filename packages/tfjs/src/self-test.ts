import type { CallOptions } from "@millwright/contracts";
import type { LayersModel, Sequential } from "@tensorflow/tfjs-layers";
import type { Tensor } from "@tensorflow/tfjs-core";
import { selfTestFailed } from "./errors.ts";
import { briefly } from "./probe.ts";
import { selfTestAnswers } from "./self-test-answers.generated.ts";
import type { TensorFlow } from "./tensorflow.ts";

/** What a right backend gives for a family of layers: computed by TensorFlow itself. */
export interface FamilyAnswers {
  /** Mean squared error before the step, and after it. */
  readonly loss: number;
  readonly lossAfter: number;
  /** Of the loss, for each trainable weight in order, flat. */
  readonly gradients: readonly (readonly number[])[];
}

type Layer = Parameters<Sequential["add"]>[0];

interface Family {
  readonly inputShape: readonly number[];
  /** Seeds the inputs; absent where they are the categories 0 to 4. */
  readonly key?: number;
  readonly build: (layers: TensorFlow["layers"], inputShape: number[]) => Layer[];
}

/** The step's learning rate: gradients are read off the weights' change. */
const rate = 0.1;

const families: Readonly<Record<string, Family>> = {
  "dense layers": {
    inputShape: [6, 5],
    key: 50,
    build: (layers, inputShape) => [
      layers.dense({ units: 4, activation: "relu", inputShape }),
      layers.dense({ units: 1, activation: "sigmoid" }),
    ],
  },
  convolutions: {
    inputShape: [2, 6, 5, 2],
    key: 51,
    build: (layers, inputShape) => [
      layers.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: "same", activation: "relu", inputShape }),
      layers.conv2d({ filters: 2, kernelSize: 2 }),
      layers.globalAveragePooling2d({}),
      layers.dense({ units: 1 }),
    ],
  },
  pooling: {
    inputShape: [2, 5, 4, 1],
    key: 52,
    build: (layers, inputShape) => [
      layers.conv2d({ filters: 2, kernelSize: 2, padding: "same", inputShape }),
      layers.maxPooling2d({ poolSize: 2, strides: 1, padding: "same" }),
      layers.averagePooling2d({ poolSize: 3, strides: 2, padding: "same" }),
      layers.flatten(),
      layers.dense({ units: 1 }),
    ],
  },
  "depthwise convolutions": {
    inputShape: [2, 4, 4, 2],
    key: 53,
    build: (layers, inputShape) => [
      layers.depthwiseConv2d({ kernelSize: 3, padding: "same", depthMultiplier: 2, inputShape }),
      layers.conv2d({ filters: 2, kernelSize: 1, activation: "tanh" }),
      layers.flatten(),
      layers.dense({ units: 1 }),
    ],
  },
  upsampling: {
    inputShape: [3, 2, 3, 1],
    key: 54,
    build: (layers, inputShape) => [
      layers.conv2d({ filters: 2, kernelSize: 2, padding: "same", inputShape }),
      layers.upSampling2d({ size: [2, 2] }),
      layers.flatten(),
      layers.dense({ units: 1 }),
    ],
  },
  "LSTM layers": {
    inputShape: [3, 4, 2],
    key: 55,
    build: (layers, inputShape) => [
      layers.lstm({ units: 3, recurrentActivation: "sigmoid", inputShape }),
      layers.dense({ units: 1 }),
    ],
  },
  "GRU layers": {
    inputShape: [3, 4, 2],
    key: 56,
    build: (layers, inputShape) => [
      layers.gru({ units: 3, recurrentActivation: "sigmoid", inputShape }),
      layers.dense({ units: 1 }),
    ],
  },
  embeddings: {
    inputShape: [3, 4],
    build: (layers, inputShape) => [
      layers.embedding({ inputDim: 5, outputDim: 3, inputShape }),
      layers.globalAveragePooling1d({}),
      layers.dense({ units: 1 }),
    ],
  },
  "batch normalization": {
    inputShape: [6, 3],
    key: 57,
    build: (layers, inputShape) => [
      layers.dense({ units: 4, inputShape }),
      layers.batchNormalization({ epsilon: 1e-3 }),
      layers.dense({ units: 1, activation: "tanh" }),
    ],
  },
};

/**
 * Trains one step of each layer family on the current backend, and compares losses and gradients with those that TensorFlow itself gives.
 * Leaves no tensor behind; the signal is heard between two families. Throws `TFJS_SELF_TEST_FAILED` naming the first family that is computed wrongly.
 */
export async function selfTest(tf: TensorFlow, { signal }: CallOptions = {}): Promise<void> {
  if (tf.getBackend() !== "webgpu") return testFamilies(tf, { signal });
  // What is small WebGPU's backend leaves to the CPU: not here, where all is small.
  const forward = tf.env().getBool("WEBGPU_CPU_FORWARD");
  tf.env().set("WEBGPU_CPU_FORWARD", false);
  try {
    await testFamilies(tf, { signal });
  } finally {
    tf.env().set("WEBGPU_CPU_FORWARD", forward);
  }
}

async function testFamilies(tf: TensorFlow, { signal }: CallOptions): Promise<void> {
  for (const [name, family] of Object.entries(families)) {
    // Where the backend answers at once, nothing else would come to its turn between the families, not even an abort.
    if (signal !== undefined) await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    const answers = selfTestAnswers[name];
    const problem = answers === undefined ? "its answers are not known" : await failure(tf, family, answers);
    if (problem !== undefined) throw selfTestFailed(tf.getBackend(), name, problem);
  }
}

/** Fractions that every language computes alike. */
const fraction = (index: number, key: number): number => ((index * 37 + key * 11) % 101) / 101 - 0.5;

async function failure(tf: TensorFlow, family: Family, answers: FamilyAnswers): Promise<string | undefined> {
  const [rows = 0, ...shape] = family.inputShape;
  const model = tf.sequential({ layers: family.build(tf.layers, shape) });
  const optimizer = tf.train.sgd(rate);
  const { x, y } = tf.tidy(() => inputs(tf, family, rows));
  try {
    setWeights(tf, model);
    model.compile({ optimizer, loss: "meanSquaredError" });
    const before = await weightValues(model);
    const loss = (await model.trainOnBatch(x, y)) as number;
    const after = await weightValues(model);
    const lossAfter = (await model.trainOnBatch(x, y)) as number;
    return compare(answers, { loss, lossAfter, gradients: gradientsOf(before, after) });
  } catch (error) {
    return briefly(error);
  } finally {
    model.dispose();
    optimizer.dispose();
    x.dispose();
    y.dispose();
  }
}

function inputs(tf: TensorFlow, { inputShape, key }: Family, rows: number): { x: Tensor; y: Tensor } {
  const size = inputShape.reduce((product, length) => product * length, 1);
  const values = Array.from({ length: size }, (_, index) =>
    key === undefined ? (index * 7 + 3) % 5 : 2 * fraction(index, key),
  );
  const targets = Array.from({ length: rows }, (_, index) => ((index * 7 + 1) % 3) / 2);
  return {
    x: tf.tensor(values, [...inputShape], key === undefined ? "int32" : "float32"),
    y: tf.tensor(targets, [rows, 1]),
  };
}

function setWeights(tf: TensorFlow, model: LayersModel): void {
  tf.tidy(() => {
    for (const [index, weight] of model.trainableWeights.entries()) {
      // A scale of zero would hide everything behind it.
      const offset = weight.originalName.includes("gamma") ? 1.5 : 0;
      const shape = weight.shape as number[];
      const size = shape.reduce((product, length) => product * length, 1);
      weight.write(
        tf.tensor(
          Array.from({ length: size }, (_, at) => fraction(at, index + 1) + offset),
          shape,
        ),
      );
    }
  });
}

const weightValues = async (model: LayersModel): Promise<Float32Array[]> =>
  Promise.all(model.trainableWeights.map(async (weight) => (await weight.read().data()) as Float32Array));

const gradientsOf = (before: readonly Float32Array[], after: readonly Float32Array[]): number[][] =>
  before.map((values, weight) => Array.from(values, (value, at) => (value - (after[weight]?.[at] ?? NaN)) / rate));

/** Float32 carries about 1e-7 of each weight, a tenth of which a gradient is read off; the sums add the rest. */
const close = (wanted: number, got: number): boolean => Math.abs(wanted - got) <= 2e-4 * Math.max(1, Math.abs(wanted));

function compare(wanted: FamilyAnswers, got: FamilyAnswers): string | undefined {
  for (const loss of ["loss", "lossAfter"] as const) {
    if (!close(wanted[loss], got[loss])) return `the ${loss} is ${got[loss]} and should be ${wanted[loss]}`;
  }
  if (wanted.gradients.length !== got.gradients.length) return `it has ${got.gradients.length} weights`;
  for (const [weight, gradient] of wanted.gradients.entries()) {
    const values = got.gradients[weight] ?? [];
    const at = gradient.findIndex((value, index) => !close(value, values[index] ?? NaN));
    if (at >= 0) return `the gradient of weight ${weight} at ${at} is ${values[at]} and should be ${gradient[at]}`;
  }
  return undefined;
}
