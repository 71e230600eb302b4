import type { ModelManifest } from "../../packages/contracts/dist/index.js";
import * as tfjs from "../../packages/tfjs/dist/index.js";
import { type FailureTable, methods, well } from "./subjects.ts";

const signal = new AbortController().signal;

export async function openTable(folder: string): Promise<FailureTable> {
  const opened = await tfjs.openTfjs({ device: "js", selfTest: false });
  const { tf } = opened;
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], activation: "sigmoid" })] });
  await tfjs.saveLayersModel(model, `${folder}/model`);
  const signature = {
    inputs: [{ name: "x", dtype: "float32", shape: [-1, 2] }],
    outputs: [{ name: "y", dtype: "float32", shape: [-1, 1] }],
  } as const;
  const manifest = { formatVersion: 1, name: "late", format: "tfjs-layers", signature, files: [] } as const;
  const runtime = tfjs.tfjsRuntime(opened);
  const load = () => runtime.load(`${folder}/model`, manifest as unknown as ModelManifest);
  const loaded = await load();
  const x = { dtype: "float32", shape: [1, 2], data: Float32Array.of(1, 2) } as const;
  let count = 0;
  const corrupt = (call: () => unknown) => ({ PORT_MODEL_CORRUPT: call });
  return {
    subjects: {
      openTfjs: well(
        tfjs.openTfjs,
        () => [{ device: "js", native: [], selfTest: false, signal }],
        { TFJS_DEVICE_UNAVAILABLE: () => tfjs.openTfjs({ device: "gpu" }) },
        40,
      ),
      recogniseLoadFailure: well(tfjs.recogniseLoadFailure, () => [new Error("no")]),
      plainDenseLayers: well(tfjs.plainDenseLayers, () => [model, { signal }]),
      ...methods("openTfjs()", () => opened, { check: [() => []] }),
      selfTest: well(tfjs.selfTest, () => [tf, { signal }], {}, 8),
      saveLayersModel: well(
        tfjs.saveLayersModel,
        () => [model, `${folder}/${(count += 1)}`, { includeOptimizer: false, signal }],
        { TFJS_DIRECTORY_OCCUPIED: () => tfjs.saveLayersModel(model, `${folder}/model`) },
        50,
      ),
      loadLayersModel: well(
        tfjs.loadLayersModel,
        () => [opened, `${folder}/model`, { signal }],
        corrupt(() => tfjs.loadLayersModel(opened, folder)),
      ),
      tfjsRuntime: well(tfjs.tfjsRuntime, () => [opened]),
      ...methods("tfjsRuntime()", () => runtime, {
        load: [() => [`${folder}/model`, manifest, { signal }], corrupt(() => runtime.load(folder, manifest as never))],
      }),
      ...methods("tfjsRuntime().load()", () => loaded, {
        predict: [
          () => [{ x }, { signal }],
          {
            TFJS_INPUT_MISMATCH: () => loaded.predict({}),
            TFJS_TENSOR_UNSUPPORTED: () =>
              loaded.predict({ x: { dtype: "int64", shape: [1, 2], data: BigInt64Array.of(1n, 2n) } }),
          },
        ],
      }),
      ...methods("tfjsRuntime().load()", load, { dispose: [] }),
    },
    elsewhere: {
      TFJS_DEVICE_FAILED: "packages/tfjs/test/webgpu.integration.test.ts",
      TFJS_DEVICE_LOST: "packages/tfjs/test/webgpu.integration.test.ts",
      TFJS_PROVISION_FAILED: "packages/tfjs/test/command.test.ts",
      TFJS_READ_REFUSED: "packages/tfjs/test/webgpu.integration.test.ts",
      TFJS_KERNEL_REFUSED: "packages/tfjs/test/kernels.test.ts",
      TFJS_SELF_TEST_FAILED: "packages/tfjs/test/self-test.test.ts",
      TFJS_WRITE_FAILED: "packages/tfjs/test/save-full-disk.test.ts",
    },
    [Symbol.asyncDispose]: async () => {
      await loaded.dispose();
      model.dispose();
    },
  };
}
