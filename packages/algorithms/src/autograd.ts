export { activate } from "./autograd/activations.ts";
export { add, concatenate, dense, dropout, multiply, multiplyMatrices, reshape, slice } from "./autograd/basic-ops.ts";
export {
  type ConvolutionOptions,
  type WindowOptions,
  averagePool2d,
  convolve1d,
  convolve2d,
  maxPool2d,
} from "./autograd/convolution.ts";
export { meanSquaredError, sigmoidCrossEntropy, softmaxCrossEntropy } from "./autograd/losses.ts";
export { batchNormalize, layerNormalize } from "./autograd/normalize.ts";
export { embed, gru, lstm, simpleRnn } from "./autograd/sequence.ts";
export { type Variable, backward, constant, variable } from "./autograd/variable.ts";
