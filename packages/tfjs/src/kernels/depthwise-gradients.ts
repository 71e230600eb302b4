import type { backend_util } from "@tensorflow/tfjs-core";
import { reach } from "./conv2d-filter-gradient.ts";

/** Walks every pair of an input and an output position that a filter tap joins; positions count pixels, not channels. */
function forEachTap(
  geometry: backend_util.Conv2DInfo,
  visit: (tap: number, inputPixel: number, outputPixel: number) => void,
): void {
  const { batchSize, inHeight, inWidth, outHeight, outWidth, filterHeight, filterWidth, strideHeight, strideWidth } =
    geometry;
  const { dilationHeight, dilationWidth, padInfo } = geometry;
  for (let ky = 0; ky < filterHeight; ky += 1) {
    const offsetY = ky * dilationHeight - padInfo.top;
    const rows = reach(outHeight, inHeight, strideHeight, offsetY);
    for (let kx = 0; kx < filterWidth; kx += 1) {
      const offsetX = kx * dilationWidth - padInfo.left;
      const columns = reach(outWidth, inWidth, strideWidth, offsetX);
      for (let batch = 0; batch < batchSize; batch += 1) {
        for (let oy = rows.start; oy < rows.end; oy += 1) {
          const inRow = (batch * inHeight + oy * strideHeight + offsetY) * inWidth + offsetX;
          const outRow = (batch * outHeight + oy) * outWidth;
          for (let ox = columns.start; ox < columns.end; ox += 1) {
            visit(ky * filterWidth + kx, inRow + ox * strideWidth, outRow + ox);
          }
        }
      }
    }
  }
}

/**
 * Gradient of a depthwise convolution with respect to its filter.
 * @param x NHWC input. @param dy NHWC gradient of the output, whose channel `c·m + q` is filter `q` of input channel `c`.
 * @returns [filterHeight, filterWidth, inChannels, channelMultiplier].
 */
export function depthwiseFilterGradient(
  x: Float32Array,
  dy: Float32Array,
  geometry: backend_util.Conv2DInfo,
): Float32Array {
  const { filterHeight, filterWidth, inChannels, outChannels } = geometry;
  const multiplier = outChannels / inChannels;
  const sums = new Float64Array(filterHeight * filterWidth * outChannels);
  forEachTap(geometry, (tap, inputPixel, outputPixel) => {
    for (let channel = 0; channel < inChannels; channel += 1) {
      const value = x[inputPixel * inChannels + channel] as number;
      const from = outputPixel * outChannels + channel * multiplier;
      const to = tap * outChannels + channel * multiplier;
      for (let q = 0; q < multiplier; q += 1) sums[to + q]! += value * (dy[from + q] as number);
    }
  });
  return Float32Array.from(sums);
}

/**
 * Gradient of a depthwise convolution with respect to its input.
 * @param dy NHWC gradient of the output. @param filter [filterHeight, filterWidth, inChannels, channelMultiplier].
 * @returns NHWC, the input's shape.
 */
export function depthwiseInputGradient(
  dy: Float32Array,
  filter: Float32Array,
  geometry: backend_util.Conv2DInfo,
): Float32Array {
  const { batchSize, inHeight, inWidth, inChannels, outChannels } = geometry;
  const multiplier = outChannels / inChannels;
  const gradient = new Float64Array(batchSize * inHeight * inWidth * inChannels);
  forEachTap(geometry, (tap, inputPixel, outputPixel) => {
    for (let channel = 0; channel < inChannels; channel += 1) {
      const from = outputPixel * outChannels + channel * multiplier;
      const weights = tap * outChannels + channel * multiplier;
      let sum = 0;
      for (let q = 0; q < multiplier; q += 1) sum += (dy[from + q] as number) * (filter[weights + q] as number);
      gradient[inputPixel * inChannels + channel]! += sum;
    }
  });
  return Float32Array.from(gradient);
}
