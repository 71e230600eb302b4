import { type Activation, activations } from "@millwright/model";
import { type Variable, assertVariable, gradientOf, result } from "./variable.ts";

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));
/** Klambauer et al. (2017): λ and α. */
const seluScale = 1.0507009873554804;
const seluAlpha = 1.6732632423543772;

/** Derivatives by x, from x and the activation's value y. */
const derivatives: Readonly<Record<Exclude<Activation, "softmax">, (x: number, y: number) => number>> = {
  linear: () => 1,
  relu: (x) => (x > 0 ? 1 : 0),
  relu6: (x) => (x > 0 && x < 6 ? 1 : 0),
  elu: (x, y) => (x < 0 ? y + 1 : 1),
  selu: (x, y) => (x < 0 ? y + seluScale * seluAlpha : seluScale),
  sigmoid: (_, y) => y * (1 - y),
  hardSigmoid: (x) => (x > -2.5 && x < 2.5 ? 0.2 : 0),
  tanh: (_, y) => 1 - y * y,
  softplus: (x) => sigmoid(x),
  softsign: (x) => 1 / (1 + Math.abs(x)) ** 2,
  swish: (x, y) => y + sigmoid(x) * (1 - y),
};

/** An activation, by the names that Keras and TensorFlow.js give it; the softmax goes over the last axis. Throws a RangeError for another name. */
export function activate(input: Variable, activation: Activation): Variable {
  if (typeof activation !== "string" || !Object.hasOwn(activations, activation))
    throw new RangeError(`There is no activation of that name. Known: ${Object.keys(activations).join(", ")}.`);
  assertVariable("The input", input);
  const data = input.data.slice();
  const width = (activation === "softmax" ? input.shape.at(-1) : data.length) || 1;
  for (let start = 0; start < data.length; start += width) activations[activation](data, start, start + width);
  return result(input.shape, data, [input], (gradient) => {
    const into = gradientOf(input);
    if (into === undefined) return;
    if (activation === "softmax") softmaxBack(data, gradient, width, into);
    else {
      const derivative = derivatives[activation];
      const { data: x } = input;
      for (let at = 0; at < data.length; at += 1) into[at]! += gradient[at]! * derivative(x[at]!, data[at]!);
    }
  });
}

function softmaxBack(data: Float64Array, gradient: Float64Array, width: number, into: Float64Array): void {
  for (let start = 0; start < data.length; start += width) {
    let mean = 0;
    for (let at = start; at < start + width; at += 1) mean += gradient[at]! * data[at]!;
    for (let at = start; at < start + width; at += 1) into[at]! += data[at]! * (gradient[at]! - mean);
  }
}
