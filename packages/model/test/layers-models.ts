import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ResolvedModel } from "@millwright/contracts";
import type { FittedTransforms } from "@millwright/data";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as core from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js";
import * as layers from "@tensorflow/tfjs-layers";
import { packModel } from "../src/index.ts";

const tf = { ...core, ...layers };
type Model = layers.LayersModel;

export async function openWasm(): Promise<typeof tf> {
  const require = createRequire(import.meta.url);
  setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")), "dist/"));
  await core.setBackend("wasm");
  return tf;
}

/** A package of the format `tfjs-layers`, as the trainer writes it, but for its golden requests. */
export async function packLayers(
  model: Model,
  directory: string,
  transforms?: FittedTransforms,
): Promise<ResolvedModel> {
  let files: Record<string, Uint8Array | string> = {};
  await model.save({
    save({ weightData, weightSpecs = [], modelTopology }) {
      const data = weightData as ArrayBuffer;
      const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }];
      files = {
        "model.json": JSON.stringify({ modelTopology, format: "layers-model", weightsManifest }),
        "weights.bin": new Uint8Array(data),
      };
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } });
    },
  });
  const width = (model.inputs[0]!.shape.slice(1) as number[]).reduce((size, each) => size * each, 1);
  const units = (model.outputs[0]!.shape.slice(1) as number[]).reduce((size, each) => size * each, 1);
  const spec = (name: string, size: number) => ({ name, dtype: "float32" as const, shape: [-1, size] });
  const signature = { inputs: [spec("features", width)], outputs: [spec("prediction", units)] };
  return packModel(directory, { name: "net", format: "tfjs-layers", files, signature, transforms });
}

/** Networks that together have every layer that is written. */
export function* convolutionModels({ sequential, layers: make }: typeof tf): Generator<readonly [string, Model]> {
  yield [
    "image",
    randomized(
      sequential({
        layers: [
          make.conv2d({ filters: 4, kernelSize: [3, 2], padding: "same", strides: [2, 1], inputShape: [9, 8, 2] }),
          make.batchNormalization(),
          make.activation({ activation: "relu6" }),
          make.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, activation: "tanh" }),
          make.maxPooling2d({ poolSize: 2, strides: 2, padding: "same" }),
          make.separableConv2d({ filters: 5, kernelSize: 2, padding: "same", activation: "elu" }),
          make.averagePooling2d({ poolSize: 2, strides: 1, padding: "same" }),
          make.dropout({ rate: 0.5 }),
          make.flatten(),
          make.dense({ units: 6, activation: "softmax" }),
        ],
      }),
    ),
  ];
  yield [
    "pooled-image",
    randomized(
      sequential({
        layers: [
          make.reshape({ targetShape: [6, 6, 1], inputShape: [36] }),
          make.conv2d({ filters: 3, kernelSize: 3, dilationRate: 2, activation: "hardSigmoid" }),
          make.leakyReLU({ alpha: 0.1 }),
          make.conv2d({ filters: 3, kernelSize: 1, useBias: false, activation: "softmax" }),
          make.globalAveragePooling2d({}),
          make.dense({ units: 2, activation: "selu" }),
        ],
      }),
    ),
  ];
  yield [
    "series",
    randomized(
      sequential({
        layers: [
          make.conv1d({ filters: 3, kernelSize: 3, padding: "same", dilationRate: 2, inputShape: [11, 2] }),
          make.reLU(),
          make.maxPooling1d({ poolSize: 2 }),
          make.conv1d({ filters: 4, kernelSize: 2, strides: 2, padding: "same", activation: "softsign" }),
          make.averagePooling1d({ poolSize: 2, strides: 1, padding: "valid" }),
          make.dense({ units: 3, activation: "swish" }),
          make.globalMaxPooling1d(),
          make.softmax(),
        ],
      }),
    ),
  ];
}

/** Weights and statistics that are all different, a variance above 0. */
function randomized(model: Model): Model {
  const weights = model
    .getWeights()
    .map((weight, index) =>
      core.add(core.randomUniform(weight.shape, 0.1, 0.9, "float32", index + 1), index % 2 === 0 ? -0.5 : 0),
    );
  const positive = model.weights.map(({ name }, index) =>
    name.endsWith("moving_variance") ? core.abs(weights[index]!) : weights[index]!,
  );
  model.setWeights(positive);
  core.dispose([...weights, ...positive]);
  return model;
}
