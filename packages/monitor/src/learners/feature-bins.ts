import type { Feature } from "../features/feature-table.ts";

/** A feature's values as small numbers: bins of numbers by order, positions of categories; the last bin is that of missing values. */
export interface FeatureBins {
  readonly feature: Feature;
  /** For numbers: bin b holds the values above `edges[b − 1]`, up to and with `edges[b]`. */
  readonly edges: Float64Array;
  /** Bins without that of missing values. */
  readonly count: number;
  readonly bins: Uint16Array;
}

/** Bins of about equal shares, never more than `most`, with edges between distinct values. */
export function binsOf(feature: Feature, values: Float64Array, most: number): FeatureBins {
  if (feature.kind === "category") {
    const count = Math.min(feature.categories.length, most);
    const bins = Uint16Array.from(values, (value) => (value < count ? value : count));
    return { feature, edges: new Float64Array(0), count, bins };
  }
  const edges = edgesOf(values, most);
  const count = edges.length + 1;
  const bins = Uint16Array.from(values, (value) => (value === value ? binOf(edges, value) : count));
  return { feature, edges, count, bins };
}

/** At most `most − 1` edges, rising, each halfway between two distinct values. */
export function edgesOf(values: Float64Array, most: number): Float64Array {
  const sorted = values.filter((value) => Number.isFinite(value)).sort();
  const edges: number[] = [];
  for (let bin = 1; bin < most; bin += 1) {
    let at = Math.floor((bin * sorted.length) / most);
    // To the next place where the value changes.
    while (at > 0 && at < sorted.length && sorted[at] === sorted[at - 1]) at += 1;
    if (at === 0 || at >= sorted.length) continue;
    const [low, high] = [sorted[at - 1]!, sorted[at]!];
    const middle = low + (high - low) / 2;
    const edge = middle < high ? middle : low;
    if (edges.length === 0 || edge > edges.at(-1)!) edges.push(edge);
  }
  return Float64Array.from(edges);
}

/** How many edges are below the value. */
export function binOf(edges: Float64Array, value: number): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= edges[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}
