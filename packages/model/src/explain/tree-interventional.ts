import { type FlatTrees, flattenTrees } from "../tree-kernel.ts";
import { type TreeModel, assertTreeModel, treeOutputs } from "../tree-model.ts";
import type { RowExplainer } from "./tree-shap.ts";

/**
 * Exact Shapley values of trees against background rows: a column that is not known has the value of a background row, and the mean over them is taken
 * (Lundberg and others, 2020, algorithm 3). For one background row a leaf counts where each column of its path lets the row or the background row pass; of a
 * columns that only the row's value passes and b that only the background's does, each of the first gets v·(a − 1)!·b!/(a + b)!, and each of the others
 * −v·a!·(b − 1)!/(a + b)!. Throws `MODEL_TREES_INVALID`. @param background One column for each feature, as `columns` of `add`; a row or more.
 */
export function interventionalTreeShap(model: TreeModel, background: readonly Float64Array[]): RowExplainer {
  assertTreeModel(model);
  const flat = flattenTrees(model);
  const outputs = treeOutputs(model);
  const features = model.features.length;
  const others = background[0]?.length ?? 0;
  const base = Float64Array.from(model.bases ?? [model.base]);
  for (const [tree, root] of flat.roots.entries())
    for (let row = 0; row < others; row += 1) base[tree % outputs]! += leafOf(flat, root, background, row) / others;
  const sides = new Uint8Array(features);
  return {
    features,
    outputs,
    base,
    pieces: model.trees.length,
    stepsOf: (piece) => (model.trees[piece]?.length ?? 0) * others,
    add(columns, row, piece, target, at) {
      const to = at + (piece % outputs) * features;
      const pair: Pair = { flat, columns, row, background, other: 0, sides, target, at: to, scale: 1 / others };
      for (let other = 0; other < others; other += 1) {
        pair.other = other;
        walk(pair, flat.roots[piece]!, 0, 0);
      }
    },
  };
}

interface Pair {
  readonly flat: FlatTrees;
  readonly columns: readonly Float64Array[];
  readonly row: number;
  readonly background: readonly Float64Array[];
  other: number;
  /** By feature: 0 where the path has not told both apart, 1 where it follows the row, 2 where it follows the background row. */
  readonly sides: Uint8Array;
  readonly target: Float64Array;
  readonly at: number;
  readonly scale: number;
}

/** (a − 1)!·b!/(a + b)! = 1 / (a·C(a + b, a)). */
function weightOf(a: number, b: number): number {
  if (a === 0) return 0;
  let choices = 1;
  for (let n = 1; n <= b; n += 1) choices = (choices * (a + n)) / n;
  return 1 / (a * choices);
}

/** @returns what the leaves below give to each column that the path follows the row in, and to each in which it follows the background row, less its sign. */
function walk(pair: Pair, node: number, a: number, b: number): readonly [number, number] {
  const { flat, columns, row, background, other, sides, target, at, scale } = pair;
  const feature = flat.feature[node]!;
  if (feature < 0) {
    const value = flat.number[node]!;
    return [value * weightOf(a, b), value * weightOf(b, a)];
  }
  const side = sides[feature]!;
  const mine = side === 2 ? -1 : childOf(flat, node, columns[feature]![row]!);
  const theirs = side === 1 ? -1 : childOf(flat, node, background[feature]![other]!);
  if (side === 1) return walk(pair, mine, a, b);
  if (side === 2 || mine === theirs) return walk(pair, theirs, a, b);
  sides[feature] = 1;
  const [gain, toBackground] = walk(pair, mine, a + 1, b);
  sides[feature] = 2;
  const [toRow, loss] = walk(pair, theirs, a, b + 1);
  sides[feature] = 0;
  target[at + feature]! += scale * (gain - loss);
  return [gain + toRow, toBackground + loss];
}

function childOf({ number, membersAt, missing, left, right, members }: FlatTrees, node: number, value: number): number {
  const bits = membersAt[node]!;
  if (value !== value) return missing[node]!;
  return (bits < 0 ? value <= number[node]! : members[bits + value] === 1) ? left[node]! : right[node]!;
}

function leafOf(flat: FlatTrees, root: number, columns: readonly Float64Array[], row: number): number {
  let node = root;
  for (let feature = flat.feature[node]!; feature >= 0; feature = flat.feature[node]!)
    node = childOf(flat, node, columns[feature]![row]!);
  return flat.number[node]!;
}
