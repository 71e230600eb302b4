import type {
  Attribute,
  KernelBackend,
  KernelFunc,
  NamedTensorInfoMap,
  TensorInfo,
  backend_util,
} from "@tensorflow/tfjs-core";
import type { TensorFlow } from "../tensorflow.ts";
import { kernelRefused } from "../errors.ts";
import { borrowKernel } from "./borrow.ts";
import { conv2dFilterGradient } from "./conv2d-filter-gradient.ts";
import { depthwiseFilterGradient, depthwiseInputGradient } from "./depthwise-gradients.ts";
import { averagePoolGradient, maxPoolGradient, type PoolWindows, windows2d, windows3d } from "./pool-gradients.ts";
import { resizeNearestGradient } from "./resize-nearest-gradient.ts";
import { unsortedSegmentSum } from "./segment-sum.ts";

/** A kernel of ours: works on typed arrays, so the same one serves both JavaScript-side backends. */
type ArrayKernel = (call: {
  readonly tf: TensorFlow;
  readonly attrs: Readonly<Record<string, Attribute>>;
  /** The named input's values; a view that the next write may detach. */
  readonly values: (input: string) => Float32Array;
  readonly shape: (input: string) => number[];
  readonly dtype: (input: string) => TensorInfo["dtype"];
}) => { readonly values: Float32Array | Int32Array; readonly shape: number[]; readonly dtype?: TensorInfo["dtype"] };

type Spatial = [number, number] | number;
type Padding = Parameters<typeof backend_util.computeConv2DInfo>[4];
type Rounding = Parameters<typeof backend_util.computeConv2DInfo>[5];
type Shape4 = [number, number, number, number];

const channelsLast = (kernel: string, dataFormat: Attribute | undefined): void => {
  if (dataFormat === undefined || dataFormat === "NHWC") return;
  throw kernelRefused(kernel, `its data format is ${JSON.stringify(dataFormat)}`, "Put the channels last (NHWC).");
};

const conv2dBackpropFilter: ArrayKernel = ({ tf, attrs, values, shape }) => {
  channelsLast("Conv2DBackpropFilter", attrs["dataFormat"]);
  const geometry = tf.backend_util.computeConv2DInfo(
    shape("x") as Shape4,
    attrs["filterShape"] as Shape4,
    attrs["strides"] as Spatial,
    1,
    attrs["pad"] as Padding,
    attrs["dimRoundingMode"] as Rounding,
    false,
    "channelsLast",
  );
  return { values: conv2dFilterGradient(values("x"), values("dy"), geometry), shape: geometry.filterShape };
};

const depthwiseGeometry = (
  tf: TensorFlow,
  attrs: Readonly<Record<string, Attribute>>,
  input: number[],
  filter: number[],
): backend_util.Conv2DInfo =>
  tf.backend_util.computeConv2DInfo(
    input as Shape4,
    filter as Shape4,
    attrs["strides"] as Spatial,
    attrs["dilations"] as Spatial,
    attrs["pad"] as Padding,
    attrs["dimRoundingMode"] as Rounding,
    true,
  );

const depthwiseBackpropFilter: ArrayKernel = ({ tf, attrs, values, shape }) => {
  const filterShape = attrs["filterShape"] as number[];
  const geometry = depthwiseGeometry(tf, attrs, shape("x"), filterShape);
  return { values: depthwiseFilterGradient(values("x"), values("dy"), geometry), shape: filterShape };
};

const depthwiseBackpropInput: ArrayKernel = ({ tf, attrs, values, shape }) => {
  const inputShape = attrs["inputShape"] as number[];
  const geometry = depthwiseGeometry(tf, attrs, inputShape, shape("filter"));
  return { values: depthwiseInputGradient(values("dy"), values("filter"), geometry), shape: inputShape };
};

const segmentSum: ArrayKernel = ({ attrs, values, shape, dtype }) => {
  const segments = attrs["numSegments"] as number;
  const sums = unsortedSegmentSum(values("x"), Int32Array.from(values("segmentIds")), segments);
  return { values: sums, shape: [segments, ...shape("x").slice(1)], dtype: dtype("x") };
};

type Shape5 = [number, number, number, number, number];

/** Where the windows lie; of 3-D pooling where the input has five axes. */
export function poolWindows(tf: TensorFlow, attrs: Readonly<Record<string, Attribute>>, input: number[]): PoolWindows {
  const strides = attrs["strides"];
  const filterSize = attrs["filterSize"];
  const pad = attrs["pad"] as Padding;
  const rounding = attrs["dimRoundingMode"] as Rounding;
  if (input.length === 4) {
    return windows2d(
      tf.backend_util.computePool2DInfo(input as Shape4, filterSize as Spatial, strides as Spatial, 1, pad, rounding),
    );
  }
  channelsLast("pooling gradient", attrs["dataFormat"] === "NDHWC" ? "NHWC" : attrs["dataFormat"]);
  type Volume = [number, number, number] | number;
  return windows3d(
    tf.backend_util.computePool3DInfo(
      input as Shape5,
      filterSize as Volume,
      strides as Volume,
      1,
      pad as Exclude<Padding, unknown[]>,
      rounding,
    ),
  );
}

const avgPoolGrad: ArrayKernel = ({ tf, attrs, values, shape }) => ({
  values: averagePoolGradient(values("dy"), poolWindows(tf, attrs, shape("input"))),
  shape: shape("input"),
});

const maxPoolGrad: ArrayKernel = ({ tf, attrs, values, shape }) => ({
  values: maxPoolGradient(values("input"), values("dy"), poolWindows(tf, attrs, shape("input"))),
  shape: shape("input"),
});

const resizeNearestNeighborGrad: ArrayKernel = ({ attrs, values, shape }) => {
  const [, height, width] = shape("dy") as Shape4;
  const gradient = resizeNearestGradient(values("dy"), {
    from: shape("images") as Shape4,
    to: [height, width],
    alignCorners: attrs["alignCorners"] === true,
    halfPixelCenters: attrs["halfPixelCenters"] === true,
  });
  return { values: gradient, shape: shape("images") };
};

/** What `backend` needs of a kernel of ours. */
interface ArrayBackend extends Pick<KernelBackend, "readSync" | "write"> {
  /** The WASM backend's view of its heap, without a copy. */
  readonly typedArrayFromHeap?: (info: TensorInfo) => Float32Array;
}

const asKernel =
  (tf: TensorFlow, kernel: ArrayKernel): KernelFunc =>
  ({ inputs, backend, attrs = {} }) => {
    const target = backend as ArrayBackend;
    const info = (name: string): TensorInfo => (inputs as NamedTensorInfoMap)[name] as TensorInfo;
    const result = kernel({
      tf,
      attrs,
      values: (name) => target.typedArrayFromHeap?.(info(name)) ?? (target.readSync(info(name).dataId) as Float32Array),
      shape: (name) => info(name).shape,
      dtype: (name) => info(name).dtype,
    });
    const dtype = result.dtype ?? "float32";
    return { dataId: target.write(result.values, result.shape, dtype), shape: result.shape, dtype };
  };

/** Gradient kernels of ours, for both backends: the WASM backend lacks the first four, and both get some of the others wrong. */
const kernels: Readonly<Record<string, ArrayKernel>> = {
  Conv2DBackpropFilter: conv2dBackpropFilter,
  DepthwiseConv2dNativeBackpropFilter: depthwiseBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInput,
  UnsortedSegmentSum: segmentSum,
  AvgPoolGrad: avgPoolGrad,
  AvgPool3DGrad: avgPoolGrad,
  MaxPoolGrad: maxPoolGrad,
  MaxPool3DGrad: maxPoolGrad,
  ResizeNearestNeighborGrad: resizeNearestNeighborGrad,
};

/** Kernels of the JavaScript backend that compute rightly, and that the WASM backend lacks (`Einsum`) or gets wrong (the others). */
const borrowedByWasm = [
  "Einsum",
  "Dilation2D",
  "Dilation2DBackpropFilter",
  "Dilation2DBackpropInput",
  "Conv3DBackpropFilterV2",
  "Conv3DBackpropInputV2",
  "MaxPool3D",
];

/** Puts a kernel in the place of the backend's own, if it has one. */
export const replaceKernel = (
  tf: TensorFlow,
  kernelName: string,
  backendName: string,
  kernelFunc: KernelFunc,
): void => {
  // Registering over a kernel warns on the console.
  if (tf.getKernel(kernelName, backendName) != null) tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ kernelName, backendName, kernelFunc });
};

/**
 * Makes the WASM backend able to train convolutions and embeddings, and right where it was wrong. Both JavaScript-side backends must be registered.
 * @returns the names of the kernels replaced or added.
 */
export function mendWasm(tf: TensorFlow): readonly string[] {
  for (const [name, kernel] of Object.entries(kernels)) replaceKernel(tf, name, "wasm", asKernel(tf, kernel));
  for (const name of borrowedByWasm) replaceKernel(tf, name, "wasm", borrowKernel(tf, name));
  return [...Object.keys(kernels), ...borrowedByWasm];
}

/**
 * Replaces the kernels of the plain JavaScript backend that are wrong, or needlessly slow (the filter gradient, by five times).
 * @returns the names of the kernels replaced.
 */
export function mendJs(tf: TensorFlow): readonly string[] {
  for (const [name, kernel] of Object.entries(kernels)) replaceKernel(tf, name, "cpu", asKernel(tf, kernel));
  return Object.keys(kernels);
}
