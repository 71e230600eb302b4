import * as core from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { expect, test } from "vitest";
import { openTfjs } from "../src/index.ts";
import { conv2dFilterGradient } from "../src/kernels/conv2d-filter-gradient.ts";
import { depthwiseFilterGradient, depthwiseInputGradient } from "../src/kernels/depthwise-gradients.ts";
import { unsortedSegmentSum } from "../src/kernels/segment-sum.ts";

// Taken before anything is mended: TensorFlow.js's own kernels, slow but right for these three.
const original = Object.fromEntries(
  ["Conv2DBackpropFilter", "DepthwiseConv2dNativeBackpropFilter", "DepthwiseConv2dNativeBackpropInput"].map((name) => [
    name,
    core.getKernel(name, "cpu"),
  ]),
);

async function quietCpu(): Promise<void> {
  await core.setBackend("cpu");
  (core.backend() as { firstUse?: boolean }).firstUse = false;
}

type Shape = [number, number, number, number];

const geometries: readonly (readonly [string, Shape, Shape, [number, number], "same" | "valid"])[] = [
  ["3×3, same", [2, 7, 6, 3], [3, 3, 3, 4], [1, 1], "same"],
  ["stride 2, same", [2, 7, 6, 3], [3, 3, 3, 4], [2, 2], "same"],
  ["strides 1 and 3, valid", [1, 9, 8, 2], [2, 4, 2, 3], [1, 3], "valid"],
  ["1×1", [3, 4, 5, 2], [1, 1, 2, 6], [1, 1], "valid"],
  ["filter as large as the image", [2, 3, 3, 2], [3, 3, 2, 2], [1, 1], "valid"],
  ["filter larger than the image, same", [1, 2, 3, 1], [5, 5, 1, 2], [1, 1], "same"],
];

async function fromOriginal(
  name: string,
  inputs: Record<string, core.Tensor>,
  attrs: core.NamedAttrMap,
): Promise<Float32Array> {
  const backend = core.backend();
  const result = original[name]?.kernelFunc({ inputs: inputs as never, backend, attrs }) as core.TensorInfo;
  return (await backend.read(result.dataId)) as Float32Array;
}

test.each(geometries)(
  "the filter gradient is that of TensorFlow.js's own kernel: %s",
  async (_, xShape, filterShape, strides, pad) => {
    await quietCpu();
    const geometry = core.backend_util.computeConv2DInfo(xShape, filterShape, strides, 1, pad);
    const x = core.randomNormal(xShape, 0, 1, "float32", 1);
    const dy = core.randomNormal(geometry.outShape, 0, 1, "float32", 2);
    const attrs = { strides, pad, dataFormat: "NHWC", filterShape };
    const wanted = await fromOriginal("Conv2DBackpropFilter", { x, dy }, attrs as unknown as core.NamedAttrMap);
    const got = conv2dFilterGradient(x.dataSync<"float32">(), dy.dataSync<"float32">(), geometry);
    // Both sum in doubles, in different orders.
    expectClose(got, wanted, 1e-6);
  },
);

test.each(geometries)(
  "depthwise gradients are those of TensorFlow.js's own kernels: %s",
  async (_, xShape, [kh, kw, channels], strides, pad) => {
    await quietCpu();
    const filterShape: Shape = [kh, kw, channels, 2];
    const geometry = core.backend_util.computeConv2DInfo(xShape, filterShape, strides, 1, pad, undefined, true);
    const x = core.randomNormal(xShape, 0, 1, "float32", 1);
    const dy = core.randomNormal(geometry.outShape, 0, 1, "float32", 2);
    const filter = core.randomNormal(filterShape, 0, 1, "float32", 3);
    const attrs = { strides, pad, dilations: [1, 1], filterShape, inputShape: xShape } as unknown as core.NamedAttrMap;
    const byFilter = await fromOriginal("DepthwiseConv2dNativeBackpropFilter", { x, dy }, attrs);
    expectClose(depthwiseFilterGradient(x.dataSync<"float32">(), dy.dataSync<"float32">(), geometry), byFilter, 1e-6);
    const byInput = await fromOriginal("DepthwiseConv2dNativeBackpropInput", { dy, filter }, attrs);
    expectClose(
      depthwiseInputGradient(dy.dataSync<"float32">(), filter.dataSync<"float32">(), geometry),
      byInput,
      1e-6,
    );
  },
);

test("rows of negative segments are left out, empty segments are zero, and integers stay integers", () => {
  const ids = Int32Array.of(2, -1, 0, 2);
  expect(unsortedSegmentSum(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), ids, 3)).toEqual(
    Float32Array.of(5, 6, 0, 0, 8, 10),
  );
  expect(unsortedSegmentSum(Int32Array.of(1, 2, 3, 4), ids, 3)).toEqual(Int32Array.of(3, 0, 5));
  expect(unsortedSegmentSum(new Float32Array(), new Int32Array(), 2)).toEqual(new Float32Array());
});

test("a channels-first filter gradient is refused by name", async () => {
  const { tf } = await openTfjs({ device: "wasm", selfTest: false });
  const kernel = tf.getKernel("Conv2DBackpropFilter", "wasm");
  const x = tf.ones([1, 1, 3, 3]);
  const call = () =>
    kernel.kernelFunc({
      inputs: { x, dy: x },
      backend: tf.backend(),
      attrs: { strides: 1, pad: "same", dataFormat: "NCHW", filterShape: [1, 1, 1, 1] },
    });
  expect(call).toThrow(expect.objectContaining({ code: "TFJS_KERNEL_REFUSED" }) as Error);
});

function expectClose(got: Float32Array, wanted: Float32Array, tolerance: number): void {
  expect(got.length).toBe(wanted.length);
  const worst = got.reduce((most, value, index) => Math.max(most, Math.abs(value - (wanted[index] ?? NaN))), 0);
  expect(worst).toBeLessThanOrEqual(tolerance);
}
