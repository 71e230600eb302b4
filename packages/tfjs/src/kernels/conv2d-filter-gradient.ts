import type { backend_util } from "@tensorflow/tfjs-core";

/** Positions of the output, from `start` to before `end`, at which a filter tap lies within the input rather than in the padding. */
export function reach(
  outputs: number,
  inputs: number,
  stride: number,
  offset: number,
): { readonly start: number; readonly end: number } {
  // Tap at input position `output · stride + offset`, which must be in [0, inputs).
  return {
    start: Math.max(0, Math.ceil(-offset / stride)),
    end: Math.min(outputs, Math.ceil((inputs - offset) / stride)),
  };
}

/**
 * Gradient of a 2-D convolution with respect to its filter: dW[ky, kx, c, o] = Σ x[b, oy·s + ky − top, ox·s + kx − left, c] · dy[b, oy, ox, o].
 * Sums in double precision, as TensorFlow.js's own JavaScript kernel does.
 * @param x NHWC input. @param dy NHWC gradient of the output.
 * @returns the filter's gradient, [filterHeight, filterWidth, inChannels, outChannels].
 */
export function conv2dFilterGradient(
  x: Float32Array,
  dy: Float32Array,
  geometry: backend_util.Conv2DInfo,
): Float32Array {
  const { filterHeight, filterWidth, inChannels, outChannels, dilationHeight, dilationWidth, padInfo } = geometry;
  const gradient = new Float32Array(filterHeight * filterWidth * inChannels * outChannels);
  const sums = new Float64Array(inChannels * outChannels);
  for (let ky = 0; ky < filterHeight; ky += 1) {
    for (let kx = 0; kx < filterWidth; kx += 1) {
      sums.fill(0);
      addTap(sums, x, dy, geometry, ky * dilationHeight - padInfo.top, kx * dilationWidth - padInfo.left);
      gradient.set(sums, (ky * filterWidth + kx) * inChannels * outChannels);
    }
  }
  return gradient;
}

/** Adds x ⊗ dy over all positions of one filter tap. `sums` is [inChannels, outChannels]. */
function addTap(
  sums: Float64Array,
  x: Float32Array,
  dy: Float32Array,
  geometry: backend_util.Conv2DInfo,
  offsetY: number,
  offsetX: number,
): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, strideHeight, strideWidth } =
    geometry;
  const rows = reach(outHeight, inHeight, strideHeight, offsetY);
  const columns = reach(outWidth, inWidth, strideWidth, offsetX);
  for (let batch = 0; batch < batchSize; batch += 1) {
    for (let oy = rows.start; oy < rows.end; oy += 1) {
      const inRow = (batch * inHeight + oy * strideHeight + offsetY) * inWidth;
      const outRow = (batch * outHeight + oy) * outWidth;
      for (let ox = columns.start; ox < columns.end; ox += 1) {
        const from = (inRow + ox * strideWidth + offsetX) * inChannels;
        const to = (outRow + ox) * outChannels;
        for (let channel = 0; channel < inChannels; channel += 1) {
          const value = x[from + channel] as number;
          // After a ReLU about half of the inputs are zero.
          if (value === 0) continue;
          const sum = channel * outChannels;
          for (let out = 0; out < outChannels; out += 1) sums[sum + out]! += value * (dy[to + out] as number);
        }
      }
    }
  }
}
