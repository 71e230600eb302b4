export interface NearestResize {
  /** [batch, height, width, channels] of the images before. */
  readonly from: readonly [number, number, number, number];
  /** Height and width after. */
  readonly to: readonly [number, number];
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/**
 * Gradient of nearest-neighbour resizing (UpSampling2D): every pixel's gradient goes back to the pixel it was copied from.
 * TensorFlow.js's JavaScript kernel takes it from the wrong image for batches of two and more.
 * @param dy NHWC gradient of the resized images.
 * @returns NHWC, the shape of the images before.
 */
export function resizeNearestGradient(
  dy: Float32Array,
  { from, to, alignCorners, halfPixelCenters }: NearestResize,
): Float32Array {
  const [batch, height, width, channels] = from;
  const [newHeight, newWidth] = to;
  const rows = sources(height, newHeight, alignCorners, halfPixelCenters);
  const columns = sources(width, newWidth, alignCorners, halfPixelCenters);
  const gradient = new Float64Array(batch * height * width * channels);
  let at = 0;
  for (let image = 0; image < batch; image += 1) {
    for (const row of rows) {
      for (const column of columns) {
        const target = ((image * height + row) * width + column) * channels;
        for (let channel = 0; channel < channels; channel += 1, at += 1)
          gradient[target + channel]! += dy[at] as number;
      }
    }
  }
  return Float32Array.from(gradient);
}

/** For each new position along one axis, the old position it is copied from, by the forward kernel's own rule. */
function sources(before: number, after: number, alignCorners: boolean, halfPixelCenters: boolean): Int32Array {
  const corners = alignCorners && after > 1;
  const ratio = corners ? (before - 1) / (after - 1) : before / after;
  return Int32Array.from({ length: after }, (_, position) => {
    const exact = ratio * (halfPixelCenters ? position + 0.5 : position);
    const nearest = alignCorners ? Math.round(exact) : Math.floor(exact);
    return Math.max(0, Math.min(before - 1, nearest));
  });
}
