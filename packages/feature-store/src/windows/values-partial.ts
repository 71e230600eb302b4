import {
  addNumbersToDistinct,
  addTextToDistinct,
  createQuantileSketcher,
  emptyDistinct,
  mergeDistinct,
  type DistinctSketch,
  type QuantileSketch,
  type QuantileSketcher,
} from "@millwright/data";
import type { PartialKind, PartialText } from "./partial.ts";
import type { WindowValue } from "./value-column.ts";

/** How often each value occurs. */
export type ValueCounts = Map<WindowValue, number>;

/** Every value, with how often it occurs: exact, at the price of as much memory as there are distinct values in a tile. */
export const valuesPartial: PartialKind<ValueCounts> = {
  empty: () => new Map(),
  update(counts, value) {
    counts.set(value, (counts.get(value) ?? 0) + 1);
    return counts;
  },
  merge(states) {
    const all: ValueCounts = new Map();
    for (const state of states) for (const [value, times] of state) all.set(value, (all.get(value) ?? 0) + times);
    return all;
  },
  encode: (counts): PartialText => [...counts].map(([value, times]) => [value, times]),
  decode: (text) => new Map(text as unknown as readonly (readonly [WindowValue, number])[]),
};

/**
 * The position, counted from 1, of the value at which the share of values is reached. The product of a share and a count may miss a whole number by
 * its rounding: what is that close to one counts as it.
 */
export const rankOfShare = (share: number, count: number): number => Math.max(1, Math.ceil(share * count - 1e-9));

/** The smallest value that at least this share of all do not exceed; NaN without values. */
export function quantileOfCounts(counts: ValueCounts, share: number): number {
  let total = 0;
  for (const times of counts.values()) total += times;
  let left = rankOfShare(share, total);
  // Typed arrays sort numbers without a call for each pair.
  for (const value of Float64Array.from(counts.keys() as Iterable<number>).sort()) {
    left -= counts.get(value)!;
    if (left <= 0) return value;
  }
  return Number.NaN;
}

/** How many distinct values there are, by HyperLogLog. */
export const distinctSketchPartial: PartialKind<DistinctSketch> = {
  empty: emptyDistinct,
  update(sketch, value) {
    if (typeof value === "string") addTextToDistinct(sketch, value);
    else addNumbersToDistinct(sketch, Float64Array.of(value), 1);
    return sketch;
  },
  merge: (states) => mergeDistinct(emptyDistinct(), ...states),
  encode: (sketch) => Buffer.from(sketch).toString("base64"),
  decode: (text) => new Uint8Array(Buffer.from(text as string, "base64")),
};

/** A sketch that takes values, and what it was when it was last looked at. */
export interface QuantileState {
  readonly sketcher: QuantileSketcher;
  sketch: QuantileSketch | undefined;
}

/** Quantiles by bucketed floats. */
export const quantileSketchPartial: PartialKind<QuantileState> = {
  empty: () => ({ sketcher: createQuantileSketcher(), sketch: undefined }),
  update(state, value) {
    state.sketcher.addAll(Float64Array.of(value as number));
    state.sketch = undefined;
    return state;
  },
  merge(states) {
    const sketcher = createQuantileSketcher();
    for (const state of states) sketcher.addSketch(sketchOf(state));
    return { sketcher, sketch: undefined };
  },
  encode(state): PartialText {
    const { shift, keys, counts } = sketchOf(state);
    return [shift, [...keys], [...counts]];
  },
  decode(text) {
    const [shift, keys, counts] = text as readonly [number, readonly number[], readonly number[]];
    const sketcher = createQuantileSketcher();
    const { maxBuckets } = sketcher.sketch();
    const count = counts.reduce((all, each) => all + each, 0);
    sketcher.addSketch({ maxBuckets, shift, keys: Int32Array.from(keys), counts: Float64Array.from(counts), count });
    return { sketcher, sketch: undefined };
  },
};

export const sketchOf = (state: QuantileState): QuantileSketch => (state.sketch ??= state.sketcher.sketch());
