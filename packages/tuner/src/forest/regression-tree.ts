import type { Random } from "@millwright/contracts";
import { type Split, type TreeData, createFinder } from "./split.ts";

/** A binary tree as arrays by node; node 0 is the root. */
export interface RegressionTree {
  /** The column a node splits on; −1 in leaves. */
  readonly feature: Int32Array;
  /** Numeric columns: values up to this go left. */
  readonly threshold: Float64Array;
  /** Categorical columns: 1 for the indices that go left. */
  readonly goesLeft: readonly (Uint8Array | undefined)[];
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** Weighted mean and variance of the targets that reached the node. */
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly weight: Float64Array;
}

export interface TreeOptions {
  /** Fewer rows than this are not split. */
  readonly minSplit: number;
  readonly minLeaf: number;
  readonly maxDepth: number;
  /** Part of the columns that each split looks at. */
  readonly featureShare: number;
  /** Where between two neighbouring values a split lies. */
  readonly thresholds: "random" | "middle";
}

interface Segment {
  readonly node: number;
  readonly from: number;
  readonly to: number;
  readonly depth: number;
}

/**
 * Breiman et al., Classification and Regression Trees (1984): splits that leave the least squared error; values without order are split by the order of
 * their means, which is optimal for squared error (theorem 4.5 there, after Fisher 1958).
 * @param weights How often each row counts; 0 for not at all.
 */
export function fitTree(data: TreeData, weights: Float64Array, options: TreeOptions, random: Random): RegressionTree {
  const members = Int32Array.from(weights.keys()).filter((row) => (weights[row] as number) > 0);
  const capacity = Math.max(1, 2 * members.length);
  const tree = {
    feature: new Int32Array(capacity).fill(-1),
    threshold: new Float64Array(capacity),
    goesLeft: new Array<Uint8Array | undefined>(capacity),
    left: new Int32Array(capacity).fill(-1),
    right: new Int32Array(capacity).fill(-1),
    mean: new Float64Array(capacity),
    variance: new Float64Array(capacity),
    weight: new Float64Array(capacity),
  };
  const find = createFinder(data, weights, members, options, random);
  let nodes = 1;
  const open: Segment[] = [{ node: 0, from: 0, to: members.length, depth: 0 }];
  for (let segment = open.pop(); segment !== undefined; segment = open.pop()) {
    const { node, from, to, depth } = segment;
    const { weight, mean, variance } = moments(data.targets, weights, members, from, to);
    tree.weight[node] = weight;
    tree.mean[node] = mean;
    tree.variance[node] = variance;
    if (weight < options.minSplit || depth >= options.maxDepth || variance <= 1e-18 * Math.max(1, mean * mean))
      continue;
    const split = find(from, to, mean);
    if (split === undefined) continue;
    const border = partition(data, members, from, to, split);
    tree.feature[node] = split.feature;
    tree.threshold[node] = split.threshold;
    tree.goesLeft[node] = split.goesLeft;
    tree.left[node] = nodes;
    tree.right[node] = nodes + 1;
    open.push({ node: nodes + 1, from: border, to, depth: depth + 1 });
    open.push({ node: nodes, from, to: border, depth: depth + 1 });
    nodes += 2;
  }
  return cut(tree, nodes);
}

const cut = (tree: RegressionTree, nodes: number): RegressionTree => ({
  feature: tree.feature.slice(0, nodes),
  threshold: tree.threshold.slice(0, nodes),
  goesLeft: tree.goesLeft.slice(0, nodes),
  left: tree.left.slice(0, nodes),
  right: tree.right.slice(0, nodes),
  mean: tree.mean.slice(0, nodes),
  variance: tree.variance.slice(0, nodes),
  weight: tree.weight.slice(0, nodes),
});

function moments(targets: Float64Array, weights: Float64Array, members: Int32Array, from: number, to: number) {
  let weight = 0;
  let mean = 0;
  let squares = 0;
  for (let at = from; at < to; at += 1) {
    const row = members[at] as number;
    const own = weights[row] as number;
    weight += own;
    const step = (targets[row] as number) - mean;
    mean += (own * step) / weight;
    squares += own * step * ((targets[row] as number) - mean);
  }
  return { weight, mean, variance: Math.max(0, squares / weight) };
}

/** Puts the rows that go left first. @returns where the others begin. */
function partition({ rows, columns }: TreeData, members: Int32Array, from: number, to: number, split: Split): number {
  let border = from;
  for (let at = from; at < to; at += 1) {
    const row = members[at] as number;
    const value = rows[row * columns.length + split.feature] as number;
    const goesLeft = split.goesLeft === undefined ? value <= split.threshold : split.goesLeft[value] === 1;
    if (!goesLeft) continue;
    members[at] = members[border] as number;
    members[border] = row;
    border += 1;
  }
  return border;
}

/** The leaf that a row reaches. @param offset Where the row begins in `rows`. */
export function leafOf(tree: RegressionTree, rows: ArrayLike<number>, offset = 0): number {
  let node = 0;
  for (let feature = tree.feature[0] as number; feature >= 0; feature = tree.feature[node] as number) {
    const value = rows[offset + feature] as number;
    const goesLeft = tree.goesLeft[node];
    const left = goesLeft === undefined ? value <= (tree.threshold[node] as number) : goesLeft[value] === 1;
    node = (left ? tree.left[node] : tree.right[node]) as number;
  }
  return node;
}
