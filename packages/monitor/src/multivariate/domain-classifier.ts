import { type Batch, createRandom, type Random } from "@millwright/contracts";
import { compileTrees } from "@millwright/model";
import { type Feature, fitFeatures, readFeatures } from "../features/feature-table.ts";
import { rocAuc } from "../estimation/roc-auc.ts";
import { fitBoostedTrees } from "../learners/boosted-trees.ts";
import { rowsInvalid } from "../errors.ts";
import { shuffled } from "./kernel.ts";

export interface DomainClassifierOptions {
  /** Default: all numbers, booleans and texts. */
  readonly columns?: readonly string[] | undefined;
  /** 2 to 20. Default: 5, as NannyML. */
  readonly folds?: number | undefined;
  /** Which rows fall into which fold. Default: a stream that begins the same in each call. */
  readonly random?: Random | undefined;
}

export interface DomainClassification {
  /** The area under the ROC curve of answers to rows that were held out: 0.5 where nothing tells the sides apart, 1 where everything does. */
  readonly auc: number;
  /** What told the sides apart: each column's share of the gains, in [0, 1]; all 0 where no split was worth it. */
  readonly gains: Readonly<Record<string, number>>;
}

const trees = { loss: "logistic", trees: 50, depth: 4, learningRate: 0.1, leafRows: 20 } as const;

/**
 * How well boosted trees tell the current rows from those of the reference, as NannyML's domain classifier does it with LightGBM: every row is answered by trees that did not see it.
 * Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range.
 */
export function classifyDomains(
  reference: Batch,
  current: Batch,
  options: DomainClassifierOptions = {},
): DomainClassification {
  const { columns: names, folds = 5, random = createRandom(0) } = options;
  if (!(Number.isInteger(folds) && folds >= 2 && folds <= 20))
    throw new RangeError(`The number of folds must be a whole number from 2 to 20, not ${folds}.`);
  for (const { length } of [reference, current])
    if (length < folds) throw rowsInvalid(`a side has ${length} of the ${folds} that the folds need`);
  const joint = jointFeatures(reference, current, names);
  const [before, now] = [readFeatures(reference, joint), readFeatures(current, joint)];
  const columns = before.map((column, index) => joinedColumn(column, now[index]!));
  const rows = reference.length + current.length;
  const targets = Float64Array.from({ length: rows }, (_, row) => (row < reference.length ? 0 : 1));
  const foldOf = foldsOf(reference.length, current.length, folds, random);
  const answers = new Float64Array(rows);
  const gains = joint.map(() => 0);
  for (let fold = 0; fold < folds; fold += 1) {
    const inside: number[] = [];
    const outside: number[] = [];
    for (let row = 0; row < rows; row += 1) (foldOf[row] === fold ? outside : inside).push(row);
    const at = (column: Float64Array, rows: readonly number[]) => Float64Array.from(rows, (row) => column[row]!);
    const model = fitBoostedTrees(
      joint,
      columns.map((column) => at(column, inside)),
      at(targets, inside),
      trees,
    );
    for (const node of model.trees.flat()) if ("gain" in node) gains[node.feature]! += node.gain;
    const held = new Float64Array(outside.length);
    compileTrees(model).predict(
      columns.map((column) => at(column, outside)),
      held,
    );
    for (const [index, row] of outside.entries()) answers[row] = held[index]!;
  }
  const total = gains.reduce((sum, each) => sum + each, 0) || 1;
  return {
    auc: rocAuc(answers, targets),
    gains: Object.fromEntries(joint.map(({ name }, index) => [name, gains[index]! / total])),
  };
}

/** The features of the reference, with the texts of both sides: what only one of them has tells them apart. */
function jointFeatures(reference: Batch, current: Batch, names: readonly string[] | undefined): Feature[] {
  const features = fitFeatures(reference, names);
  const others = fitFeatures(
    current,
    features.map(({ name }) => name),
  );
  return features.map((feature, index) => {
    const other = others[index]!;
    if (feature.kind !== other.kind)
      throw rowsInvalid(`the column "${feature.name}" is a ${feature.kind} on one side only`);
    if (feature.kind === "number" || other.kind === "number") return feature;
    return { ...feature, categories: [...new Set([...feature.categories, ...other.categories])] };
  });
}

function joinedColumn(a: Float64Array, b: Float64Array): Float64Array {
  const both = new Float64Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** The fold of each row, as many of each side in each. */
function foldsOf(reference: number, current: number, folds: number, random: Random): Uint8Array {
  const fold = new Uint8Array(reference + current);
  for (const [start, count] of [
    [0, reference],
    [reference, current],
  ] as const)
    for (const [place, row] of shuffled(count, random).entries()) fold[start + row] = place % folds;
  return fold;
}
