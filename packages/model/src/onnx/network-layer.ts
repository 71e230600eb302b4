import type { Activation } from "../activation.ts";

/** Sizes along the spatial axes, one for a series and two for an image. */
export type Sizes = readonly number[];

export interface ConvolutionLayer {
  readonly kind: "convolution";
  /** Row-major of the shape `kernelShape`: spatial sizes, input channels, output channels; with `depthwise` the last is outputs per input channel. */
  readonly kernel: ArrayLike<number>;
  readonly kernelShape: Sizes;
  readonly depthwise: boolean;
  readonly bias: ArrayLike<number>;
  readonly strides: Sizes;
  readonly dilations: Sizes;
  readonly padding: "same" | "valid";
}

export interface PoolLayer {
  readonly kind: "pool";
  readonly pool: "max" | "average";
  readonly sizes: Sizes;
  readonly strides: Sizes;
  readonly padding: "same" | "valid";
}

/**
 * A layer of a chain whose rows have channels last, as TensorFlow.js has them. Activations and batch normalization are layers of their own.
 * `scale`: y = x · scale + shift, by channel. `leakyRelu`: x above 0, else slope · x.
 */
export type NetworkLayer =
  | ConvolutionLayer
  | PoolLayer
  | { readonly kind: "dense"; readonly kernel: ArrayLike<number>; readonly bias: ArrayLike<number> }
  | { readonly kind: "globalPool"; readonly pool: "max" | "average" }
  | { readonly kind: "scale"; readonly scale: ArrayLike<number>; readonly shift: ArrayLike<number> }
  | { readonly kind: "reshape"; readonly shape: Sizes }
  | { readonly kind: "flatten" }
  | { readonly kind: "leakyRelu"; readonly slope: number }
  /** Of the tensor with its rows, the first of which is 0; −1 is the last. */
  | { readonly kind: "softmax"; readonly axis: number }
  | { readonly kind: "activation"; readonly activation: Activation };

/** A chain of layers, and the shape of one row of its input. */
export interface Network {
  readonly inputShape: Sizes;
  readonly layers: readonly NetworkLayer[];
}
