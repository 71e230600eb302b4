import type { KernelConfig } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { openTfjs, selfTest, type TfjsError } from "../src/index.ts";

test.each(["wasm", "js"] as const)(
  "a mended backend gives TensorFlow's answers, and no tensor stays behind: %s",
  async (device) => {
    const { tf } = await openTfjs({ device, selfTest: false });
    const before = tf.memory().numTensors;
    await selfTest(tf);
    expect(tf.memory().numTensors).toBe(before);
  },
);

test.each([
  ["Conv2DBackpropFilter", "convolutions", 1.001],
  ["MaxPoolGrad", "pooling", 0],
  ["AvgPoolGrad", "pooling", 1.01],
  ["DepthwiseConv2dNativeBackpropFilter", "depthwise convolutions", -1],
  ["ResizeNearestNeighborGrad", "upsampling", 0.9],
  ["UnsortedSegmentSum", "embeddings", 2],
  ["Sigmoid", "dense layers", 1.01],
])("a kernel %s that is wrong is found, and the layers named: %s", async (kernelName, family, factor) => {
  const { tf } = await openTfjs({ device: "js", selfTest: false });
  const right = tf.getKernel(kernelName, "cpu");
  const replaceBy = (config: KernelConfig): void => {
    tf.unregisterKernel(kernelName, "cpu");
    tf.registerKernel(config);
  };
  replaceBy({
    ...right,
    kernelFunc: (call) => {
      const output = right.kernelFunc(call);
      const info = Array.isArray(output) ? output[0] : output;
      if (info === undefined) return output;
      const values = (tf.backend().readSync(info.dataId) as Float32Array).map((value) => value * factor);
      return { ...info, dataId: tf.backend().write(values, info.shape, info.dtype) };
    },
  });
  try {
    await expect(selfTest(tf)).rejects.toMatchObject({
      code: "TFJS_SELF_TEST_FAILED",
      message: expect.stringContaining(family) as string,
    });
    // Opening mends what is ours to mend, and refuses the backend for the rest.
    const opening = openTfjs({ device: "js" }).then(
      ({ device }) => device,
      (error: TfjsError) => error.probes[0]?.reason,
    );
    expect(await opening).toBe(kernelName === "Sigmoid" ? "self-test-failed" : "js");
  } finally {
    replaceBy(right);
  }
});
