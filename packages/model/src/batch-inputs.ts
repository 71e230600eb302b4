import {
  type Batch,
  type Column,
  type ModelManifest,
  type Schema,
  type Tensor,
  type TensorSpec,
  type Tensors,
  modelCorrupt,
} from "@millwright/contracts";
import {
  type FittedTransforms,
  type ValueInput,
  asFloat64,
  assertTransformable,
  batchOf,
  column,
  compileTransforms,
  isNull,
  parseTransforms,
  toArray,
  transformSchema,
} from "@millwright/data";
import { batchMismatch } from "./errors.ts";

/** Values of one row by column name. */
export type RowValues = Readonly<Record<string, unknown>>;

/** Turns columns, or the values of one row, into the inputs of a model. */
export interface ColumnInputs {
  /** The columns that the transforms read, by name; absent where there are none. */
  readonly columns: Schema | undefined;
  /** Throws `DATA_SCHEMA_MISMATCH`, `MODEL_BATCH_MISMATCH` unless batches of the schema can be turned into inputs. */
  check(schema: Schema): void;
  /** @param missingText What a null becomes in an input of texts; without it such a null is refused. */
  batch(batch: Batch, missingText?: string): Tensors;
  row(values: RowValues, missingText?: string): Tensors;
}

/**
 * How the package takes columns: through its transforms, where it has them, into its one float32 input of shape [-1, width]. Throws
 * `PORT_MODEL_CORRUPT` where they do not fit each other.
 */
export function columnInputs(
  directory: string,
  manifest: Pick<ModelManifest, "signature" | "transforms">,
): ColumnInputs {
  const fitted = storedTransforms(directory, manifest);
  if (fitted === undefined) return namedInputs(manifest.signature.inputs);
  const problem = transformsProblem(fitted, manifest.signature.inputs);
  if (problem !== undefined) throw modelCorrupt(directory, problem);
  return transformedInputs(fitted, manifest.signature.inputs);
}

/**
 * The package's transforms. Throws `PORT_MODEL_CORRUPT` where they cannot be read: of a kind that this release does not know, or with a schema
 * digest that is not that of the columns which their steps read.
 */
export function storedTransforms(
  directory: string,
  { transforms }: Pick<ModelManifest, "transforms">,
): FittedTransforms | undefined {
  if (transforms === undefined) return undefined;
  try {
    return parseTransforms(transforms);
  } catch (error) {
    throw modelCorrupt(directory, "its transforms cannot be read", error);
  }
}

/** @returns why a model with these inputs cannot take what the transforms give; undefined where it can. */
export function transformsProblem(fitted: FittedTransforms, inputs: readonly TensorSpec[]): string | undefined {
  const { width } = compileTransforms(fitted);
  const [only] = inputs;
  const fits =
    only?.dtype === "float32" && only.shape.length === 2 && (only.shape[1] === width || only.shape[1] === -1);
  if (only !== undefined && inputs.length === 1 && fits) return undefined;
  return `its transforms give ${width} columns, and its signature does not take them as one float32 input of shape [-1, ${width}]`;
}

function transformedInputs(fitted: FittedTransforms, inputs: readonly TensorSpec[]): ColumnInputs {
  const compiled = compileTransforms(fitted);
  const { width } = compiled;
  const { name } = inputs[0] as TensorSpec;
  return {
    columns: transformSchema(fitted),
    check: (schema) => assertTransformable(fitted, schema),
    batch(batch) {
      const { dtype, shape, data } = compiled.batch(batch);
      return { [name]: { dtype, shape, data } };
    },
    row: (values) => ({ [name]: { dtype: "float32", shape: [1, width], data: compiled.row(values) } }),
  };
}

/**
 * How a package without transforms takes columns: each input from the column of its name, of shape [rows] or [rows, 1]; or the one input, of
 * shape [rows, width], from `width` columns side by side in the batch's order.
 */
function namedInputs(inputs: readonly TensorSpec[]): ColumnInputs {
  const [only] = inputs;
  const fromBatch = (batch: Batch, missingText?: string): Tensors => {
    if (inputs.every(({ name }) => Object.hasOwn(batch.columns, name))) {
      return Object.fromEntries(inputs.map((spec) => [spec.name, columnTensor(spec, batch, missingText)]));
    }
    if (inputs.length === 1 && only !== undefined) return { [only.name]: matrixTensor(only, batch) };
    throw columnsMismatch(Object.keys(batch.columns));
  };
  const columnsMismatch = (names: readonly string[]): Error =>
    batchMismatch(
      `its columns are ${names.join(", ")}`,
      `The model takes the columns ${inputs.map(({ name }) => name).join(", ")}.`,
    );
  return {
    columns: undefined,
    check(schema) {
      const names = schema.map(({ name }) => name);
      const width = only?.shape.length === 2 ? only.shape[1] : undefined;
      const sideBySide = inputs.length === 1 && (width === -1 || width === names.length);
      if (!sideBySide && !inputs.every(({ name }) => names.includes(name))) throw columnsMismatch(names);
    },
    batch: fromBatch,
    row: (values, missingText) =>
      plainRow(inputs, values, missingText) ?? fromBatch(rowBatch(inputs, values), missingText),
  };
}

/**
 * The inputs of a row whose values are numbers for floats and texts for strings, one for each input and no others: what columns would make of them.
 * @returns undefined for any other row.
 */
function plainRow(
  inputs: readonly TensorSpec[],
  values: RowValues,
  missingText: string | undefined,
): Tensors | undefined {
  if (Object.keys(values).length !== inputs.length) return undefined;
  const tensors: Record<string, Tensor> = {};
  for (const { name, dtype, shape } of inputs) {
    if (!Object.hasOwn(values, name) || shape.length > 2 || (shape.length === 2 && shape[1] !== 1)) return undefined;
    const value = values[name] ?? (dtype === "string" ? missingText : Number.NaN);
    const one = shape.length === 2 ? [1, 1] : [1];
    if (dtype === "float64" && typeof value === "number")
      tensors[name] = { dtype, shape: one, data: Float64Array.of(value) };
    else if (dtype === "float32" && typeof value === "number")
      tensors[name] = { dtype, shape: one, data: Float32Array.of(value) };
    else if (dtype === "string" && typeof value === "string") tensors[name] = { dtype, shape: one, data: [value] };
    else return undefined;
  }
  return tensors;
}

/** A batch of one row. A null has the type of its input, which nothing else tells. */
function rowBatch(inputs: readonly TensorSpec[], values: RowValues): Batch {
  const columnFor = (name: string, value: unknown): Column | readonly ValueInput[] => {
    if (value != null) return [value as ValueInput];
    return column(inputs.find((spec) => spec.name === name)?.dtype === "string" ? "utf8" : "float64", [null]);
  };
  return batchOf(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, columnFor(name, value)])));
}

/** Columns side by side, as one row-major matrix; nulls become NaN. */
function matrixTensor({ name, dtype, shape }: TensorSpec, batch: Batch): Tensor {
  const columns = Object.values(batch.columns);
  const width = shape.length === 2 ? shape[1] : undefined;
  const fits =
    (dtype === "float32" || dtype === "float64") && width !== undefined && (width === -1 || width === columns.length);
  if (!fits) {
    throw batchMismatch(
      `it has ${columns.length} columns for the input "${name}", ${dtype} of shape [${shape.join(", ")}]`,
      "Give a batch with a column for each feature, in the order of the training data, or pack the model with its transforms.",
    );
  }
  const stride = columns.length;
  const data = dtype === "float32" ? new Float32Array(batch.length * stride) : new Float64Array(batch.length * stride);
  columns.forEach((column, at) => {
    const values = asFloat64(column);
    for (let row = 0; row < batch.length; row += 1) data[row * stride + at] = values[row] as number;
  });
  return { dtype, shape: [batch.length, stride], data } as Tensor;
}

function columnTensor(spec: TensorSpec, batch: Batch, missingText: string | undefined): Tensor {
  const column = batch.columns[spec.name] as Column;
  const { name, dtype, shape } = spec;
  if (shape.length > 2 || (shape.length === 2 && shape[1] !== 1)) {
    throw batchMismatch(
      `the input "${name}" has the shape [${shape.join(", ")}], and a column gives [rows] or [rows, 1]`,
      "Call predict with tensors.",
    );
  }
  const data = columnData(spec, column, missingText);
  return { dtype, shape: shape.length === 2 ? [batch.length, 1] : [batch.length], data } as Tensor;
}

function columnData({ name, dtype }: TensorSpec, column: Column, missingText?: string): Tensor["data"] {
  switch (dtype) {
    case "float32":
      return Float32Array.from(asFloat64(column));
    case "float64":
      return asFloat64(column);
    case "string":
      return (
        missingText === undefined ? whole(name, column) : toArray(column).map((value) => value ?? missingText)
      ).map(String);
    case "bool":
      return Uint8Array.from(whole(name, column), (value) => (value === true ? 1 : 0));
    case "int64":
      return BigInt64Array.from(whole(name, column), (value) => BigInt(value as bigint | number));
    case "int32":
      return Int32Array.from(whole(name, column), Number);
    case "int8":
    case "int16":
    case "uint8":
    case "uint16":
    case "uint32":
    case "uint64":
      throw batchMismatch(
        `the input "${name}" is of type ${dtype}, which no column is turned into`,
        "Call predict with tensors.",
      );
    default:
      throw batchMismatch(
        `the input "${name}" is of the unknown type ${String(dtype satisfies never)}`,
        "Call predict with tensors.",
      );
  }
}

/** The column's values, none of them null: only floating-point inputs can say so. */
function whole(name: string, column: Column): readonly unknown[] {
  for (let row = 0; row < column.length; row += 1) {
    if (isNull(column, row)) {
      throw batchMismatch(
        `the column "${name}" is null at row ${row}`,
        "Impute it first, for example with the model's transforms.",
      );
    }
  }
  return toArray(column);
}
