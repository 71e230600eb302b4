import type { backend_util } from "@tensorflow/tfjs-core";
import { reach } from "./conv2d-filter-gradient.ts";

/**
 * Where the windows of a pooling lie: per axis (depth, height, width), for each output position, the input positions in its window that are
 * not padding. Channels last; 2-D pooling has a depth of one.
 */
export interface PoolWindows {
  readonly batch: number;
  readonly channels: number;
  readonly inputs: readonly [number, number, number];
  readonly taken: readonly [readonly Int32Array[], readonly Int32Array[], readonly Int32Array[]];
}

export function windows2d(geometry: backend_util.Conv2DInfo): PoolWindows {
  const { batchSize, inHeight, inWidth, outHeight, outWidth, inChannels, padInfo } = geometry;
  const { strideHeight, strideWidth, dilationHeight, dilationWidth, filterHeight, filterWidth } = geometry;
  return {
    batch: batchSize,
    channels: inChannels,
    inputs: [1, inHeight, inWidth],
    taken: [
      [Int32Array.of(0)],
      along(outHeight, inHeight, strideHeight, dilationHeight, filterHeight, padInfo.top),
      along(outWidth, inWidth, strideWidth, dilationWidth, filterWidth, padInfo.left),
    ],
  };
}

export function windows3d(geometry: backend_util.Conv3DInfo): PoolWindows {
  const { batchSize, inDepth, inHeight, inWidth, outDepth, outHeight, outWidth, inChannels, padInfo } = geometry;
  const { strideDepth, strideHeight, strideWidth, dilationDepth, dilationHeight, dilationWidth } = geometry;
  const { filterDepth, filterHeight, filterWidth } = geometry;
  return {
    batch: batchSize,
    channels: inChannels,
    inputs: [inDepth, inHeight, inWidth],
    taken: [
      along(outDepth, inDepth, strideDepth, dilationDepth, filterDepth, padInfo.front),
      along(outHeight, inHeight, strideHeight, dilationHeight, filterHeight, padInfo.top),
      along(outWidth, inWidth, strideWidth, dilationWidth, filterWidth, padInfo.left),
    ],
  };
}

function along(
  outputs: number,
  inputs: number,
  stride: number,
  dilation: number,
  size: number,
  before: number,
): Int32Array[] {
  const taken: number[][] = Array.from({ length: outputs }, () => []);
  for (let tap = 0; tap < size; tap += 1) {
    const offset = tap * dilation - before;
    const { start, end } = reach(outputs, inputs, stride, offset);
    for (let output = start; output < end; output += 1) taken[output]?.push(output * stride + offset);
  }
  return taken.map((positions) => Int32Array.from(positions));
}

/**
 * Calls `visit` for every window, with the offsets of its pixels' first channels in the input (the first `count` of `pixels`, in the order
 * depth, height, width) and that of its first channel in the output.
 */
function forEachWindow(
  { batch, channels, inputs, taken }: PoolWindows,
  visit: (pixels: Int32Array, count: number, output: number) => void,
): void {
  const [depth, height, width] = inputs;
  const largest = taken.map((axis) => Math.max(...axis.map(({ length }) => length)));
  const pixels = new Int32Array(largest.reduce((product, size) => product * size, 1));
  let output = 0;
  for (let image = 0; image < batch; image += 1) {
    for (const zs of taken[0]) {
      for (const ys of taken[1]) {
        for (const xs of taken[2]) {
          let count = 0;
          for (const z of zs) {
            for (const y of ys) {
              const line = ((image * depth + z) * height + y) * width;
              for (let at = 0; at < xs.length; at += 1) pixels[count++] = (line + (xs[at] as number)) * channels;
            }
          }
          visit(pixels, count, output);
          output += channels;
        }
      }
    }
  }
}

const sizeOf = ({ batch, channels, inputs }: PoolWindows): number =>
  inputs.reduce((size, length) => size * length, batch * channels);

/**
 * Gradient of average pooling. Where the window reaches into the padding, the average is over the pixels inside alone, so `dy` is shared
 * among those; TensorFlow.js's own kernels share it among the whole window and are wrong at the borders.
 * @param dy Gradient of the output, channels last.
 * @returns the input's shape.
 */
export function averagePoolGradient(dy: Float32Array, windows: PoolWindows): Float32Array {
  const { channels } = windows;
  const gradient = new Float32Array(sizeOf(windows));
  forEachWindow(windows, (pixels, count, output) => {
    for (let channel = 0; channel < channels; channel += 1) {
      const share = (dy[output + channel] as number) / count;
      for (let at = 0; at < count; at += 1) gradient[(pixels[at] as number) + channel]! += share;
    }
  });
  return gradient;
}

/**
 * Gradient of maximum pooling: each window's gradient goes to its largest pixel, the first of equal ones. The WASM backend's own kernel
 * is wrong where windows overlap.
 * @param x The input, channels last. @param dy Gradient of the output.
 * @returns the input's shape.
 */
export function maxPoolGradient(x: Float32Array, dy: Float32Array, windows: PoolWindows): Float32Array {
  const { channels } = windows;
  const gradient = new Float32Array(sizeOf(windows));
  forEachWindow(windows, (pixels, count, output) => {
    for (let channel = 0; channel < channels; channel += 1) {
      let best = (pixels[0] as number) + channel;
      for (let at = 1; at < count; at += 1) {
        const pixel = (pixels[at] as number) + channel;
        if ((x[pixel] as number) > (x[best] as number)) best = pixel;
      }
      gradient[best]! += dy[output + channel] as number;
    }
  });
  return gradient;
}
