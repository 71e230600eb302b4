import * as grad from "../../packages/algorithms/dist/autograd.js";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { type Subjects, well } from "./subjects.ts";

const tensor = (...shape: number[]): grad.Variable => {
  const size = shape.reduce((product, each) => product * each, 1);
  return grad.variable(
    shape,
    Array.from({ length: size }, (_, at) => Math.sin(at + 1)),
  );
};
const rounds = 30;
const shapes = { RangeError: () => grad.add(tensor(2, 2), tensor(3)) };

/** Operations of the door `autograd`: what does not fit is a RangeError. */
export const autogradSubjects: Subjects = {
  variable: well(grad.variable, () => [[2], [1, 2]], { RangeError: () => grad.variable([2], [1]) }, rounds),
  constant: well(grad.constant, () => [[2], [1, 2]], { RangeError: () => grad.constant([-1], []) }, rounds),
  backward: well(
    grad.backward,
    () => [grad.meanSquaredError(tensor(2, 1), [1, 2])],
    { RangeError: () => grad.backward(tensor(2)) },
    rounds,
  ),
  activate: well(grad.activate, () => [tensor(2, 2), "relu"], {}, rounds),
  add: well(grad.add, () => [tensor(2, 2), tensor(2)], shapes, rounds),
  multiply: well(grad.multiply, () => [tensor(2, 2), tensor(2, 2)], {}, rounds),
  multiplyMatrices: well(grad.multiplyMatrices, () => [tensor(2, 3), tensor(3, 2)], {}, rounds),
  dense: well(grad.dense, () => [tensor(2, 3), tensor(3, 2), tensor(2)], {}, rounds),
  reshape: well(grad.reshape, () => [tensor(2, 3), [3, 2]], {}, rounds),
  slice: well(grad.slice, () => [tensor(2, 3), 1, 0, 2], {}, rounds),
  concatenate: well(grad.concatenate, () => [[tensor(2, 3), tensor(2, 1)], 1], {}, rounds),
  dropout: well(grad.dropout, () => [tensor(2, 3), 0.5, createRandom(1)], {}, rounds),
  convolve1d: well(grad.convolve1d, () => [tensor(1, 5, 2), tensor(3, 2, 1), tensor(1), { stride: 2 }], {}, rounds),
  convolve2d: well(
    grad.convolve2d,
    () => [tensor(1, 4, 4, 1), tensor(2, 2, 1, 2), tensor(2), { stride: [1, 2], padding: "same", dilation: 1 }],
    {},
    rounds,
  ),
  maxPool2d: well(grad.maxPool2d, () => [tensor(1, 4, 4, 1), 2, { stride: 1, padding: "same" }], {}, rounds),
  averagePool2d: well(grad.averagePool2d, () => [tensor(1, 4, 4, 1), [2, 1]], {}, rounds),
  batchNormalize: well(grad.batchNormalize, () => [tensor(4, 2), tensor(2), tensor(2), 0.1], {}, rounds),
  layerNormalize: well(grad.layerNormalize, () => [tensor(4, 2), tensor(2), tensor(2), 0.1], {}, rounds),
  embed: well(grad.embed, () => [[0, 1], [2], tensor(3, 2)], {}, rounds),
  simpleRnn: well(grad.simpleRnn, () => [tensor(1, 2, 3), tensor(3, 2), tensor(2, 2), tensor(2)], {}, rounds),
  lstm: well(grad.lstm, () => [tensor(1, 2, 3), tensor(3, 8), tensor(2, 8), tensor(8)], {}, rounds),
  gru: well(grad.gru, () => [tensor(1, 2, 3), tensor(3, 6), tensor(2, 6), tensor(2, 6)], {}, rounds),
  softmaxCrossEntropy: well(grad.softmaxCrossEntropy, () => [tensor(2, 3), [0, 2], [1, 2]], {}, rounds),
  sigmoidCrossEntropy: well(grad.sigmoidCrossEntropy, () => [tensor(2, 1), [0, 1]], {}, rounds),
  meanSquaredError: well(grad.meanSquaredError, () => [tensor(2, 1), [0, 1]], {}, rounds),
};
