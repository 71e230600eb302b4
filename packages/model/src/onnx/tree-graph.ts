import { onnxUnsupported } from "../errors.ts";
import { isSplit, type TreeFeature, type TreeModel, treeOutputs, type TreeSplit } from "../tree-model.ts";
import type { Graph, Value } from "./graph.ts";

/** The columns that trees of ONNX compare with a number, and where each split finds its own. */
interface Columns {
  /** float64 of shape [rows, columns]. */
  readonly value: Value;
  /** Position of the column that a split looks at. */
  position(split: TreeSplit): number;
}

/**
 * The trees as one TreeEnsembleRegressor of ai.onnx.ml, which compares and sums in double precision and gives its sum in single.
 * @param missingText The text that stands for a missing category.
 */
export function treeGraph(graph: Graph, model: TreeModel, missingText: string): Value {
  const columns = columnsOf(graph, model, missingText);
  const { base, bases = [base], link } = model;
  const outputs = treeOutputs(model);
  const trees = model.trees.length === 0 ? [[{ value: 0, rows: 0 }]] : model.trees;
  const nodes = trees.flatMap((tree, treeId) => tree.map((node, nodeId) => ({ treeId, nodeId, node })));
  const splits = nodes.map(({ node }) => (isSplit(node) ? node : undefined));
  const leaves = nodes.flatMap(({ node, ...at }) => (isSplit(node) ? [] : [{ ...at, value: node.value }]));
  const ints = (values: readonly number[]) => ({ ints: values });
  const doubles = (values: readonly number[]) => ({
    tensor: { type: "float64" as const, shape: [values.length], values },
  });
  const sum = graph.node(
    "TreeEnsembleRegressor",
    [columns.value],
    {
      aggregate_function: { string: "SUM" },
      post_transform: { string: "NONE" },
      n_targets: { int: outputs },
      base_values_as_tensor: doubles(bases),
      nodes_treeids: ints(nodes.map(({ treeId }) => treeId)),
      nodes_nodeids: ints(nodes.map(({ nodeId }) => nodeId)),
      nodes_modes: { strings: splits.map((split) => (split === undefined ? "LEAF" : "BRANCH_LEQ")) },
      nodes_featureids: ints(splits.map((split) => (split === undefined ? 0 : columns.position(split)))),
      nodes_values_as_tensor: doubles(splits.map((split) => thresholdOf(split, model))),
      nodes_truenodeids: ints(splits.map((split) => split?.left ?? 0)),
      nodes_falsenodeids: ints(splits.map((split) => split?.right ?? 0)),
      nodes_missing_value_tracks_true: ints(splits.map((split) => (split?.missingLeft === true ? 1 : 0))),
      target_treeids: ints(leaves.map(({ treeId }) => treeId)),
      target_nodeids: ints(leaves.map(({ nodeId }) => nodeId)),
      target_ids: ints(leaves.map(({ treeId }) => treeId % outputs)),
      target_weights_as_tensor: doubles(leaves.map(({ value }) => value)),
    },
    { domain: "ai.onnx.ml" },
  );
  return linked[link](graph, sum);
}

const linked: Readonly<Record<TreeModel["link"], (graph: Graph, sum: Value) => Value>> = {
  identity: (_, sum) => sum,
  logistic: (graph, sum) => graph.node("Sigmoid", [sum]),
  exponential: (graph, sum) => graph.node("Exp", [sum]),
  softmax: (graph, sum) => graph.node("Softmax", [sum], { axis: { int: 1 } }),
};

/** Columns of categories hold 0 for left and 1 for right. */
const thresholdOf = (split: TreeSplit | undefined, { features }: TreeModel): number => {
  if (split === undefined) return 0;
  if (features[split.feature]?.kind === "category") return 0.5;
  return split.threshold ?? Number.POSITIVE_INFINITY;
};

/** Numbers as they are; for each question that splits ask of a category, a column with its answer. */
function columnsOf(graph: Graph, { features, trees }: TreeModel, missingText: string): Columns {
  const splits = trees.flat().filter(isSplit);
  const parts: Value[] = [];
  const positions = new Map<string, number>();
  let width = 0;
  for (const [index, feature] of features.entries()) {
    const own = splits.filter((split) => split.feature === index);
    if (feature.kind === "number") {
      positions.set(String(index), width);
      width += 1;
      parts.push(feature.name);
      continue;
    }
    checkMissingText(feature, missingText);
    const questions = [...new Set(own.map(questionOf))];
    if (questions.length === 0) continue;
    for (const question of questions) positions.set(question, width++);
    parts.push(
      answersOf(
        graph,
        feature,
        questions.map((question) => own.find((split) => questionOf(split) === question) as TreeSplit),
      ),
    );
  }
  // Trees that ask nothing still answer each row.
  if (parts.length === 0) parts.push(graph.cast(positionIn(graph, (features[0] as TreeFeature).name, []), "float64"));
  const value = graph.node("Concat", parts, { axis: { int: 1 } });
  return {
    value,
    position: (split) =>
      positions.get(features[split.feature]?.kind === "number" ? String(split.feature) : questionOf(split)) as number,
  };
}

const questionOf = ({ feature, categories = [], missingLeft }: TreeSplit): string =>
  `${feature} ${missingLeft} ${categories.toSorted((a, b) => a - b).join(",")}`;

type CategoryFeature = Extract<TreeFeature, { readonly kind: "category" }>;

/** A row of answers for each category and, last, for what is none: float64 of shape [rows, questions]. */
function answersOf(graph: Graph, { name, categories }: CategoryFeature, splits: readonly TreeSplit[]): Value {
  const rows = categories.length + 1;
  const table = new Float64Array(rows * splits.length);
  for (const [at, { categories: left = [], missingLeft }] of splits.entries())
    for (let row = 0; row < rows; row += 1)
      table[row * splits.length + at] = (row === categories.length ? missingLeft : left.includes(row)) ? 0 : 1;
  const index = graph.node("Reshape", [
    positionIn(graph, name, categories),
    graph.constant({ type: "int64", shape: [1], values: [-1] }),
  ]);
  return graph.node("Gather", [
    graph.constant({ type: "float64", shape: [rows, splits.length], values: table }),
    index,
  ]);
}

/** Of the text among the categories, their number where it is none: int64 of shape [rows, 1]. */
function positionIn(graph: Graph, name: Value, categories: readonly string[]): Value {
  // An encoder has a key at least, and an empty text is no category.
  const keys = categories.length === 0 ? [""] : categories;
  return graph.node(
    "LabelEncoder",
    [name],
    {
      keys_strings: { strings: keys },
      values_int64s: { ints: keys.map((_, at) => at) },
      default_int64: { int: categories.length },
    },
    { domain: "ai.onnx.ml" },
  );
}

function checkMissingText({ name, categories }: CategoryFeature, missingText: string): void {
  if (!categories.includes(missingText)) return;
  throw onnxUnsupported(
    `The feature "${name}"`,
    `"${missingText}" is one of its categories, and stands for a missing one`,
    "Choose a `missingText` that is no category.",
  );
}
