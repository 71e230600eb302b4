import type { BinnedRows, Histogram, HistogramPart } from "./tree-histogram.ts";
import type { TreeMemory } from "./tree-memory.ts";
import type { TreeRoutines } from "./tree-assembly.ts";

/** Rows of a node: `order[start .. end)`, with their gradients at the same places of `ordered`. */
export interface NodeRows {
  readonly order: Int32Array;
  readonly start: number;
  readonly end: number;
  /** Gradient and Hessian in turns. */
  readonly ordered: Float64Array;
}

/** Where a column is looked through for the best place to split. */
export interface ScanRange {
  /** The first bin, and the one after the last. */
  readonly from: number;
  readonly to: number;
  /** What is on the left before the first. */
  readonly gradient: number;
  readonly hessian: number;
  readonly rows: number;
}

/** What both sides of a split must have. */
export interface ScanNode {
  readonly gradient: number;
  readonly hessian: number;
  readonly rows: number;
  readonly l2: number;
  readonly minRows: number;
  readonly minHessian: number;
}

/** The loops that a fit spends its time in. Both kinds do the same additions in the same order, and give the same bits. */
export interface TreeKernel {
  /** Puts the gradients of a node's rows side by side, so that a pass over columns reads them in order. `pairs` holds gradient and Hessian in turns. */
  gather(pairs: Float64Array, node: NodeRows): void;
  /** Adds the node's rows to the histogram, for these columns, ascending. */
  fill(histogram: Histogram, table: BinnedRows, columns: Int32Array, node: NodeRows): void;
  /** Takes one child from its parent, in place: what is left is the other child. */
  subtract(parent: Histogram, child: Histogram): void;
  /** Puts the rows that go left first, each side in the order it had. @returns where the right side begins. */
  part(table: BinnedRows, column: number, isLeft: Uint8Array, rows: Omit<NodeRows, "ordered">): number;
  /** Looks for a score above `best`. @returns the last bin on the left, 0 where there is none; `found` then has the left side's gradient, Hessian, the score, and rows. */
  scan(part: HistogramPart, range: ScanRange, node: ScanNode, best: number): number;
  readonly found: Float64Array;
}

/** Threads that share the passes over columns. */
export interface FillTeam {
  /** Rows times columns from which on it is worth waking them. */
  readonly leastCells: number;
  fill(plan: FillPlan): void;
}

/** @param rows As many as a node can have. */
export function createTreeKernel(memory: TreeMemory, rows: number, team?: FillTeam): TreeKernel {
  const spare = memory.integers(rows);
  const { shared } = memory;
  return shared === undefined
    ? plainKernel(spare)
    : assembledKernel(shared.routines, spare.byteOffset, memory.doubles(4), memory.bytes(256), team);
}

function plainKernel(spare: Int32Array): TreeKernel {
  const found = new Float64Array(4);
  return {
    found,
    gather(pairs, { order, start, end, ordered }) {
      for (let place = start; place < end; place += 1) {
        const row = order[place]!;
        ordered[place * 2] = pairs[row * 2]!;
        ordered[place * 2 + 1] = pairs[row * 2 + 1]!;
      }
    },
    fill(histogram, table, columns, node) {
      for (const column of columns) addColumn(histogram.parts[column]!, table.bins[column >> 2]!, column & 3, node);
    },
    subtract(parent, child) {
      for (let at = 0; at < parent.sums.length; at += 1) parent.sums[at]! -= child.sums[at]!;
      for (let at = 0; at < parent.counts.length; at += 1) parent.counts[at]! -= child.counts[at]!;
    },
    part: (table, column, isLeft, rows) => partRows(table.bins[column >> 2]!, column & 3, isLeft, rows, spare),
    scan: (part, range, node, best) => scanBins(part, range, node, best, found),
  };
}

function addColumn({ sums, counts }: HistogramPart, bins: Uint8Array, lane: number, node: NodeRows): void {
  const { order, start, end, ordered } = node;
  for (let place = start; place < end; place += 1) {
    const bin = bins[order[place]! * 4 + lane]!;
    sums[bin * 2]! += ordered[place * 2]!;
    sums[bin * 2 + 1]! += ordered[place * 2 + 1]!;
    counts[bin]! += 1;
  }
}

function partRows(
  bins: Uint8Array,
  lane: number,
  isLeft: Uint8Array,
  { order, start, end }: Omit<NodeRows, "ordered">,
  spare: Int32Array,
): number {
  let left = start;
  let right = 0;
  for (let place = start; place < end; place += 1) {
    const row = order[place]!;
    // Both sides are written and one counts: no branch, which half of the rows would surprise.
    const goesLeft = isLeft[bins[row * 4 + lane]!]!;
    order[left] = row;
    spare[right] = row;
    left += goesLeft;
    right += 1 - goesLeft;
  }
  order.set(spare.subarray(0, right), left);
  return left;
}

function scanBins(
  { sums, counts }: HistogramPart,
  { from, to, ...start }: ScanRange,
  node: ScanNode,
  atLeast: number,
  found: Float64Array,
): number {
  const { l2, minRows, minHessian } = node;
  let { gradient, hessian, rows } = start;
  let best = atLeast;
  let bin = 0;
  for (let at = from; at < to; at += 1) {
    gradient += sums[at * 2]!;
    hessian += sums[at * 2 + 1]!;
    rows += counts[at]!;
    if (rows < minRows || hessian < minHessian) continue;
    if (node.rows - rows < minRows) break;
    const otherHessian = node.hessian - hessian;
    if (otherHessian < minHessian) break;
    // Where the bin is empty here, the bin before it says the same.
    if (counts[at] === 0) continue;
    const otherGradient = node.gradient - gradient;
    const score = (gradient * gradient) / (hessian + l2) + (otherGradient * otherGradient) / (otherHessian + l2);
    if (!(score > best)) continue;
    best = score;
    bin = at;
    found[0] = gradient;
    found[1] = hessian;
    found[2] = score;
    found[3] = rows;
  }
  return bin;
}

/** @param isLeftCopy 256 bytes. */
function assembledKernel(
  routines: TreeRoutines,
  spare: number,
  found: Float64Array,
  isLeftCopy: Uint8Array,
  team: FillTeam | undefined,
): TreeKernel {
  return {
    found,
    gather: (pairs, { order, start, end, ordered }) =>
      routines.gather(
        pairs.byteOffset,
        order.byteOffset + start * 4,
        order.byteOffset + end * 4,
        ordered.byteOffset + start * 16,
      ),
    fill(histogram, { bins, offsets }, columns, { order, start, end, ordered }) {
      const plan = {
        from: order.byteOffset + start * 4,
        to: order.byteOffset + end * 4,
        gradients: ordered.byteOffset + start * 16,
        columns,
        bins: bins.map(({ byteOffset }) => byteOffset),
        offsets,
        sums: histogram.sums.byteOffset,
        counts: histogram.counts.byteOffset,
      };
      const isSmall = team === undefined || columns.length * (end - start) < team.leastCells;
      if (isSmall) fillShare(routines, plan, 0, 1);
      else team.fill(plan);
    },
    subtract: ({ sums, counts }, child) =>
      routines.subtract(
        sums.byteOffset,
        counts.byteOffset,
        counts.byteOffset + counts.byteLength,
        child.sums.byteOffset,
      ),
    part({ bins }, column, isLeft, { order, start, end }) {
      isLeftCopy.set(isLeft);
      const address = order.byteOffset;
      const middle = routines.part(
        address + start * 4,
        address + end * 4,
        bins[column >> 2]!.byteOffset + (column & 3),
        isLeftCopy.byteOffset,
        spare,
      );
      return (middle - address) / 4;
    },
    scan: (part, range, node, best) => scanAssembled(routines, part, range, node, best, found),
  };
}

function scanAssembled(
  routines: TreeRoutines,
  { sumsAt, countsAt }: HistogramPart,
  { from, to, gradient, hessian, rows }: ScanRange,
  node: ScanNode,
  best: number,
  found: Float64Array,
): number {
  const bin = routines.scan(
    sumsAt + from * 16,
    countsAt + from * 4,
    countsAt + to * 4,
    gradient,
    hessian,
    rows,
    node.gradient,
    node.hessian,
    node.rows,
    node.l2,
    node.minRows,
    node.minHessian,
    best,
    found.byteOffset,
  );
  return bin === 0 ? 0 : (bin - countsAt) / 4;
}

/** What a pass over columns needs to know, in addresses of the shared memory. */
export interface FillPlan {
  /** Of the rows in the order, and of their gradients. */
  readonly from: number;
  readonly to: number;
  readonly gradients: number;
  readonly columns: Int32Array;
  /** By group of four columns, where its bins begin. */
  readonly bins: readonly number[];
  readonly offsets: Int32Array;
  readonly sums: number;
  readonly counts: number;
}

/** Adds rows to the columns' histograms: those of the groups of four that are this share's, four at once where all four are wanted, else one by one. */
export function fillShare(routines: TreeRoutines, plan: FillPlan, share: number, shares: number): void {
  const { from, to, gradients, columns, offsets, sums, counts } = plan;
  for (let at = 0; at < columns.length; at += 1) {
    const column = columns[at]!;
    if ((column >> 2) % shares !== share) continue;
    const bins = plan.bins[column >> 2]!;
    const [a, b, c, d] = [offsets[column]!, offsets[column + 1]!, offsets[column + 2]!, offsets[column + 3]!];
    if ((column & 3) !== 0 || columns[at + 3] !== column + 3) {
      routines.addOne(from, to, gradients, bins + (column & 3), sums + a * 16, counts + a * 4);
      continue;
    }
    routines.addFour(
      from,
      to,
      gradients,
      bins,
      sums + a * 16,
      counts + a * 4,
      sums + b * 16,
      counts + b * 4,
      sums + c * 16,
      counts + c * 4,
      sums + d * 16,
      counts + d * 4,
    );
    at += 3;
  }
}
