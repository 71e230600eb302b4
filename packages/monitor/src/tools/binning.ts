import { momentsOf } from "../statistics/samples.ts";

/** Edges of bins of equal width by Doane's formula (1976), as NumPy chooses them: n + 1 edges from the smallest value to the largest. `sorted` holds at least one value. */
export function doaneEdges(sorted: Float64Array): Float64Array {
  const [low, high] = [sorted[0] as number, sorted.at(-1) as number];
  const width = doaneWidth(sorted);
  return equalEdges(low, high, width > 0 ? Math.max(1, Math.ceil((high - low) / width)) : 1);
}

function doaneWidth(sorted: Float64Array): number {
  const n = sorted.length;
  const { mean, variance } = momentsOf(sorted);
  const deviation = Math.sqrt(variance);
  if (n <= 2 || deviation === 0) return 0;
  const error = Math.sqrt((6 * (n - 2)) / ((n + 1) * (n + 3)));
  let cubes = 0;
  for (const value of sorted) cubes += ((value - mean) / deviation) ** 3;
  const skewness = Math.abs(cubes / n);
  return ((sorted.at(-1) as number) - (sorted[0] as number)) / (1 + Math.log2(n) + Math.log2(1 + skewness / error));
}

/** `count` bins of equal width; one value becomes the middle of a bin of width 1. */
export function equalEdges(low: number, high: number, count: number): Float64Array {
  const [first, last] = low === high ? [low - 0.5, high + 0.5] : [low, high];
  const step = (last - first) / count;
  const edges = Float64Array.from({ length: count + 1 }, (_, index) => first + index * step);
  edges[count] = last;
  return edges;
}

/** How many values each bin holds: from its edge up to below the next one, the last with both. Values outside are in none. */
export function histogram(values: Float64Array, edges: Float64Array): Float64Array {
  const bins = edges.length - 1;
  const counts = new Float64Array(bins);
  const [first, last] = [edges[0] as number, edges[bins] as number];
  for (const value of values) {
    if (!(value >= first && value <= last)) continue;
    let [low, high] = [0, bins];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (value >= (edges[middle] as number)) low = middle;
      else high = middle;
    }
    counts[low] = (counts[low] as number) + 1;
  }
  return counts;
}
