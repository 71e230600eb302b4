import type { Attribute, Tensor } from "@tensorflow/tfjs-core";
import type { TensorFlow } from "./tensorflow.ts";

type Shape5 = [number, number, number, number, number];

/**
 * Gives transposed 3-D convolutions (`conv3dTranspose`) the gradient that TensorFlow.js leaves out. Such a convolution is the gradient of a plain one by its
 * input, so its own gradients are the plain convolution itself and the plain one's gradient by its filter.
 */
export function addConv3dTransposeGradient(tf: TensorFlow): void {
  if (tf.getGradient("Conv3DBackpropInputV2") != null) return;
  tf.registerGradient({
    kernelName: "Conv3DBackpropInputV2",
    inputsToSave: ["dy", "filter"],
    gradFunc: (gradient, saved, attrs) => {
      const upstream = gradient as Tensor;
      const [x, filter] = saved as [Tensor, Tensor];
      const { strides, pad } = attrs as unknown as {
        strides: [number, number, number] | number;
        pad: "same" | "valid";
      };
      return {
        dy: () =>
          tf.conv3d(
            upstream as Parameters<typeof tf.conv3d>[0],
            filter as Parameters<typeof tf.conv3d>[1],
            strides,
            pad,
          ),
        filter: () =>
          tf
            .engine()
            .runKernel(
              "Conv3DBackpropFilterV2",
              { x: upstream, dy: x },
              { strides: strides as Attribute as number[], pad, filterShape: filter.shape as Shape5 },
            ) as Tensor,
      };
    },
  });
}
