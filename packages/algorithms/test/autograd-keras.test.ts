import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import * as grad from "../src/autograd.ts";

interface Flat {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

// Written by fixtures/make-keras.py with Keras 3 on JAX, in float64.
const { cases } = JSON.parse(await readFile(new URL("./fixtures/keras.json", import.meta.url), "utf8")) as {
  readonly cases: readonly {
    readonly name: string;
    /** The inputs, and the layer's weights in Keras' order. */
    readonly inputs: readonly Flat[];
    readonly output: Flat;
    readonly factors: readonly number[];
    readonly gradients: readonly (readonly number[])[];
  }[];
};

/** The options that each layer was made with. */
const layers: Readonly<Record<string, (...inputs: grad.Variable[]) => grad.Variable>> = {
  dense: grad.dense,
  convolve1d: (x, k, b) => grad.convolve1d(x, k, b, { stride: 2, padding: "same" }),
  "convolve1d, dilated": (x, k, b) => grad.convolve1d(x, k, b, { dilation: 2 }),
  convolve2d: (x, k, b) => grad.convolve2d(x, k, b, { stride: [2, 1], padding: "same" }),
  "convolve2d, dilated": (x, k, b) => grad.convolve2d(x, k, b, { dilation: [2, 1] }),
  maxPool2d: (x) => grad.maxPool2d(x, 2, { padding: "same" }),
  averagePool2d: (x) => grad.averagePool2d(x, 3, { stride: 2, padding: "same" }),
  batchNormalize: (x, gamma, beta) => grad.batchNormalize(x, gamma, beta),
  layerNormalize: (x, gamma, beta) => grad.layerNormalize(x, gamma, beta),
  simpleRnn: grad.simpleRnn,
  lstm: grad.lstm,
  gru: grad.gru,
};

const largestDifference = (some: ArrayLike<number>, others: readonly number[]): number => {
  expect(some).toHaveLength(others.length);
  return Math.max(...others.map((value, at) => Math.abs(value - some[at]!)));
};

test("every layer of the fixture is compared", () => {
  expect(cases.map(({ name }) => name)).toEqual(Object.keys(layers));
});

/** Keras normalizes, and carries states, in float32 whatever its policy. */
const inSingle = ["batchNormalize", "layerNormalize", "simpleRnn", "lstm", "gru"];

test.each(cases)(
  "AM-4: outputs and gradients are those of Keras, to 1e-10 where it computes in double: $name",
  (each) => {
    const tolerance = inSingle.includes(each.name) ? 1e-6 : 1e-10;
    const inputs = each.inputs.map(({ shape, data }) => grad.variable(shape, data));
    const output = layers[each.name]!(...inputs);
    expect(output.shape).toEqual(each.output.shape);
    expect(largestDifference(output.data, each.output.data)).toBeLessThan(tolerance);
    const size = output.data.length;
    const sum = grad.multiplyMatrices(grad.reshape(output, [1, size]), grad.constant([size, 1], each.factors));
    grad.backward(grad.reshape(sum, []));
    for (const [index, input] of inputs.entries())
      expect(largestDifference(input.gradient, each.gradients[index]!)).toBeLessThan(tolerance);
  },
);
