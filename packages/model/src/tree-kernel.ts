import { type FlatTrees, predictFlat } from "./flat-trees.ts";
import { type TreeModel, type TreeNode, assertTreeModel, isSplit } from "./tree-model.ts";

export type { FlatTrees } from "./flat-trees.ts";

/** Trees ready to answer. */
export interface CompiledTrees {
  readonly memoryBytes: number;
  /**
   * One number an output into `answers`, row by row: the base, and then each of its trees' leaves in order, through the link.
   * @param columns One of at least as many rows for each feature: numbers, or positions of categories; NaN where missing.
   */
  predict(columns: readonly Float64Array[], answers: Float64Array): void;
}

/** Makes trees ready to answer. Throws `MODEL_TREES_INVALID`. */
export function compileTrees(model: TreeModel): CompiledTrees {
  assertTreeModel(model);
  const flat = flattenTrees(model);
  const memoryBytes = Object.values(flat).reduce((sum: number, array: ArrayBufferView) => sum + array.byteLength, 0);
  return { memoryBytes, predict: (columns, answers) => predictFlat(flat, model, columns, answers) };
}

/** The nodes of all trees one after another, those of a tree in its order. */
export function flattenTrees({ features, trees }: TreeModel): FlatTrees {
  const nodes = trees.reduce((count, tree) => count + tree.length, 0);
  const ints = (): Int32Array => new Int32Array(nodes);
  const flat = {
    feature: ints().fill(-1),
    number: new Float64Array(nodes),
    membersAt: ints().fill(-1),
    missing: ints(),
  };
  const [left, right, roots] = [ints(), ints(), new Int32Array(trees.length)];
  const members: number[] = [];
  let start = 0;
  const put = (node: TreeNode, at: number): void => {
    if (!isSplit(node)) {
      flat.number[at] = node.value;
      return;
    }
    flat.feature[at] = node.feature;
    left[at] = start + node.left;
    right[at] = start + node.right;
    flat.missing[at] = (node.missingLeft ? left : right)[at] as number;
    flat.number[at] = node.threshold ?? Infinity;
    const feature = features[node.feature];
    if (feature?.kind !== "category") return;
    flat.membersAt[at] = members.length;
    const chosen = new Set(node.categories);
    for (let index = 0; index < feature.categories.length; index += 1) members.push(chosen.has(index) ? 1 : 0);
  };
  for (const [index, tree] of trees.entries()) {
    roots[index] = start;
    for (const [at, node] of tree.entries()) put(node, start + at);
    start += tree.length;
  }
  return { roots, ...flat, left, right, members: Uint8Array.from(members) };
}
