import type { LayersModel } from "@tensorflow/tfjs-layers";
import { beforeAll, expect, test } from "vitest";
import { openTfjs, plainDenseLayers, type PlainDenseLayer, type TensorFlow } from "../src/index.ts";

let tf: TensorFlow;
beforeAll(async () => {
  ({ tf } = await openTfjs({ device: "wasm", selfTest: false }));
});

const activate: Readonly<Record<string, (values: number[]) => number[]>> = {
  linear: (values) => values,
  relu: (values) => values.map((value) => Math.max(0, value)),
  tanh: (values) => values.map(Math.tanh),
  softmax: (values) => {
    const powers = values.map(Math.exp);
    return powers.map((power) => power / powers.reduce((sum, each) => sum + each));
  },
};

/** A dense network as the textbook has it. */
const answer = (layers: readonly PlainDenseLayer[], input: readonly number[]): readonly number[] =>
  layers.reduce<readonly number[]>(
    (values, { kernel, bias, activation }) =>
      activate[activation]?.(
        Array.from(bias, (start, unit) =>
          values.reduce((sum, value, index) => sum + value * (kernel[index * bias.length + unit] ?? NaN), start),
        ),
      ) ?? [],
    input,
  );

async function trained(model: LayersModel): Promise<LayersModel> {
  model.compile({ optimizer: tf.train.adam(0.05), loss: "meanSquaredError" });
  for (let step = 0; step < 5; step += 1) {
    await model.trainOnBatch(
      tf.randomNormal([32, 4], 1, 2, "float32", step),
      tf.randomUniform([32, 3], 0, 1, "float32", step),
    );
  }
  return model;
}

test("a trained chain of dense, normalization, activation and dropout layers gives the same answers as plain layers", async () => {
  const model = await trained(
    tf.sequential({
      layers: [
        tf.layers.dense({ units: 6, inputShape: [4] }),
        tf.layers.batchNormalization(),
        tf.layers.reLU(),
        tf.layers.dropout({ rate: 0.3 }),
        tf.layers.dense({ units: 5, activation: "tanh", useBias: false }),
        tf.layers.dense({ units: 3 }),
        tf.layers.activation({ activation: "softmax" }),
      ],
    }),
  );
  const layers = await plainDenseLayers(model);
  expect(layers?.map(({ activation, bias }) => [activation, bias.length])).toEqual([
    ["relu", 6],
    ["tanh", 5],
    ["softmax", 3],
  ]);
  const input = [0.5, -1, 2, 0.25];
  const wanted = (model.predict(tf.tensor2d([input])) as ReturnType<typeof tf.tensor2d>).dataSync<"float32">();
  answer(layers ?? [], input).forEach((value, index) => expect(value).toBeCloseTo(wanted[index] ?? NaN, 5));
});

test("what is no such chain is not turned into one", async () => {
  const { layers } = tf;
  const input = tf.input({ shape: [4] });
  const left = layers.dense({ units: 2 }).apply(input) as typeof input;
  const right = layers.dense({ units: 2 }).apply(input) as typeof input;
  const branched = tf.model({ inputs: input, outputs: layers.add().apply([left, right]) as typeof input });
  const skipping = tf.model({
    inputs: input,
    outputs: layers.concatenate().apply([left, input]) as typeof input,
  });
  const convolution = tf.sequential({ layers: [layers.conv1d({ filters: 2, kernelSize: 2, inputShape: [4, 1] })] });
  const afterActivation = tf.sequential({
    layers: [layers.dense({ units: 2, activation: "relu", inputShape: [4] }), layers.batchNormalization()],
  });
  const unknown = tf.sequential({ layers: [layers.dense({ units: 2, activation: "hardSigmoid", inputShape: [4] })] });
  const twice = tf.sequential({
    layers: [
      layers.dense({ units: 2, activation: "relu", inputShape: [4] }),
      layers.activation({ activation: "tanh" }),
    ],
  });
  for (const model of [branched, skipping, convolution, afterActivation, unknown, twice]) {
    expect(await plainDenseLayers(model)).toBeUndefined();
  }
});
