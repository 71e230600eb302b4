import type { BinnedRows, Histogram, HistogramPool } from "./tree-histogram.ts";
import type { TreeKernel } from "./tree-kernel.ts";
import { type NodeSums, type Split, type SplitRules, type Sums, bestSplit, valueOf } from "./tree-split.ts";

/** A tree over bins. */
export type BinnedNode =
  | { readonly kind: "leaf"; value: number; readonly rows: number }
  | {
      readonly kind: "split";
      readonly split: Split;
      readonly left: number;
      readonly right: number;
      readonly rows: number;
    };

export interface GrowRules extends SplitRules {
  readonly growth: "depth" | "leaf";
  readonly maxLeaves: number;
  readonly maxDepth: number;
  readonly learningRate: number;
}

/** Memory that all trees of a fit share. */
export interface GrowSpace {
  readonly pool: HistogramPool;
  readonly kernel: TreeKernel;
  /** By row: first and second derivative of the loss in turns. */
  readonly gradients: Float64Array;
  /** Rows, in the order of the leaves once a tree is grown. */
  readonly order: Int32Array;
  readonly ordered: Float64Array;
}

interface OpenNode extends NodeSums {
  /** Place among the tree's nodes. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
  readonly depth: number;
  histogram?: Histogram | undefined;
  split?: Split | undefined;
}

export interface GrownTree {
  readonly nodes: readonly BinnedNode[];
  /** The places in `order` of each leaf's rows. */
  readonly leaves: readonly { readonly start: number; readonly end: number; readonly value: number }[];
}

/** Grows one tree from the first `rows` rows of `space.order`, by these columns. The order of additions is fixed, so the same call gives the same bits. */
export function growTree(
  table: BinnedRows,
  rows: number,
  columns: Int32Array,
  rules: GrowRules,
  space: GrowSpace,
): GrownTree {
  const growing: Growing = { table, columns, rules, space, nodes: [] };
  const closed: OpenNode[] = [];
  const open: OpenNode[] = [plant(growing, rows)];
  for (let leaves = 1; open.length > 0;) {
    const next = rules.growth === "leaf" ? takeBest(open) : (open.shift() as OpenNode);
    if (next.split === undefined || leaves >= rules.maxLeaves) {
      release(next, space);
      closed.push(next);
      continue;
    }
    open.push(...divide(next, next.split, growing));
    leaves += 1;
  }
  const { nodes } = growing;
  return { nodes, leaves: closed.map(({ start, end, at }) => ({ start, end, value: leafValue(nodes[at]) })) };
}

const leafValue = (node: BinnedNode | undefined): number => (node?.kind === "leaf" ? node.value : 0);

/** The node of largest gain, the earlier where two are equal. */
function takeBest(open: OpenNode[]): OpenNode {
  let best = 0;
  for (let index = 1; index < open.length; index += 1) {
    if ((open[index]?.split?.gain ?? -1) > (open[best]?.split?.gain ?? -1)) best = index;
  }
  return open.splice(best, 1)[0] as OpenNode;
}

/** A tree that grows. */
interface Growing {
  readonly table: BinnedRows;
  readonly columns: Int32Array;
  readonly rules: GrowRules;
  readonly space: GrowSpace;
  readonly nodes: BinnedNode[];
}

function plant(growing: Growing, rows: number): OpenNode {
  const { space, rules } = growing;
  const sums = totalOf(space, rows);
  const root = add(growing, { ...sums, start: 0, end: rows, depth: 0, lower: -Infinity, upper: Infinity }, rules.l2);
  if (canDivide(root, rules)) fill(root, growing);
  search(root, growing);
  return root;
}

/** A node that is a leaf as long as it is not divided. */
function add({ nodes, rules }: Growing, node: Omit<OpenNode, "at">, l2: number): OpenNode {
  const value = valueOf(node.gradient, node.hessian, l2, node.lower, node.upper);
  nodes.push({ kind: "leaf", value: value * rules.learningRate, rows: node.rows });
  return { ...node, at: nodes.length - 1 };
}

const canDivide = ({ depth, rows }: OpenNode, { maxDepth, minRows }: GrowRules): boolean =>
  depth < maxDepth && rows >= 2 * minRows;

function fill(node: OpenNode, { table, columns, space }: Growing): void {
  const { pool, kernel, order, ordered, gradients } = space;
  node.histogram = pool.take();
  const rows = { order, start: node.start, end: node.end, ordered };
  kernel.gather(gradients, rows);
  kernel.fill(node.histogram, table, columns, rows);
}

function search(node: OpenNode, { columns, rules, space }: Growing): void {
  if (node.histogram !== undefined) node.split = bestSplit(node.histogram, columns, node, rules, space.kernel);
  if (node.split === undefined) release(node, space);
}

function release(node: OpenNode, { pool }: GrowSpace): void {
  if (node.histogram !== undefined) pool.give(node.histogram);
  node.histogram = undefined;
}

/** Makes two nodes of one. The smaller is counted, the larger is what that leaves of its parent. */
function divide(node: OpenNode, split: Split, growing: Growing): readonly OpenNode[] {
  const { table, rules, space, nodes } = growing;
  const middle = partition(table, split, node, space);
  const [lowest, highest] = rangesOf(node, split, rules);
  const depth = node.depth + 1;
  const rest = differenceOf(node, split.left);
  const left = add(growing, { ...split.left, start: node.start, end: middle, depth, ...lowest }, split.l2);
  const right = add(growing, { ...rest, start: middle, end: node.end, depth, ...highest }, split.l2);
  nodes[node.at] = { kind: "split", split, left: left.at, right: right.at, rows: node.rows };
  const [small, large] = left.rows < right.rows ? [left, right] : [right, left];
  if (canDivide(small, rules) || canDivide(large, rules)) {
    fill(small, growing);
    large.histogram = node.histogram;
    node.histogram = undefined;
    if (large.histogram !== undefined && small.histogram !== undefined)
      space.kernel.subtract(large.histogram, small.histogram);
  } else release(node, space);
  for (const child of [left, right]) {
    if (canDivide(child, rules)) search(child, growing);
    else release(child, space);
  }
  return [left, right];
}

function totalOf({ order, gradients }: GrowSpace, rows: number): Sums {
  let gradient = 0;
  let hessian = 0;
  for (let place = 0; place < rows; place += 1) {
    const row = order[place] as number;
    gradient += gradients[row * 2] as number;
    hessian += gradients[row * 2 + 1] as number;
  }
  return { gradient, hessian, rows };
}

const differenceOf = (node: NodeSums, left: Sums): Sums => ({
  gradient: node.gradient - left.gradient,
  hessian: node.hessian - left.hessian,
  rows: node.rows - left.rows,
});

type Range = Pick<NodeSums, "lower" | "upper">;

/** Below a split by a constrained column, neither side may pass the middle between the two values. */
function rangesOf(node: NodeSums, split: Split, { monotone, l2 }: GrowRules): readonly [Range, Range] {
  const { lower, upper } = node;
  const direction = monotone[split.column] as number;
  if (direction === 0) {
    const same = { lower, upper };
    return [same, same];
  }
  const rest = differenceOf(node, split.left);
  const values = [split.left, rest].map(({ gradient, hessian }) => valueOf(gradient, hessian, l2, lower, upper));
  const middle = ((values[0] as number) + (values[1] as number)) / 2;
  const below = { lower, upper: middle };
  const above = { lower: middle, upper };
  return direction > 0 ? [below, above] : [above, below];
}

/** Puts the rows that go left first. @returns where the right side begins. */
function partition(table: BinnedRows, split: Split, { start, end }: OpenNode, { kernel, order }: GrowSpace): number {
  const { column } = split;
  const bins = (table.offsets[column + 1] as number) - (table.offsets[column] as number);
  return kernel.part(table, column, leftBins(split, bins), { order, start, end });
}

/** By bin: 1 where it goes left. */
export function leftBins({ members, bin, missingLeft }: Split, bins: number): Uint8Array {
  if (members !== undefined) return members;
  const left = new Uint8Array(bins);
  left.fill(1, 1, bin + 1);
  left[0] = missingLeft ? 1 : 0;
  return left;
}
