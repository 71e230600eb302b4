import type { Activation } from "../activation.ts";
import type { DenseLayer } from "../dense-network.ts";
import type { Graph, Value } from "./graph.ts";

/** Float type of the sums of a network. */
export type Precision = "float32" | "float64";

type Activate = (graph: Graph, value: Value) => Value;

const operator =
  (op: string, attributes: Parameters<Graph["node"]>[2] = {}): Activate =>
  (graph, value) =>
    graph.node(op, [value], attributes);

/** As ONNX has them. */
const single: Readonly<Record<Activation, Activate>> = {
  linear: (_, value) => value,
  relu: operator("Relu"),
  relu6: (graph, value) =>
    graph.node("Clip", [
      value,
      ...[0, 6].map((each) => graph.constant({ type: "float32", shape: [], values: [each] })),
    ]),
  elu: operator("Elu"),
  selu: operator("Selu"),
  sigmoid: operator("Sigmoid"),
  hardSigmoid: operator("HardSigmoid", { alpha: { float: 0.2 }, beta: { float: 0.5 } }),
  tanh: operator("Tanh"),
  softplus: operator("Softplus"),
  softsign: operator("Softsign"),
  swish: (graph, value) => graph.node("Mul", [value, graph.node("Sigmoid", [value])]),
  softmax: operator("Softmax", { axis: { int: 1 } }),
};

/** α·(e^x − 1) below 0, and x above, times the scale. */
const exponential =
  (scale: number, alpha: number): Activate =>
  (graph, value) => {
    const below = graph.node("Mul", [graph.node("Sub", [graph.node("Exp", [value]), 1]), alpha]);
    return graph.node("Mul", [graph.node("Where", [graph.node("Less", [value, 0]), below, value]), scale]);
  };

/** Those that ONNX Runtime has in single precision alone are put together from what it has in double. */
const double: Readonly<Record<Activation, Activate>> = {
  ...single,
  relu6: (graph, value) => graph.node("Clip", [value, 0, 6]),
  elu: exponential(1, 1),
  selu: exponential(1.0507009873554804, 1.6732632423543772),
  hardSigmoid: (graph, value) => graph.node("Clip", [graph.node("Add", [graph.node("Mul", [value, 0.2]), 0.5]), 0, 1]),
  softplus: (graph, value) => {
    const power = graph.node("Exp", [graph.node("Neg", [graph.node("Abs", [value])])]);
    return graph.node("Add", [graph.node("Relu", [value]), graph.node("Log", [graph.node("Add", [power, 1])])]);
  },
  // Not x · sigmoid(x), which ONNX Runtime up to 1.30 makes into an operator that it does not have in double.
  swish: (graph, value) =>
    graph.node("Div", [value, graph.node("Add", [graph.node("Exp", [graph.node("Neg", [value])]), 1])]),
  softsign: (graph, value) => graph.node("Div", [value, graph.node("Add", [graph.node("Abs", [value]), 1])]),
};

/** The activation of a float32, over its last axis where it is the softmax. */
export const activateSingle = (graph: Graph, value: Value, activation: Activation): Value =>
  activation === "softmax" ? graph.node("Softmax", [value], { axis: { int: -1 } }) : single[activation](graph, value);

/** The layers, one after another, from float32 to the float32 named `output`. The layers must fit each other. */
export function denseGraph(
  graph: Graph,
  features: Value,
  layers: readonly DenseLayer[],
  { output, precision }: { readonly output: string; readonly precision: Precision },
): void {
  let value = precision === "float64" ? graph.cast(features, "float64") : features;
  for (const { kernel, bias, activation } of layers) {
    const units = bias.length;
    // The weights are those of the package, which keeps them in single precision.
    const weights = graph.constant({
      type: precision,
      shape: [kernel.length / units, units],
      values: Float32Array.from(kernel),
    });
    const added = graph.constant({ type: precision, shape: [units], values: Float32Array.from(bias) });
    // No Gemm in double: ONNX Runtime up to 1.17 makes it and its activation one operator, which it has in single alone.
    value =
      precision === "float64"
        ? double[activation](graph, graph.node("Add", [graph.node("MatMul", [value, weights]), added]))
        : single[activation](graph, graph.node("Gemm", [value, weights, added]));
  }
  graph.cast(value, "float32", output);
}
