import type { TreeFeature } from "@millwright/model";
import type { FeatureColumn } from "./table.ts";

/** How one column becomes bins: 0 where missing, 1 and on for what it holds. */
export type Binning =
  | {
      readonly kind: "number";
      /** Bins, the missing one included. */
      readonly bins: number;
      /** Ascending: bin b holds the numbers above `edges[b - 2]`, at most `edges[b - 1]`. */
      readonly edges: Float64Array;
    }
  | { readonly kind: "category"; readonly bins: number; readonly categories: readonly string[] };

/**
 * Cuts a column into at most `maxBins` bins, one of them for what is missing. Numbers: a bin for each where they are few enough, else bins of
 * rows as equal as ties allow, from all rows, with the cut halfway between neighbours. Categories: the most frequent, by name where
 * equally frequent; the rest count as missing.
 */
export const binningOf = (column: FeatureColumn, maxBins: number): Binning =>
  column.kind === "number" ? numberBinning(column.values, maxBins - 1) : categoryBinning(column.texts, maxBins - 1);

/** What the model keeps of a column. */
export const treeFeatureOf = (name: string, binning: Binning): TreeFeature =>
  binning.kind === "number" ? { name, kind: "number" } : { name, kind: "category", categories: binning.categories };

function numberBinning(values: Float64Array, most: number): Binning {
  const sorted = presentOf(values).sort();
  const distinct = countDistinct(sorted);
  const edges: number[] = [];
  let left = sorted.length;
  let inBin = 0;
  for (let from = 0; from < sorted.length && edges.length < most - 1;) {
    const value = sorted[from] as number;
    const to = afterEqual(sorted, from);
    if (to === sorted.length) break;
    inBin += to - from;
    const share = left / (most - edges.length);
    // Cut where the bin is full, and before a value that overfills it by more than it lacks now.
    const next = sorted[to] as number;
    const isFull = inBin >= share || inBin + (afterEqual(sorted, to) - to) - share > share - inBin;
    if (distinct <= most || isFull) {
      edges.push(between(value, next));
      left -= inBin;
      inBin = 0;
    }
    from = to;
  }
  return { kind: "number", bins: edges.length + 2, edges: Float64Array.from(edges) };
}

/** A copy without what is missing. */
function presentOf(values: Float64Array): Float64Array {
  const present = new Float64Array(values.length);
  let count = 0;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] as number;
    if (value === value) present[count++] = value;
  }
  return present.subarray(0, count);
}

function countDistinct(sorted: Float64Array): number {
  let count = 0;
  for (let from = 0; from < sorted.length; from += 1) if (sorted[from] !== sorted[from - 1]) count += 1;
  return count;
}

/** Where the run of equal values that begins at `from` ends. */
function afterEqual(sorted: Float64Array, from: number): number {
  const value = sorted[from];
  let to = from + 1;
  while (to < sorted.length && sorted[to] === value) to += 1;
  return to;
}

/** A finite number at or above `low` and below `high`. */
function between(low: number, high: number): number {
  const least = Math.max(low, -Number.MAX_VALUE);
  const middle = least / 2 + Math.min(high, Number.MAX_VALUE) / 2;
  return middle >= least && middle < high ? middle : least;
}

function categoryBinning(texts: readonly (string | undefined)[], most: number): Binning {
  const counts = new Map<string, number>();
  for (const text of texts) if (text !== undefined) counts.set(text, (counts.get(text) ?? 0) + 1);
  const categories = [...counts]
    .toSorted(([a, many], [b, others]) => others - many || (a < b ? -1 : 1))
    .slice(0, most)
    .map(([text]) => text);
  return { kind: "category", bins: categories.length + 1, categories };
}

/** Writes the bin of each row, four bytes apart from `lane` on. */
export function writeBins(column: FeatureColumn, binning: Binning, target: Uint8Array, lane: number): void {
  if (column.kind === "category") {
    const categories = binning.kind === "category" ? binning.categories : [];
    const bins = new Map(categories.map((text, index) => [text, index + 1]));
    column.texts.forEach((text, row) => {
      target[row * 4 + lane] = text === undefined ? 0 : (bins.get(text) ?? 0);
    });
    return;
  }
  if (binning.kind === "number") writeNumberBins(column.values, binning.edges, target, lane);
}

const cells = 1024;

/** Looks for each number's place among the edges of its own cell: cells are equally wide, and those of lower cells are lower. */
function writeNumberBins(values: Float64Array, edges: Float64Array, target: Uint8Array, lane: number): void {
  const least = edges[0] ?? 0;
  const width = ((edges.at(-1) ?? 0) - least) / cells;
  const perUnit = width > 0 && Number.isFinite(1 / width) ? 1 / width : 0;
  const cellOf = (value: number): number =>
    Math.max(0, Math.min(cells - 1, Math.floor((value - least) * perUnit) || 0));
  const firstEdges = new Int32Array(cells + 1).fill(edges.length);
  for (let edge = edges.length - 1, cell = cells - 1; cell >= 0; cell -= 1) {
    while (edge >= 0 && cellOf(edges[edge] as number) >= cell) edge -= 1;
    firstEdges[cell] = edge + 1;
  }
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] as number;
    if (value !== value) continue;
    const cell = cellOf(value);
    let low = firstEdges[cell] as number;
    let high = firstEdges[cell + 1] as number;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value > (edges[middle] as number)) low = middle + 1;
      else high = middle;
    }
    target[row * 4 + lane] = low + 1;
  }
}
