import { activations } from "./activation.ts";
import type { TreeModel } from "./tree-model.ts";

/** Trees in flat arrays: the nodes of all trees one after another. */
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

/** One number an output into `answers`, row by row; `columns` as `CompiledTrees` takes them. */
export function predictFlat(
  flat: FlatTrees,
  { base, bases, link }: Pick<TreeModel, "base" | "bases" | "link">,
  columns: readonly Float64Array[],
  answers: Float64Array,
): void {
  // Tree by tree: a tree's nodes stay in the cache, and each row's sum has the order of the trees.
  if (link === "softmax") {
    predictClasses(flat, bases ?? [], columns, answers);
    return;
  }
  answers.fill(base);
  for (const root of flat.roots) addTree(flat, root, columns, answers);
  if (link === "logistic") {
    for (let row = 0; row < answers.length; row += 1) answers[row] = 1 / (1 + Math.exp(-(answers[row] as number)));
  } else if (link === "exponential") {
    for (let row = 0; row < answers.length; row += 1) answers[row] = Math.exp(answers[row] as number);
  }
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
