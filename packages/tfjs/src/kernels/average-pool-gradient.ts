import type { backend_util } from "@tensorflow/tfjs-core";
import { reach } from "./conv2d-filter-gradient.ts";

/**
 * Gradient of 2-D average pooling. Where the window reaches into the padding, the average is over the pixels inside alone, so
 * `dy` is shared among those; TensorFlow.js's own kernels share it among the whole window and are wrong at the borders.
 * @param dy NHWC gradient of the output.
 * @returns NHWC, the input's shape.
 */
export function averagePoolGradient(dy: Float32Array, geometry: backend_util.Conv2DInfo): Float32Array {
  const { batchSize, inHeight, inWidth, outHeight, outWidth, inChannels: channels, padInfo } = geometry;
  const gradient = new Float64Array(batchSize * inHeight * inWidth * channels);
  const rows = windows(
    outHeight,
    inHeight,
    geometry.strideHeight,
    geometry.dilationHeight,
    geometry.filterHeight,
    padInfo.top,
  );
  const columns = windows(
    outWidth,
    inWidth,
    geometry.strideWidth,
    geometry.dilationWidth,
    geometry.filterWidth,
    padInfo.left,
  );
  for (let batch = 0; batch < batchSize; batch += 1) {
    rows.forEach((ys, oy) => {
      columns.forEach((xs, ox) => {
        const from = ((batch * outHeight + oy) * outWidth + ox) * channels;
        const share = 1 / (ys.length * xs.length);
        for (const y of ys) {
          for (const x of xs) {
            const to = ((batch * inHeight + y) * inWidth + x) * channels;
            for (let channel = 0; channel < channels; channel += 1)
              gradient[to + channel]! += (dy[from + channel] as number) * share;
          }
        }
      });
    });
  }
  return Float32Array.from(gradient);
}

/** For each output position along one axis, the input positions in its window that are not padding. */
function windows(
  outputs: number,
  inputs: number,
  stride: number,
  dilation: number,
  size: number,
  before: number,
): number[][] {
  const taken: number[][] = Array.from({ length: outputs }, () => []);
  for (let tap = 0; tap < size; tap += 1) {
    const offset = tap * dilation - before;
    const { start, end } = reach(outputs, inputs, stride, offset);
    for (let output = start; output < end; output += 1) taken[output]?.push(output * stride + offset);
  }
  return taken;
}
