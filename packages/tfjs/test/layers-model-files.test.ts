import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { loadLayersModel, openTfjs, saveLayersModel, type Tfjs } from "../src/index.ts";

let tfjs: Tfjs;
let root: string;
beforeAll(async () => {
  tfjs = await openTfjs({ device: "wasm", selfTest: false });
  root = await mkdtemp(join(tmpdir(), "millwright-tfjs-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

function network(): LayersModel {
  const { tf } = tfjs;
  const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });
  return tf.sequential({
    layers: [
      tf.layers.dense({ units: 5, activation: "relu", inputShape: [3], kernelInitializer: seeded(1) }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 2, activation: "softmax", kernelInitializer: seeded(2) }),
    ],
  });
}

const predict = (model: LayersModel): Float32Array =>
  tfjs.tf.tidy(() =>
    (model.predict(tfjs.tf.tensor2d([[1, -2, 0.5]])) as ReturnType<typeof tfjs.tf.tensor2d>).dataSync<"float32">(),
  );

test("a saved model is read back with the same answers", async () => {
  const model = network();
  const directory = join(root, "deep", "round-trip");
  await saveLayersModel(model, directory);
  expect((await readdir(directory)).toSorted()).toEqual(["model.json", "weights.bin"]);
  expect(await readdir(join(root, "deep"))).toEqual(["round-trip"]);
  const again = await loadLayersModel(tfjs, directory);
  expect(predict(again)).toEqual(predict(model));
});

test("the files are TensorFlow.js's own format: its loader reads them", async () => {
  const model = network();
  const directory = join(root, "own-format");
  await saveLayersModel(model, directory, { includeOptimizer: true });
  const json = JSON.parse(await readFile(join(directory, "model.json"), "utf8")) as Parameters<
    typeof tfjs.tf.io.getModelArtifactsForJSON
  >[0];
  expect(json).toMatchObject({ format: "layers-model", weightsManifest: [{ paths: ["weights.bin"] }] });
  const weights = await readFile(join(directory, "weights.bin"));
  const artifacts = await tfjs.tf.io.getModelArtifactsForJSON(json, (manifest) =>
    Promise.resolve([manifest.flatMap(({ weights: specs }) => specs), Uint8Array.from(weights).buffer]),
  );
  const theirs = await tfjs.tf.loadLayersModel(tfjs.tf.io.fromMemory(artifacts));
  expect(predict(theirs)).toEqual(predict(model));
});

test("the optimizer's state is kept where asked for", async () => {
  const { tf } = tfjs;
  const model = network();
  model.compile({ optimizer: tf.train.adam(0.01), loss: "meanSquaredError" });
  await model.trainOnBatch(tf.ones([4, 3]), tf.zeros([4, 2]));
  await saveLayersModel(model, join(root, "optimizer"), { includeOptimizer: true });
  const again = await loadLayersModel(tfjs, join(root, "optimizer"));
  expect(again.optimizer.getClassName()).toBe("Adam");
  expect((await again.optimizer.getWeights()).length).toBe((await model.optimizer.getWeights()).length);
});

test("a directory with files in it is not overwritten", async () => {
  const directory = join(root, "occupied");
  await mkdir(directory);
  await writeFile(join(directory, "precious.txt"), "mine");
  await expect(saveLayersModel(network(), directory)).rejects.toMatchObject({ code: "TFJS_DIRECTORY_OCCUPIED" });
  expect(await readdir(directory)).toEqual(["precious.txt"]);
});

test("a save that fails leaves nothing, neither in the place nor beside it", async () => {
  const model = network();
  const parent = join(root, "failing");
  const broken = new Proxy(model, {
    get: (target, key, receiver): unknown =>
      key === "save"
        ? async (handler: { save: (artifacts: object) => Promise<unknown> }) => {
            await handler.save({ modelTopology: {}, weightSpecs: [], weightData: new ArrayBuffer(8) });
            throw new Error("disk full");
          }
        : Reflect.get(target, key, receiver),
  });
  await expect(saveLayersModel(broken, join(parent, "model"))).rejects.toThrow("disk full");
  expect(await readdir(parent)).toEqual([]);
});

test.each<[string, (directory: string) => Promise<void>, string]>([
  ["model.json is missing", (directory) => rm(join(directory, "model.json")), "model.json"],
  ["model.json is not JSON", (directory) => writeFile(join(directory, "model.json"), "{"), "model.json"],
  ["model.json has no topology", (directory) => writeFile(join(directory, "model.json"), "{}"), "modelTopology"],
  ["the weights are missing", (directory) => rm(join(directory, "weights.bin")), "weights.bin"],
  [
    "the weights are too short",
    (directory) => writeFile(join(directory, "weights.bin"), new Uint8Array(12)),
    "weights",
  ],
  [
    "the weights lie outside",
    async (directory) => {
      const path = join(directory, "model.json");
      await writeFile(path, (await readFile(path, "utf8")).replace('"weights.bin"', '"../../etc/weights.bin"'));
    },
    "../../etc/weights.bin",
  ],
])("a model is not loaded where %s", async (name, damage, named) => {
  const directory = join(root, name.replaceAll(" ", "-"));
  await saveLayersModel(network(), directory);
  await damage(directory);
  await expect(loadLayersModel(tfjs, directory)).rejects.toMatchObject({
    code: "PORT_MODEL_CORRUPT",
    message: expect.stringContaining(named) as string,
  });
});
