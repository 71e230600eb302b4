/** Sums by bin of all columns, one column's bins after another's. */
export interface Histogram {
  /** Gradient and Hessian in turns. */
  readonly sums: Float64Array;
  readonly counts: Int32Array;
  /** Views of each column's part: made once, since views are dear beside small nodes. */
  readonly parts: readonly { readonly sums: Float64Array; readonly counts: Int32Array }[];
}

/** A table in bins. */
export interface BinnedRows {
  readonly rows: number;
  /** One array a column. */
  readonly bins: readonly Uint8Array[];
  /** Where each column's bins begin in a histogram; and, last, how many there are. */
  readonly offsets: Int32Array;
}

/** What a tree is grown from. */
export interface Gradients {
  readonly gradient: Float64Array;
  /** Absent where each row's is 1: the sum is the count then. */
  readonly hessian: Float64Array | undefined;
}

/** Keeps histograms that were given back, since making one is dear. */
export interface HistogramPool {
  /** Zeroed. */
  take(): Histogram;
  give(histogram: Histogram): void;
}

/** @param offsets As those of the table. */
export function createHistogramPool(offsets: Int32Array): HistogramPool {
  const free: Histogram[] = [];
  return {
    take() {
      const held = free.pop();
      if (held === undefined) return makeHistogram(offsets);
      held.sums.fill(0);
      held.counts.fill(0);
      return held;
    },
    give: (histogram) => void free.push(histogram),
  };
}

function makeHistogram(offsets: Int32Array): Histogram {
  const bins = offsets[offsets.length - 1] as number;
  const sums = new Float64Array(bins * 2);
  const counts = new Int32Array(bins);
  const parts = Array.from({ length: offsets.length - 1 }, (_, column) => {
    const [from, to] = [offsets[column] as number, offsets[column + 1] as number];
    return { sums: sums.subarray(from * 2, to * 2), counts: counts.subarray(from, to) };
  });
  return { sums, counts, parts };
}

/** Rows of a node: `order[start .. end)`, with their gradients at the same places of `ordered`. */
export interface NodeRows {
  readonly order: Int32Array;
  readonly start: number;
  readonly end: number;
  readonly ordered: { readonly gradient: Float64Array; readonly hessian: Float64Array };
}

/** Puts the gradients of a node's rows side by side, so that a pass over a column reads them in order. */
export function orderGradients({ order, start, end, ordered }: NodeRows, { gradient, hessian }: Gradients): void {
  const target = ordered.gradient;
  for (let place = start; place < end; place += 1) target[place] = gradient[order[place] as number] as number;
  if (hessian === undefined) return;
  const curved = ordered.hessian;
  for (let place = start; place < end; place += 1) curved[place] = hessian[order[place] as number] as number;
}

/** One column's bins, and its part of a histogram. */
interface ColumnSums {
  readonly bins: Uint8Array;
  readonly sums: Float64Array;
  readonly counts: Int32Array;
}

/** Adds the node's rows to the histogram, for these columns. */
export function fillHistogram(
  histogram: Histogram,
  table: BinnedRows,
  columns: Int32Array,
  node: NodeRows,
  isCurved: boolean,
): void {
  const parts = Array.from(columns, (column): ColumnSums => {
    const { sums, counts } = histogram.parts[column]!;
    return { bins: table.bins[column] as Uint8Array, sums, counts };
  });
  if (!isCurved) {
    for (const part of parts) addPlain(part.sums, part.counts, part.bins, node);
    return;
  }
  for (let at = 0; at < parts.length; at += 2) {
    const [one, other] = [parts[at] as ColumnSums, parts[at + 1]];
    if (other === undefined) addCurved(one, node);
    else addCurvedPair(one, other, node);
  }
}

function addCurved({ sums, counts, bins }: ColumnSums, node: NodeRows): void {
  const { order, start, end } = node;
  const { gradient, hessian } = node.ordered;
  for (let place = start; place < end; place += 1) {
    const bin = bins[order[place]!]!;
    sums[bin * 2]! += gradient[place]!;
    sums[bin * 2 + 1]! += hessian[place]!;
    counts[bin]! += 1;
  }
}

/** As `addCurved` for two columns in one pass, which reads rows and gradients once for both. */
function addCurvedPair(one: ColumnSums, other: ColumnSums, node: NodeRows): void {
  const { order, start, end } = node;
  const { gradient, hessian } = node.ordered;
  const { bins: binsA, sums: sumsA, counts: countsA } = one;
  const { bins: binsB, sums: sumsB, counts: countsB } = other;
  for (let place = start; place < end; place += 1) {
    const row = order[place]!;
    const g = gradient[place]!;
    const h = hessian[place]!;
    const a = binsA[row]!;
    const b = binsB[row]!;
    sumsA[a * 2]! += g;
    sumsA[a * 2 + 1]! += h;
    countsA[a]! += 1;
    sumsB[b * 2]! += g;
    sumsB[b * 2 + 1]! += h;
    countsB[b]! += 1;
  }
}

function addPlain(sums: Float64Array, counts: Int32Array, bins: Uint8Array, node: NodeRows): void {
  const { order, start, end } = node;
  const { gradient } = node.ordered;
  for (let place = start; place < end; place += 1) {
    const bin = bins[order[place]!]!;
    sums[bin * 2]! += gradient[place]!;
    counts[bin]! += 1;
  }
  for (let bin = 0; bin < counts.length; bin += 1) sums[bin * 2 + 1] = counts[bin]!;
}

/** Takes one child from its parent, in place: what is left is the other child. */
export function subtractHistogram(parent: Histogram, child: Histogram): void {
  const { sums, counts } = parent;
  for (let at = 0; at < sums.length; at += 1) sums[at]! -= child.sums[at]!;
  for (let at = 0; at < counts.length; at += 1) counts[at]! -= child.counts[at]!;
}
