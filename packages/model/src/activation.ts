/** Activations of dense layers, by the names that Keras and TensorFlow.js give them. */
export type Activation =
  | "linear"
  | "relu"
  | "relu6"
  | "elu"
  | "selu"
  | "sigmoid"
  | "hardSigmoid"
  | "tanh"
  | "softplus"
  | "softsign"
  | "swish"
  | "softmax";

/** Changes `values[start .. end)`, one row's units, in place. */
export type ActivateRow = (values: Float64Array, start: number, end: number) => void;

const elementwise =
  (activate: (value: number) => number): ActivateRow =>
  (values, start, end) => {
    for (let unit = start; unit < end; unit += 1) values[unit] = activate(values[unit] as number);
  };

const relu: ActivateRow = (values, start, end) => {
  // A NaN stays one: it is not below zero.
  for (let unit = start; unit < end; unit += 1) if ((values[unit] as number) < 0) values[unit] = 0;
};

/** Shifted by the row's largest value, which leaves the result as it is and keeps the exponentials finite. */
const softmax: ActivateRow = (values, start, end) => {
  let largest = -Infinity;
  for (let unit = start; unit < end; unit += 1) largest = Math.max(largest, values[unit] as number);
  let sum = 0;
  for (let unit = start; unit < end; unit += 1) {
    const power = Math.exp((values[unit] as number) - largest);
    values[unit] = power;
    sum += power;
  }
  for (let unit = start; unit < end; unit += 1) values[unit]! /= sum;
};

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

/** Klambauer et al. (2017), Self-Normalizing Neural Networks, section 2: λ and α. */
const seluScale = 1.0507009873554804;
const seluAlpha = 1.6732632423543772;

/** What each activation does; those of Keras 2, whose `hardSigmoid` is 0.2·x + 0.5 cut to [0, 1]. */
export const activations: Readonly<Record<Activation, ActivateRow>> = {
  linear: () => {},
  relu,
  relu6: elementwise((value) => Math.min(6, Math.max(0, value))),
  elu: elementwise((value) => (value < 0 ? Math.expm1(value) : value)),
  selu: elementwise((value) => seluScale * (value < 0 ? seluAlpha * Math.expm1(value) : value)),
  sigmoid: elementwise(sigmoid),
  hardSigmoid: elementwise((value) => Math.min(1, Math.max(0, 0.2 * value + 0.5))),
  tanh: elementwise(Math.tanh),
  // log(1 + e^x) without overflow for large x.
  softplus: elementwise((value) => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))),
  softsign: elementwise((value) => value / (1 + Math.abs(value))),
  swish: elementwise((value) => value * sigmoid(value)),
  softmax,
};

export const isActivation = (name: unknown): name is Activation =>
  typeof name === "string" && Object.hasOwn(activations, name);
