// A device's process: opens it, then does what it is told by messages. Models and data are the same on every device.
import { pathToFileURL } from "node:url";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { openTfjs } from "../../packages/tfjs/dist/index.js";

const [, , device, nativeFolder, webgpuFolder] = process.argv;
const from = (folder, name) => async () =>
  import(pathToFileURL(createRequire(join(folder, "package.json")).resolve(name)).href);
const tfjs = await openTfjs({
  device,
  native: nativeFolder === "" ? [] : from(nativeFolder, "@tensorflow/tfjs-node-gpu"),
  webgpu: from(webgpuFolder, "webgpu"),
});
const { tf } = tfjs;
const { layers } = tf;
const seeded = (seed) => ({ kernelInitializer: tf.initializers.glorotUniform({ seed }) });

const models = {
  MLP: {
    shape: [256, 32],
    build: () => [
      layers.dense({ units: 128, activation: "relu", inputShape: [32], ...seeded(1) }),
      layers.dense({ units: 128, activation: "relu", ...seeded(2) }),
      layers.dense({ units: 128, activation: "relu", ...seeded(3) }),
      layers.dense({ units: 1, activation: "sigmoid", ...seeded(4) }),
    ],
  },
  CNN: {
    shape: [64, 28, 28, 1],
    build: () => [
      layers.conv2d({ filters: 8, kernelSize: 3, padding: "same", inputShape: [28, 28, 1], ...seeded(1) }),
      layers.batchNormalization(),
      layers.reLU(),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.conv2d({ filters: 16, kernelSize: 3, padding: "same", activation: "relu", ...seeded(2) }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.flatten(),
      layers.dense({ units: 64, activation: "relu", ...seeded(3) }),
      layers.dense({ units: 1, activation: "sigmoid", ...seeded(4) }),
    ],
  },
  LSTM: {
    shape: [64, 12, 4],
    build: () => [
      layers.lstm({
        units: 16,
        inputShape: [12, 4],
        recurrentInitializer: tf.initializers.glorotUniform({ seed: 5 }),
        ...seeded(1),
      }),
      layers.dense({ units: 1, activation: "sigmoid", ...seeded(2) }),
    ],
  },
};

function prepare(name) {
  const { shape, build } = models[name];
  const model = tf.sequential({ layers: build() });
  model.compile({ optimizer: tf.train.adam(1e-3), loss: "binaryCrossentropy" });
  const random = createRandom(7);
  const size = shape.reduce((product, length) => product * length, 1);
  const values = Float32Array.from({ length: size }, () => random.normal());
  const width = size / shape[0];
  const labels = Float32Array.from({ length: shape[0] }, (_, row) => (values[row * width] > 0 ? 1 : 0));
  return { model, x: tf.tensor(values, shape), y: tf.tensor(labels, [shape[0], 1]) };
}

const ready = {};

/** Steps of the model, each with its batch's loss read, as a progress bar wants it. */
async function steps(name, count) {
  ready[name] ??= prepare(name);
  const { model, x, y } = ready[name];
  const cpu = process.cpuUsage();
  const times = [];
  let loss = 0;
  for (let step = 0; step < count; step += 1) {
    const began = performance.now();
    loss = await model.trainOnBatch(x, y);
    times.push(performance.now() - began);
  }
  tfjs.check();
  const { user, system } = process.cpuUsage(cpu);
  return { times, loss, cpuMs: (user + system) / 1_000 / count };
}

process.on("message", ({ name, count }) => void steps(name, count).then((result) => process.send(result)));
process.send({ device: tfjs.device, detail: tfjs.probes.at(-1).detail });
