/**
 * Sums the rows of each segment: the gradient of a gather, so of an embedding.
 * @param x [rows, width]. @param segmentIds One segment a row; rows of negative segments are left out.
 * @returns [segments, width], in the type of `x`.
 */
export function unsortedSegmentSum<Values extends Float32Array | Int32Array>(
  x: Values,
  segmentIds: Int32Array,
  segments: number,
): Values {
  const width = segmentIds.length === 0 ? 0 : x.length / segmentIds.length;
  const sums = new Float64Array(segments * width);
  for (let row = 0; row < segmentIds.length; row += 1) {
    const segment = segmentIds[row] as number;
    if (segment < 0 || segment >= segments) continue;
    for (let column = 0; column < width; column += 1)
      sums[segment * width + column]! += x[row * width + column] as number;
  }
  return (x instanceof Int32Array ? Int32Array.from(sums) : Float32Array.from(sums)) as Values;
}
