import type { Batch, Column, Dataset, Field } from "@millwright/contracts";
import { asFloat64, collect, columnOf, isNumericType, toArray } from "@millwright/data";
import { columnUnfit, labelUnfit, rowsUnfit, weightUnfit } from "./errors.ts";

export interface TableOptions {
  readonly label: string;
  readonly task: "binary" | "multiclass" | "regression";
  readonly features?: readonly string[] | undefined;
  readonly categorical?: readonly string[] | undefined;
  readonly weight?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Numbers, NaN where missing; or texts, undefined where missing. */
export type FeatureColumn =
  | { readonly name: string; readonly kind: "number"; readonly values: Float64Array }
  | { readonly name: string; readonly kind: "category"; readonly texts: readonly (string | undefined)[] };

export interface Table {
  readonly rows: number;
  readonly features: readonly FeatureColumn[];
  /** 0 and 1 for `binary`, positions in `classes` for `multiclass`. */
  readonly labels: Float64Array;
  /** The classes' texts, numbers in their order and texts by their characters; empty but for `multiclass`. */
  readonly classes: readonly string[];
  /** Absent where every row counts once. */
  readonly weights: Float64Array | undefined;
}

/** Rows with what is to be learned from them. */
export interface Labelled extends Omit<Table, "features"> {
  readonly names: readonly string[];
  readonly batch: Batch;
}

/** Reads all rows into memory. `known` are the classes of the training rows, which no other rows may have others than. Throws as `readTable`. */
export async function readLabelled(
  dataset: Dataset,
  role: string,
  options: TableOptions,
  known?: readonly string[],
): Promise<Labelled> {
  const { label, weight, signal } = options;
  const names = featureNames(dataset.schema, options);
  const columns = [...new Set([...names, label, ...(weight === undefined ? [] : [weight])])];
  const batch = await collect(dataset, { columns, signal });
  if (batch.length === 0) throw rowsUnfit(role, "there are none");
  const weights = weight === undefined ? undefined : weightsOf(weight, columnOf(batch, weight));
  if (weights?.every((value) => value === 0)) throw rowsUnfit(role, "all weights are 0");
  return { rows: batch.length, names, batch, ...labelsOf(label, columnOf(batch, label), options.task, known), weights };
}

/** Reads all rows into memory. Throws `ALGORITHMS_…`, and `DATA_COLUMN_MISSING` for a name that the dataset lacks. */
export async function readTable(
  dataset: Dataset,
  role: string,
  options: TableOptions,
  known?: readonly string[],
): Promise<Table> {
  const { names, batch, ...labelled } = await readLabelled(dataset, role, options, known);
  return { ...labelled, features: names.map((name) => featureColumn(name, columnOf(batch, name), options)) };
}

/** The columns to learn from: those named, or all but label and weight. */
export function featureNames(
  schema: readonly Field[],
  { features, label, weight }: Pick<TableOptions, "features" | "label" | "weight">,
): readonly string[] {
  const names = features ?? schema.map(({ name }) => name).filter((name) => name !== label && name !== weight);
  if (names.length === 0) throw columnUnfit(label, "it is the only column", "Give columns beside the label.");
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw columnUnfit(twice, "it is named twice", "Name each feature once.");
  if (names.includes(label)) throw columnUnfit(label, "it is the label", "Leave it out of the features.");
  return names;
}

/** The feature columns of a batch, as they were at the fit. */
export const featureColumns = (
  batch: Batch,
  features: readonly { readonly name: string; readonly kind: "number" | "category" }[],
): readonly FeatureColumn[] =>
  features.map(({ name, kind }) =>
    featureColumn(name, columnOf(batch, name), { categorical: kind === "category" ? [name] : [] }),
  );

function featureColumn(
  name: string,
  column: Column,
  { categorical = [] }: Pick<TableOptions, "categorical">,
): FeatureColumn {
  const { type } = column;
  if (type === "utf8" || type === "dictionary" || categorical.includes(name)) {
    if (type === "list" || type === "binary" || type === "float32" || type === "float64")
      throw columnUnfit(name, `${type} is no type of categories`, "Make texts or integers of it, or leave it out.");
    // The empty text is how a package's inputs say that there is none.
    const texts = toArray(column).map((value) => (value === null || value === "" ? undefined : String(value)));
    return { name, kind: "category", texts };
  }
  if (isNumericType(type) || type === "bool") return { name, kind: "number", values: asFloat64(column) };
  throw columnUnfit(name, `its type is ${type}`, "Make numbers or texts of it, or leave it out of the features.");
}

function labelsOf(
  name: string,
  column: Column,
  task: TableOptions["task"],
  known?: readonly string[],
): Pick<Table, "classes" | "labels"> {
  return task === "multiclass"
    ? classLabels(name, column, known)
    : { labels: numberLabels(name, column, task), classes: [] };
}

function classLabels(name: string, column: Column, known?: readonly string[]): Pick<Table, "classes" | "labels"> {
  if (column.type === "list" || column.type === "binary")
    throw labelUnfit(name, `its type is ${column.type}`, "Give texts or integers.");
  const values = toArray(column);
  const row = values.findIndex(
    (value) => value === null || value === "" || (typeof value === "number" && !Number.isInteger(value)),
  );
  if (row >= 0) throw labelUnfit(name, `row ${row} has no class`, "Give a text or an integer in each row.");
  const texts = values.map(String);
  const inOrder = (a: string, b: string): number => Number(a) - Number(b) || (a < b ? -1 : 1);
  const classes = known ?? [...new Set(texts)].toSorted(inOrder);
  const stranger = texts.findIndex((text) => !classes.includes(text));
  if (stranger >= 0)
    throw labelUnfit(
      name,
      `row ${stranger} has "${texts[stranger]}", a class without training rows`,
      "Leave such rows out of the validation rows.",
    );
  const positions = new Map(classes.map((text, index) => [text, index]));
  return { classes, labels: Float64Array.from(texts, (text) => positions.get(text) as number) };
}

function numberLabels(name: string, column: Column, task: TableOptions["task"]): Float64Array {
  if (!(isNumericType(column.type) || column.type === "bool"))
    throw labelUnfit(name, `its type is ${column.type}`, "Give numbers or booleans.");
  const labels = asFloat64(column);
  const fits = task === "binary" ? (value: number) => value === 0 || value === 1 : Number.isFinite;
  const row = labels.findIndex((value) => !fits(value));
  if (row < 0) return labels;
  const wanted = task === "binary" ? "0 or 1, false or true" : "a finite number";
  throw labelUnfit(name, `row ${row} has ${labels[row]}`, `Give ${wanted} in each row, or filter the row out.`);
}

function weightsOf(name: string, column: Column): Float64Array {
  if (!isNumericType(column.type)) throw columnUnfit(name, `as a weight, its type is ${column.type}`, "Give numbers.");
  const weights = asFloat64(column);
  const row = weights.findIndex((value) => !(value >= 0 && value < Infinity));
  if (row >= 0) throw weightUnfit(name, row, weights[row] as number);
  return weights;
}
