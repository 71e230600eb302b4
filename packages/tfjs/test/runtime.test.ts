import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeTensor, type ModelManifest, type Tensor } from "@millwright/contracts";
import { modelRuntimeContract, type ModelRuntimeFixture } from "@millwright/contracts/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTfjs, saveLayersModel, type Tfjs, tfjsRuntime } from "../src/index.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-tfjs-runtime-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Sine of the first input times the second, roughly: y = tanh(x · k). Computed here, in doubles. */
const kernel = [0.3, -0.7, 1.1];
const rows = [
  [1, 2, 3],
  [-1, 0.5, 0.25],
  [0, 0, -2],
];
const answers = rows.map((row) =>
  Math.tanh(row.reduce((sum, value, index) => sum + value * (kernel[index] ?? 0), 0.1)),
);

const matrix = (data: readonly number[], width: number): Tensor => ({
  dtype: "float32",
  shape: [data.length / width, width],
  data: Float32Array.from(data),
});

async function fixtureOf({ tf }: Tfjs, directory: string): Promise<ModelManifest> {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, activation: "tanh", inputShape: [3] })] });
  model.setWeights([tf.tensor2d(kernel, [3, 1]), tf.tensor1d([0.1])]);
  await saveLayersModel(model, directory);
  model.dispose();
  return {
    formatVersion: 1,
    name: "tanh",
    format: "tfjs-layers",
    files: [],
    signature: {
      inputs: [{ name: "x", dtype: "float32", shape: [-1, 3] }],
      outputs: [{ name: "y", dtype: "float32", shape: [-1, 1] }],
    },
    golden: [
      {
        inputs: { x: encodeTensor(matrix(rows.flat(), 3)) },
        outputs: { y: encodeTensor(matrix(answers, 1)) },
        tolerance: 1e-6,
      },
    ],
    provenance: { datasets: {}, environment: {}, hyperparameters: {}, metrics: {}, createdTimeMs: 0 },
  };
}

describe.each(["wasm", "js"] as const)("the runtime on %s", (device) => {
  let fixture: ModelRuntimeFixture;
  let tfjs: Tfjs;
  beforeAll(async () => {
    tfjs = await openTfjs({ device, selfTest: false });
    const directory = join(root, device);
    const manifest = await fixtureOf(tfjs, directory);
    const corruptDirectory = join(root, `${device}-corrupt`);
    await cp(directory, corruptDirectory, { recursive: true });
    await writeFile(join(corruptDirectory, "model.json"), "{}");
    fixture = { runtime: tfjsRuntime(tfjs), directory, manifest, corruptDirectory };
  });

  for (const { name, appliesTo, run } of modelRuntimeContract) {
    test(name, async ({ skip }) => {
      if (appliesTo?.(fixture) === false) skip("the case asks for a package that this runtime is not given");
      await run(fixture);
    });
  }

  test("answers come without a promise, and no tensor stays behind", async () => {
    const { tf } = tfjs;
    const model = await fixture.runtime.load(fixture.directory, fixture.manifest);
    const before = tf.memory().numTensors;
    const outputs = model.predict({ x: { dtype: "float64", shape: [1, 3], data: Float64Array.of(1, 2, 3) } });
    expect(outputs).not.toBeInstanceOf(Promise);
    expect((outputs as Record<string, Tensor>)["y"]?.data[0]).toBeCloseTo(answers[0] ?? 0, 6);
    expect(() => model.predict({})).toThrow(/"x" does not fit the model: it is missing/);
    expect(() => model.predict({ x: matrix([1, 2], 2) })).toThrow(
      expect.objectContaining({ code: "TFJS_INPUT_MISMATCH" }) as Error,
    );
    const odd = { dtype: "float32", shape: [1, 3], data: Float32Array.of(1, 2) } as const;
    for (const x of [odd, { ...odd, shape: [1.5, 3] }, { ...odd, data: "abc" } as unknown as Tensor])
      expect(() => model.predict({ x })).toThrow(expect.objectContaining({ code: "TFJS_INPUT_MISMATCH" }) as Error);
    const text: Tensor = { dtype: "string", shape: [1, 3], data: ["a", "b", "c"] };
    expect(() => model.predict({ x: text })).toThrow(
      expect.objectContaining({ code: "TFJS_TENSOR_UNSUPPORTED" }) as Error,
    );
    expect(tf.memory().numTensors).toBe(before);
    await model.dispose();
  });

  test("a signature with another number of inputs or outputs is not the model's", async () => {
    const { runtime, directory, manifest } = fixture;
    const signature = { ...manifest.signature, outputs: [] };
    await expect(runtime.load(directory, { ...manifest, signature })).rejects.toMatchObject({
      code: "PORT_MODEL_CORRUPT",
    });
  });
});
