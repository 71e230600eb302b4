import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loadLayersModel, openTfjs, saveLayersModel, selfTest, type Tfjs } from "../src/index.ts";
import { type Found, gradientChecks } from "./gradient-checks.ts";

/** A folder with a node_modules in which a native package is installed and its addon built. */
const folder = process.env["MILLWRIGHT_TFJS_NODE_FOLDER"];
const missing =
  "no native TensorFlow.js: npm install --ignore-scripts @tensorflow/tfjs-node-gpu@4.22.0, build its addon with millwright-tfjs provision, and name that " +
  "folder in MILLWRIGHT_TFJS_NODE_FOLDER";
const skipped = folder === undefined && process.env["CI"] !== "true";
const names = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];

function native(): Promise<unknown> {
  const require = createRequire(join(folder ?? "", "package.json"));
  const found = names.flatMap((name) => {
    try {
      return [require.resolve(name)];
    } catch {
      return [];
    }
  });
  return import(pathToFileURL(found[0] ?? "").href) as Promise<unknown>;
}

describe("the native package named by MILLWRIGHT_TFJS_NODE_FOLDER", () => {
  let root: string;
  let tfjs: Tfjs;
  beforeAll(async () => {
    if (skipped) return;
    // TensorFlow writes what it finds on the machine to the standard error.
    process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "3";
    root = await mkdtemp(join(tmpdir(), "millwright-native-"));
    tfjs = await openTfjs({ native });
  });
  afterAll(async () => {
    if (!skipped) await rm(root, { recursive: true, force: true });
  });
  beforeEach(({ skip }) => {
    skip(skipped, missing);
  });

  test("auto takes it, and says which device and library", () => {
    const { device, backend, probes, environment } = tfjs;
    expect(backend).toBe("tensorflow");
    expect(["gpu", "cpu"]).toContain(device);
    expect(probes.at(-1)).toMatchObject({ device, ok: true });
    expect(environment["tensorflow"]).toMatch(/^\d+\.\d+/);
  });

  test("the GPU is given only where the library uses one", async () => {
    const { isUsingGpuDevice } = tfjs.tf.backend() as { isUsingGpuDevice?: boolean };
    if (isUsingGpuDevice === true) {
      expect((await openTfjs({ device: "gpu", native })).device).toBe("gpu");
    } else {
      await expect(openTfjs({ device: "gpu", native })).rejects.toMatchObject({
        code: "TFJS_DEVICE_UNAVAILABLE",
        probes: [
          { device: "gpu", reason: "gpu-not-visible" },
          { device: "webgpu", reason: "webgpu-not-given" },
        ],
      });
    }
  });

  test("it passes the self-test twice and leaves no tensor behind", async () => {
    const before = tfjs.tf.memory().numTensors;
    await selfTest(tfjs.tf);
    await selfTest(tfjs.tf);
    expect(tfjs.tf.memory().numTensors).toBe(before);
  });

  test("every gradient is that of finite differences, or refused by name", { timeout: 600_000 }, async () => {
    const { tf } = tfjs;
    const { functions, layers, checkFunction, checkLayers } = gradientChecks;
    const wrong: Record<string, Found | string> = {};
    const check = async (name: string, work: () => Promise<Found>): Promise<void> => {
      const before = tf.memory().numTensors;
      const found = await work().catch((error: unknown) => (error as { code?: string }).code ?? String(error));
      const left = tf.memory().numTensors - before;
      if (typeof found === "string" || !(found.worst < 0.01) || found.zero || left > 0) wrong[name] = found;
    };
    for (const [name, f] of Object.entries(functions)) await check(name, () => checkFunction(tf, f));
    for (const [name, parts] of Object.entries(layers)) await check(`layers: ${name}`, () => checkLayers(tf, parts));
    expect(wrong).toEqual({ "resizeNearestNeighbor, half-pixel centres": "TFJS_KERNEL_REFUSED" });
  });

  test("it trains a convolution, and its files are read back", async () => {
    const { tf } = tfjs;
    const model = tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [8, 8, 1], filters: 4, kernelSize: 3, activation: "relu" }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 1 }),
      ],
    });
    model.compile({ optimizer: tf.train.adam(0.01), loss: "meanSquaredError" });
    const x = tf.randomNormal([16, 8, 8, 1], 0, 1, "float32", 3);
    const y = tf.mean(x, [1, 2]);
    const losses: number[] = [];
    for (let step = 0; step < 30; step += 1) losses.push((await model.trainOnBatch(x, y)) as number);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 2);
    await saveLayersModel(model, join(root, "model"));
    const again = await loadLayersModel(tfjs, join(root, "model"));
    const answers = [model, again].map((each) => (each.predict(x) as typeof x).dataSync());
    expect(answers[0]).toEqual(answers[1]);
  });
});
