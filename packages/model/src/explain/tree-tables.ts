import { type FlatTrees, flattenTrees } from "../tree-kernel.ts";
import { type TreeModel, type TreeNode, assertTreeModel, isSplit, treeOutputs } from "../tree-model.ts";
import { gaussLegendre } from "./quadrature.ts";

/** One tree's part of the tables. */
export interface TreeSpan {
  /** Of its nodes: the root's position, and that behind its last one. */
  readonly start: number;
  readonly end: number;
  readonly output: number;
  readonly points: Float64Array;
  readonly weights: Float64Array;
  /** [points, nodes]: 1 / (t + z·(1 − t)). */
  readonly inverse: Float64Array;
}

/** What is known of trees before any row: the nodes of all trees one after another. */
export interface TreeTables {
  readonly flat: FlatTrees;
  readonly spans: readonly TreeSpan[];
  readonly features: number;
  readonly outputs: number;
  readonly widest: number;
  /** −1 for a root. */
  readonly parent: Int32Array;
  /** The feature that leads to the node; −1 for a root. */
  readonly reason: Int32Array;
  /** The nearest node above that the same feature led to; −1 where there is none. */
  readonly earlier: Int32Array;
  /** Of the training rows, the share that would get here past all splits by this feature above if only they decided: z. */
  readonly share: Float64Array;
  /** share / the share of `earlier`, 0 where that is 0. */
  readonly ratio: Float64Array;
  /** By output: what a row of which nothing is known gets. */
  readonly base: Float64Array;
}

/** Throws `MODEL_TREES_INVALID`. */
export function treeTables(model: TreeModel): TreeTables {
  assertTreeModel(model);
  const flat = flattenTrees(model);
  const outputs = treeOutputs(model);
  const nodes = flat.feature.length;
  const ints = (): Int32Array => new Int32Array(nodes).fill(-1);
  const [parent, reason, earlier] = [ints(), ints(), ints()];
  const share = new Float64Array(nodes).fill(1);
  const ratio = new Float64Array(nodes).fill(1);
  const base = Float64Array.from(model.bases ?? [model.base]);
  const above = { parent, reason, earlier, share, ratio };
  const spans = model.trees.map((tree, index): TreeSpan => {
    const start = flat.roots[index] as number;
    const end = start + tree.length;
    const output = index % outputs;
    const { deepest, expected } = fillTree(above, tree, start);
    base[output]! += expected;
    const { points, weights } = gaussLegendre(Math.max(1, Math.ceil(deepest / 2)));
    return { start, end, output, points, weights, inverse: inversesOf(share.subarray(start, end), points) };
  });
  const widest = Math.max(1, ...model.trees.map((tree) => tree.length));
  return { flat, spans, features: model.features.length, outputs, widest, parent, reason, earlier, share, ratio, base };
}

function inversesOf(shares: Float64Array, points: Float64Array): Float64Array {
  const inverse = new Float64Array(points.length * shares.length);
  for (const [at, t] of points.entries())
    for (let node = 0; node < shares.length; node += 1)
      inverse[at * shares.length + node] = 1 / (t + shares[node]! * (1 - t));
  return inverse;
}

type Above = Pick<TreeTables, "earlier" | "parent" | "ratio" | "reason" | "share">;

/** @returns the most features that lead to a leaf, and the mean of the leaves by the training rows that would get there. */
function fillTree(above: Above, tree: readonly TreeNode[], start: number): { deepest: number; expected: number } {
  const { parent, reason, earlier, share, ratio } = above;
  const distinct = new Int32Array(tree.length);
  const reached = new Float64Array(tree.length).fill(1);
  let [deepest, expected] = [0, 0];
  for (const [at, node] of tree.entries()) {
    if (!isSplit(node)) {
      deepest = Math.max(deepest, distinct[at]!);
      expected += reached[at]! * node.value;
      continue;
    }
    const [left, right] = sharesOf(tree, node.left, node.right);
    for (const [child, part] of [
      [node.left, left],
      [node.right, right],
    ] as const) {
      const own = start + child;
      parent[own] = start + at;
      reason[own] = node.feature;
      let before = start + at;
      while (before >= 0 && reason[before] !== node.feature) before = parent[before]!;
      earlier[own] = before;
      const upTo = before < 0 ? 1 : share[before]!;
      share[own] = upTo * part;
      ratio[own] = upTo === 0 ? 0 : part;
      distinct[child] = distinct[at]! + (before < 0 ? 1 : 0);
      reached[child] = reached[at]! * part;
    }
  }
  return { deepest, expected };
}

/** The shares of a split's rows that go left and right; halves where no row came. */
function sharesOf(tree: readonly TreeNode[], left: number, right: number): readonly [number, number] {
  const [one, other] = [rowsOf(tree[left]), rowsOf(tree[right])];
  const all = one + other;
  return all > 0 ? [one / all, other / all] : [0.5, 0.5];
}

const rowsOf = (node: TreeNode | undefined): number => Math.max(0, Number(node?.rows) || 0);
