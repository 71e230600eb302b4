import { onnxUnsupported } from "../errors.ts";
import { activateSingle } from "./dense-graph.ts";
import type { Graph, Value } from "./graph.ts";
import type { ConvolutionLayer, Network, NetworkLayer, PoolLayer, Sizes } from "./network-layer.ts";

/** A tensor of the chain: ONNX's operators want channels first, everything else has them last. */
interface Rows {
  readonly value: Value;
  /** Of one row, channels last. */
  readonly shape: Sizes;
  readonly channelsFirst: boolean;
}

/**
 * The network's nodes, in single precision, from the input `features` of shape [rows, numbers] or [rows, …inputShape].
 * @returns the value of shape [rows, …], channels last, and the shape of one of its rows. Throws `MODEL_ONNX_UNSUPPORTED`.
 */
export function networkGraph(
  graph: Graph,
  features: Value,
  { inputShape, layers }: Network,
): { readonly value: Value; readonly shape: Sizes } {
  let rows: Rows = { value: features, shape: inputShape, channelsFirst: false };
  for (const [index, layer] of layers.entries()) rows = appendLayer(graph, rows, layer, index);
  const { value, shape } = channelsLast(graph, rows);
  return { value, shape };
}

function appendLayer(graph: Graph, rows: Rows, layer: NetworkLayer, index: number): Rows {
  switch (layer.kind) {
    case "convolution":
      return convolution(graph, channelsFirst(graph, rows), layer);
    case "pool":
      return pool(graph, channelsFirst(graph, rows), layer);
    case "globalPool":
      return globalPool(graph, channelsFirst(graph, rows), layer.pool);
    case "scale":
      return scale(graph, rows, layer);
    case "flatten":
      return reshape(graph, rows, [product(rows.shape)], index);
    case "reshape":
      return reshape(graph, rows, layer.shape, index);
    case "dense":
      return dense(graph, rows, layer, index);
    case "leakyRelu":
      return { ...rows, value: graph.node("LeakyRelu", [rows.value], { alpha: { float: layer.slope } }) };
    case "softmax":
      return softmax(graph, channelsLast(graph, rows), layer.axis, index);
    case "activation": {
      // The one activation that is not of each number alone.
      const from = layer.activation === "softmax" ? channelsLast(graph, rows) : rows;
      return { ...from, value: activateSingle(graph, from.value, layer.activation) };
    }
  }
}

const product = (shape: Sizes): number => shape.reduce((size, each) => size * each, 1);

const channelsOf = ({ shape }: Rows): number => shape.at(-1) as number;

function channelsFirst(graph: Graph, rows: Rows): Rows {
  if (rows.channelsFirst) return rows;
  const axes = rows.shape.length;
  const order = [0, axes, ...Array.from({ length: axes - 1 }, (_, axis) => axis + 1)];
  const value = graph.node("Transpose", [rows.value], { perm: { ints: order } });
  return { ...rows, value, channelsFirst: true };
}

function channelsLast(graph: Graph, rows: Rows): Rows {
  if (!rows.channelsFirst) return rows;
  const axes = rows.shape.length;
  const order = [0, ...Array.from({ length: axes - 1 }, (_, axis) => axis + 2), 1];
  const value = graph.node("Transpose", [rows.value], { perm: { ints: order } });
  return { ...rows, value, channelsFirst: false };
}

function reshape(graph: Graph, given: Rows, shape: Sizes, index: number): Rows {
  const rows = channelsLast(graph, given);
  if (product(shape) !== product(rows.shape))
    throw onnxUnsupported(
      `Layer ${index}`,
      `it makes [${rows.shape.join(", ")}] into [${shape.join(", ")}]`,
      "Keep the number of values of a row.",
    );
  const target = graph.constant({ type: "int64", shape: [shape.length + 1], values: [-1, ...shape] });
  return { value: graph.node("Reshape", [rows.value, target]), shape, channelsFirst: false };
}

function dense(
  graph: Graph,
  given: Rows,
  { kernel, bias }: Extract<NetworkLayer, { readonly kind: "dense" }>,
  index: number,
): Rows {
  const rows = channelsLast(graph, given);
  const [inputs, units] = [channelsOf(rows), bias.length];
  if (kernel.length !== inputs * units)
    throw onnxUnsupported(
      `Layer ${index}`,
      `its kernel has ${kernel.length} numbers for ${inputs} inputs and ${units} units`,
      "Give a kernel of inputs × units.",
    );
  const weights = graph.constant({ type: "float32", shape: [inputs, units], values: kernel });
  const added = graph.constant({ type: "float32", shape: [units], values: bias });
  // MatMul, since a series or an image has a dense layer at each of its places.
  const value = graph.node("Add", [graph.node("MatMul", [rows.value, weights]), added]);
  return { value, shape: [...rows.shape.slice(0, -1), units], channelsFirst: false };
}

function softmax(graph: Graph, rows: Rows, axis: number, index: number): Rows {
  if (!Number.isInteger(axis) || axis === 0 || axis < -rows.shape.length || axis > rows.shape.length)
    throw onnxUnsupported(
      `Layer ${index}`,
      `its softmax is over the axis ${axis} of [rows, ${rows.shape.join(", ")}]`,
      "Let it be over an axis of a row.",
    );
  return { ...rows, value: graph.node("Softmax", [rows.value], { axis: { int: axis } }) };
}

function scale(graph: Graph, rows: Rows, layer: Extract<NetworkLayer, { readonly kind: "scale" }>): Rows {
  const shape = rows.channelsFirst ? [layer.scale.length, ...rows.shape.slice(1).map(() => 1)] : [layer.scale.length];
  const by = graph.constant({ type: "float32", shape, values: layer.scale });
  const shift = graph.constant({ type: "float32", shape, values: layer.shift });
  return { ...rows, value: graph.node("Add", [graph.node("Mul", [rows.value, by]), shift]) };
}

function convolution(graph: Graph, rows: Rows, layer: ConvolutionLayer): Rows {
  const { kernel, kernelShape, depthwise, bias, strides, dilations, padding } = layer;
  const sizes = kernelShape.slice(0, -2);
  const [inputs, outputs] = kernelShape.slice(-2) as [number, number];
  const extents = sizes.map((size, axis) => (size - 1) * (dilations[axis] as number) + 1);
  const { pads, places } = padded(rows.shape.slice(0, -1), { extents, strides, padding });
  const filters = depthwise ? inputs * outputs : outputs;
  const weights = graph.constant({
    type: "float32",
    shape: depthwise ? [filters, 1, ...sizes] : [outputs, inputs, ...sizes],
    values: filtersFirst(kernel, product(sizes), { inputs, outputs, depthwise }),
  });
  const added = graph.constant({ type: "float32", shape: [filters], values: bias });
  const value = graph.node("Conv", [rows.value, weights, added], {
    strides: { ints: strides },
    dilations: { ints: dilations },
    group: { int: depthwise ? inputs : 1 },
    pads: { ints: pads },
  });
  return { value, shape: [...places, filters], channelsFirst: true };
}

/** Kernels [place, input, output] as ONNX has them: [output, input, place], by input channel where they are depthwise. */
function filtersFirst(
  kernel: ArrayLike<number>,
  places: number,
  { inputs, outputs, depthwise }: { readonly inputs: number; readonly outputs: number; readonly depthwise: boolean },
): Float32Array {
  const filters = new Float32Array(kernel.length);
  for (let place = 0, at = 0; place < places; place += 1)
    for (let input = 0; input < inputs; input += 1)
      for (let output = 0; output < outputs; output += 1, at += 1) {
        const filter = depthwise ? input * outputs + output : output * inputs + input;
        filters[filter * places + place] = kernel[at] as number;
      }
  return filters;
}

function pool(graph: Graph, rows: Rows, { pool: kind, sizes, strides, padding }: PoolLayer): Rows {
  const { pads, places } = padded(rows.shape.slice(0, -1), { extents: sizes, strides, padding });
  // Padding is not averaged over: count_include_pad is 0 unless it is said.
  const value = graph.node(kind === "max" ? "MaxPool" : "AveragePool", [rows.value], {
    kernel_shape: { ints: sizes },
    strides: { ints: strides },
    pads: { ints: pads },
  });
  return { value, shape: [...places, channelsOf(rows)], channelsFirst: true };
}

function globalPool(graph: Graph, rows: Rows, kind: "max" | "average"): Rows {
  const pooled = graph.node(kind === "max" ? "GlobalMaxPool" : "GlobalAveragePool", [rows.value]);
  const target = graph.constant({ type: "int64", shape: [2], values: [-1, channelsOf(rows)] });
  return { value: graph.node("Reshape", [pooled, target]), shape: [channelsOf(rows)], channelsFirst: false };
}

/**
 * How many places there are after a window has gone over them, and the padding before and after each axis (all before, then all after). `same` has
 * ⌈places / stride⌉ of them, and puts the odd one of its padding after, as TensorFlow does.
 */
function padded(
  sizes: Sizes,
  { extents, strides, padding }: { readonly extents: Sizes; readonly strides: Sizes; readonly padding: string },
): { readonly pads: Sizes; readonly places: Sizes } {
  const axes = sizes.map((size, axis) => {
    const [extent, stride] = [extents[axis] as number, strides[axis] as number];
    if (padding === "valid") return { before: 0, after: 0, places: Math.floor((size - extent) / stride) + 1 };
    const places = Math.ceil(size / stride);
    const total = Math.max((places - 1) * stride + extent - size, 0);
    return { before: Math.floor(total / 2), after: Math.ceil(total / 2), places };
  });
  return {
    pads: [...axes.map(({ before }) => before), ...axes.map(({ after }) => after)],
    places: axes.map(({ places }) => places),
  };
}
