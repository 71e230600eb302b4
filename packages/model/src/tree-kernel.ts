import { activations } from "./activation.ts";
import { type TreeModel, type TreeNode, assertTreeModel, isSplit } from "./tree-model.ts";

/** Trees in flat arrays: the nodes of all trees one after another. */
export interface CompiledTrees {
  readonly memoryBytes: number;
  /**
   * One number an output into `answers`, row by row: the base, and then each of its trees' leaves in order, through the link.
   * @param columns One of at least as many rows for each feature: numbers, or positions of categories; NaN where missing.
   */
  predict(columns: readonly Float64Array[], answers: Float64Array): void;
}

/** The nodes of all trees one after another, those of a tree in its order. */
export interface FlatTrees {
  readonly roots: Int32Array;
  /** −1 for a leaf. */
  readonly feature: Int32Array;
  /** The threshold of a split by a number; the value of a leaf. */
  readonly number: Float64Array;
  /** For a split by category where its bits begin in `members`; else −1. */
  readonly membersAt: Int32Array;
  readonly missing: Int32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** A byte a category: 1 where it goes left. */
  readonly members: Uint8Array;
}

/** Makes trees ready to answer. Throws `MODEL_TREES_INVALID`. */
export function compileTrees(model: TreeModel): CompiledTrees {
  assertTreeModel(model);
  const flat = flattenTrees(model);
  const memoryBytes = Object.values(flat).reduce((sum: number, array: ArrayBufferView) => sum + array.byteLength, 0);
  return {
    memoryBytes,
    predict(columns, answers) {
      // Tree by tree: a tree's nodes stay in the cache, and each row's sum has the order of the trees.
      if (model.link === "softmax") {
        predictClasses(flat, model.bases ?? [], columns, answers);
        return;
      }
      answers.fill(model.base);
      for (const root of flat.roots) addTree(flat, root, columns, answers);
      if (model.link === "logistic") {
        for (let row = 0; row < answers.length; row += 1) answers[row] = 1 / (1 + Math.exp(-(answers[row] as number)));
      } else if (model.link === "exponential") {
        for (let row = 0; row < answers.length; row += 1) answers[row] = Math.exp(answers[row] as number);
      }
    },
  };
}

function predictClasses(
  flat: FlatTrees,
  bases: readonly number[],
  columns: readonly Float64Array[],
  answers: Float64Array,
): void {
  const outputs = bases.length;
  const sums = new Float64Array(answers.length / outputs);
  for (const [output, base] of bases.entries()) {
    sums.fill(base);
    for (let tree = output; tree < flat.roots.length; tree += outputs)
      addTree(flat, flat.roots[tree] as number, columns, sums);
    for (let row = 0; row < sums.length; row += 1) answers[row * outputs + output] = sums[row] as number;
  }
  for (let at = 0; at < answers.length; at += outputs) activations.softmax(answers, at, at + outputs);
}

function addTree(flat: FlatTrees, root: number, columns: readonly Float64Array[], sums: Float64Array): void {
  const { feature, number, membersAt, missing, left, right, members } = flat;
  for (let row = 0; row < sums.length; row += 1) {
    let node = root;
    for (let column = feature[node] as number; column >= 0; column = feature[node] as number) {
      const value = (columns[column] as Float64Array)[row] as number;
      const start = membersAt[node] as number;
      if (value !== value) node = missing[node] as number;
      else if (start < 0 ? value <= (number[node] as number) : members[start + value] === 1)
        node = left[node] as number;
      else node = right[node] as number;
    }
    sums[row]! += number[node] as number;
  }
}

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
