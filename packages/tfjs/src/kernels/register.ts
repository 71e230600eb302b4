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
import { averagePoolGradient } from "./average-pool-gradient.ts";
import { borrowKernel } from "./borrow.ts";
import { conv2dFilterGradient } from "./conv2d-filter-gradient.ts";
import { depthwiseFilterGradient, depthwiseInputGradient } from "./depthwise-gradients.ts";
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
  throw kernelRefused(kernel, `its data format is ${String(dataFormat)}`, "Put the channels last (NHWC).");
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

const avgPoolGrad: ArrayKernel = ({ tf, attrs, values, shape }) => {
  const geometry = tf.backend_util.computePool2DInfo(
    shape("input") as Shape4,
    attrs["filterSize"] as Spatial,
    attrs["strides"] as Spatial,
    1,
    attrs["pad"] as Padding,
    attrs["dimRoundingMode"] as Rounding,
  );
  return { values: averagePoolGradient(values("dy"), geometry), shape: shape("input") };
};

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

/** Gradient kernels that the WASM backend lacks, and what it needs for `Einsum` layers. */
const absentFromWasm: Readonly<Record<string, ArrayKernel>> = {
  Conv2DBackpropFilter: conv2dBackpropFilter,
  DepthwiseConv2dNativeBackpropFilter: depthwiseBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInput,
  UnsortedSegmentSum: segmentSum,
};

/** Kernels of the CPU backend that compute rightly and that the WASM backend lacks, or gets wrong (the two of Dilation2D). */
const borrowedByWasm = ["Einsum", "Dilation2DBackpropFilter", "Dilation2DBackpropInput", "AvgPool3DGrad"];

const replace = (tf: TensorFlow, kernelName: string, backendName: string, kernelFunc: KernelFunc): void => {
  // Registering over a kernel warns on the console.
  if (tf.getKernel(kernelName, backendName) != null) tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ kernelName, backendName, kernelFunc });
};

/**
 * Makes the WASM backend able to train convolutions and embeddings, and right where it was wrong. Both JavaScript-side backends must be registered.
 * @returns the names of the kernels replaced or added.
 */
export function mendWasm(tf: TensorFlow): readonly string[] {
  const ours = { ...absentFromWasm, AvgPoolGrad: avgPoolGrad };
  for (const [name, kernel] of Object.entries(ours)) replace(tf, name, "wasm", asKernel(tf, kernel));
  for (const name of borrowedByWasm) replace(tf, name, "wasm", borrowKernel(tf, name));
  return [...Object.keys(ours), ...borrowedByWasm];
}

/**
 * Replaces the kernels of the plain JavaScript backend that are wrong, or needlessly slow (the filter gradient, by five times).
 * @returns the names of the kernels replaced.
 */
export function mendJs(tf: TensorFlow): readonly string[] {
  const ours = {
    ...absentFromWasm,
    AvgPoolGrad: avgPoolGrad,
    ResizeNearestNeighborGrad: resizeNearestNeighborGrad,
  };
  for (const [name, kernel] of Object.entries(ours)) replace(tf, name, "cpu", asKernel(tf, kernel));
  return Object.keys(ours);
}
