import type { LinearModel } from "../linear-model.ts";
import type { Graph, Value } from "./graph.ts";

/** The weighted sums in double precision, through the link: float64 of shape [rows, outputs]. */
export function linearGraph(graph: Graph, { features, coefficients, intercepts, link }: LinearModel): Value {
  const [inputs, outputs] = [features.length, intercepts.length];
  const columns = graph.node("Concat", features, { axis: { int: 1 } });
  const weights = graph.constant({
    type: "float64",
    shape: [inputs, outputs],
    values: Array.from(
      { length: inputs * outputs },
      (_, at) => coefficients[at % outputs]?.[Math.floor(at / outputs)] as number,
    ),
  });
  const added = graph.constant({ type: "float64", shape: [outputs], values: intercepts });
  const sums = graph.node("Add", [graph.node("MatMul", [columns, weights]), added]);
  if (link === "softmax") return graph.node("Softmax", [sums], { axis: { int: 1 } });
  if (link === "exponential") return graph.node("Exp", [sums]);
  return link === "logistic" ? graph.node("Sigmoid", [sums]) : sums;
}
