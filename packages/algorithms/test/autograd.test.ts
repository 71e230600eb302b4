import { createRandom } from "@millwright/contracts";
import { type Activation, activations } from "@millwright/model";
import { expect, test } from "vitest";
import * as grad from "../src/autograd.ts";

const random = createRandom(12);
const numbers = (size: number): Float64Array => Float64Array.from({ length: size }, () => random.normal());
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

interface Check {
  /** Shapes of what is differentiated by. */
  readonly shapes: readonly (readonly number[])[];
  readonly apply: (...inputs: grad.Variable[]) => grad.Variable;
}

const image = [2, 5, 6, 3];
const names = Object.keys(activations) as Activation[];
const checks: Readonly<Record<string, Check>> = {
  add: {
    shapes: [
      [3, 4],
      [3, 4],
    ],
    apply: grad.add,
  },
  "add, one row to all": { shapes: [[3, 4], [4]], apply: grad.add },
  multiply: {
    shapes: [
      [3, 4],
      [3, 4],
    ],
    apply: grad.multiply,
  },
  multiplyMatrices: {
    shapes: [
      [3, 4],
      [4, 2],
    ],
    apply: grad.multiplyMatrices,
  },
  dense: { shapes: [[5, 4], [4, 3], [3]], apply: grad.dense },
  reshape: { shapes: [[3, 4]], apply: (x) => grad.reshape(x, [2, 6]) },
  slice: { shapes: [[3, 4, 2]], apply: (x) => grad.slice(x, 1, 1, 3) },
  concatenate: {
    shapes: [
      [2, 3, 2],
      [2, 1, 2],
    ],
    apply: (...all) => grad.concatenate(all, 1),
  },
  dropout: { shapes: [[6, 5]], apply: (x) => grad.dropout(x, 0.4, createRandom(3)) },
  ...Object.fromEntries(
    names.map((name) => [name, { shapes: [[4, 6]], apply: (x: grad.Variable) => grad.activate(x, name) }]),
  ),
  "convolve1d, stride and dilation": {
    shapes: [[2, 9, 3], [3, 3, 2], [2]],
    apply: (x, k, b) => grad.convolve1d(x, k, b, { stride: 2, dilation: 2 }),
  },
  "convolve1d, same": {
    shapes: [[2, 7, 2], [4, 2, 3], [3]],
    apply: (x, k, b) => grad.convolve1d(x, k, b, { padding: "same", stride: 3 }),
  },
  convolve2d: { shapes: [image, [3, 2, 3, 4], [4]], apply: (x, k, b) => grad.convolve2d(x, k, b) },
  "convolve2d, same, strides": {
    shapes: [image, [3, 3, 3, 2], [2]],
    apply: (x, k, b) => grad.convolve2d(x, k, b, { padding: "same", stride: [2, 1] }),
  },
  "convolve2d, same, dilated": {
    shapes: [image, [2, 3, 3, 2], [2]],
    apply: (x, k, b) => grad.convolve2d(x, k, b, { padding: "same", dilation: [2, 1] }),
  },
  maxPool2d: { shapes: [image], apply: (x) => grad.maxPool2d(x, 2) },
  "maxPool2d, same, overlapping": {
    shapes: [image],
    apply: (x) => grad.maxPool2d(x, [3, 2], { stride: 2, padding: "same" }),
  },
  averagePool2d: { shapes: [image], apply: (x) => grad.averagePool2d(x, [2, 3]) },
  "averagePool2d, same, overlapping": {
    shapes: [image],
    apply: (x) => grad.averagePool2d(x, 3, { stride: 2, padding: "same" }),
  },
  batchNormalize: { shapes: [[7, 3], [3], [3]], apply: (x, g, b) => grad.batchNormalize(x, g, b) },
  "batchNormalize of images": { shapes: [image, [3], [3]], apply: (x, g, b) => grad.batchNormalize(x, g, b, 1e-5) },
  layerNormalize: { shapes: [[4, 6], [6], [6]], apply: (x, g, b) => grad.layerNormalize(x, g, b) },
  embed: { shapes: [[5, 3]], apply: (table) => grad.embed([0, 4, 4, 1, 2, 0], [2, 3], table) },
  simpleRnn: { shapes: [[2, 4, 3], [3, 5], [5, 5], [5]], apply: grad.simpleRnn },
  lstm: { shapes: [[2, 4, 3], [3, 8], [2, 8], [8]], apply: grad.lstm },
  gru: {
    shapes: [
      [2, 4, 3],
      [3, 6],
      [2, 6],
      [2, 6],
    ],
    apply: grad.gru,
  },
  softmaxCrossEntropy: { shapes: [[4, 3]], apply: (x) => grad.softmaxCrossEntropy(x, [0, 2, 1, 2], [1, 0.5, 2, 1]) },
  sigmoidCrossEntropy: { shapes: [[4, 1]], apply: (x) => grad.sigmoidCrossEntropy(x, [0, 1, 0.3, 1], [1, 2, 3, 1]) },
  meanSquaredError: { shapes: [[3, 2]], apply: (x) => grad.meanSquaredError(x, [0, 1, 2, 3, 4, 5], [1, 0, 2]) },
  "several layers, an input used twice": {
    shapes: [[3, 4], [4, 4], [4]],
    apply: (x, k, b) => grad.add(grad.activate(grad.dense(x, k, b), "tanh"), x),
  },
};

/** A number of all outputs, each with a weight of its own. */
function lossOf(output: grad.Variable, weights: Float64Array): grad.Variable {
  const size = output.data.length;
  const row = grad.reshape(output, [1, size]);
  return grad.reshape(grad.multiplyMatrices(row, grad.constant([size, 1], weights.slice(0, size))), []);
}

test.each(Object.entries(checks))(
  "AM-4: the gradient is that of finite differences, to 1e-6: %s",
  (_, { shapes, apply }) => {
    const weights = numbers(1000);
    const inputs = shapes.map((shape) => grad.variable(shape, numbers(sizeOf(shape))));
    grad.backward(lossOf(apply(...inputs), weights));
    const step = 1e-5;
    let largest = 0;
    for (const input of inputs) {
      expect(input.gradient.some((slope) => slope !== 0)).toBe(true);
      for (let at = 0; at < input.data.length; at += 1) {
        const value = input.data[at]!;
        const [above, below] = [value + step, value - step].map((moved) => {
          input.data[at] = moved;
          return lossOf(apply(...inputs), weights).data[0]!;
        });
        input.data[at] = value;
        const wanted = (above! - below!) / (2 * step);
        const slope = input.gradient[at]!;
        largest = Math.max(largest, Math.abs(slope - wanted) / Math.max(1, Math.abs(slope), Math.abs(wanted)));
      }
    }
    expect(largest).toBeLessThan(1e-6);
  },
);

test("every operation that is exported is checked", () => {
  const others = ["backward", "constant", "variable", "activate"];
  const exported = Object.keys(grad).filter((name) => !others.includes(name));
  const checked = Object.keys(checks).map((name) => name.split(/[, ]/)[0]);
  expect(exported.filter((name) => !checked.includes(name))).toEqual([]);
});

test("constants have no gradient, and what a second call of backward finds is not added to the first", () => {
  const x = grad.constant([1, 2], [1, 2]);
  const w = grad.variable([2, 1], [3, 4]);
  const loss = grad.meanSquaredError(grad.multiplyMatrices(x, w), [10]);
  grad.backward(loss);
  expect([...w.gradient]).toEqual([2, 4]);
  grad.backward(loss);
  expect([...w.gradient]).toEqual([2, 4]);
  expect(x.gradient).toHaveLength(0);
});

test("dropout leaves as much on average as there was, and the same seed drops the same", () => {
  const x = grad.constant([1, 10_000], new Float64Array(10_000).fill(1));
  const [one, again, other] = [1, 1, 2].map((seed) => grad.dropout(x, 0.25, createRandom(seed)).data);
  const mean = one!.reduce((sum, value) => sum + value, 0) / 10_000;
  // Four deviations of the mean of 10,000 draws.
  expect(Math.abs(mean - 1)).toBeLessThan(4 * Math.sqrt(1 / 3 / 10_000));
  expect(one).toEqual(again);
  expect(one).not.toEqual(other);
});

test.each([
  [
    "shapes that do not fit",
    () => grad.multiplyMatrices(grad.variable([2, 3], numbers(6)), grad.variable([2, 3], numbers(6))),
  ],
  ["data of another length", () => grad.variable([2, 3], [1])],
  ["a window that is too large", () => grad.maxPool2d(grad.variable([1, 2, 2, 1], numbers(4)), 3)],
  ["a word that is not there", () => grad.embed([3], [1], grad.variable([3, 1], numbers(3)))],
  ["a class that is not there", () => grad.softmaxCrossEntropy(grad.variable([1, 2], numbers(2)), [2])],
  ["a loss of several numbers", () => grad.backward(grad.variable([2], numbers(2)))],
  [
    "a stride of none",
    () =>
      grad.convolve1d(
        grad.variable([1, 4, 1], numbers(4)),
        grad.variable([2, 1, 1], numbers(2)),
        grad.variable([1], [0]),
        { stride: 0 },
      ),
  ],
] as const)("a RangeError for %s", (_, call) => {
  expect(call).toThrow(RangeError);
});
