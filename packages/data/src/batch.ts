import type { Batch, Column, Field, NumericArrays, NumericType, Schema } from "@millwright/contracts";
import { column, numericColumn, type ValueInput } from "./column.ts";
import { columnMissing, lengthMismatch, schemaMismatch, typeAmbiguous } from "./errors.ts";

/** What `batchOf` takes for a column: a column, a typed array (not copied), or plain values whose type can be told. */
export type ColumnInput = Column | NumericArrays[NumericType] | readonly ValueInput[];

/**
 * Puts named columns together. Plain arrays become `float64`, `int64` (bigint), `utf8`, `bool`, `timestamp` (Date) or `binary`.
 * Throws `DATA_LENGTH_MISMATCH`, `DATA_TYPE_AMBIGUOUS`, `DATA_VALUE_INVALID`.
 */
export function batchOf(columns: Readonly<Record<string, ColumnInput>>): Batch {
  const built = Object.entries(columns).map(([name, input]) => [name, columnFrom(name, input)] as const);
  const length = built[0]?.[1].length ?? 0;
  for (const [name, each] of built) if (each.length !== length) throw lengthMismatch(name, each.length, length);
  return { length, columns: Object.fromEntries(built) };
}

function columnFrom(name: string, input: ColumnInput): Column {
  if (ArrayBuffer.isView(input)) return numericColumn(typeOfArray(input), input);
  if ("type" in input) return input;
  return column(typeOfValues(name, input), input);
}

function typeOfArray(values: NumericArrays[NumericType]): NumericType {
  if (values instanceof Float64Array) return "float64";
  if (values instanceof Float32Array) return "float32";
  if (values instanceof Int32Array) return "int32";
  if (values instanceof BigInt64Array) return "int64";
  if (values instanceof Uint8Array) return "uint8";
  if (values instanceof Int8Array) return "int8";
  if (values instanceof Int16Array) return "int16";
  if (values instanceof Uint16Array) return "uint16";
  if (values instanceof Uint32Array) return "uint32";
  return "uint64";
}

function typeOfValues(
  name: string,
  values: readonly ValueInput[],
): "float64" | "int64" | "utf8" | "bool" | "timestamp" | "binary" {
  const first = values.find((value) => value != null);
  if (first == null) throw typeAmbiguous(name, "no row has a value");
  if (typeof first === "number") return "float64";
  if (typeof first === "bigint") return "int64";
  if (typeof first === "string") return "utf8";
  if (typeof first === "boolean") return "bool";
  if (first instanceof Date) return "timestamp";
  if (first instanceof Uint8Array) return "binary";
  throw typeAmbiguous(name, "lists need the type of their items");
}

/** @returns the field that describes the column. */
export function fieldOf(name: string, each: Column): Field {
  return each.type === "list" ? { name, type: each.type, items: each.values.type } : { name, type: each.type };
}

/** @returns the schema of the batch, in the order of its columns. Whether rows may be null is left open. */
export function schemaOf(batch: Batch): Schema {
  return Object.entries(batch.columns).map(([name, each]) => fieldOf(name, each));
}

/** @returns the named column. Throws `DATA_COLUMN_MISSING`. */
export function columnOf(batch: Batch, name: string): Column {
  const found = Object.hasOwn(batch.columns, name) ? batch.columns[name] : undefined;
  if (found === undefined) throw columnMissing(name, Object.keys(batch.columns));
  return found;
}

/** @returns the batch with only these columns, in this order. Throws `DATA_COLUMN_MISSING`. */
export function selectColumns(batch: Batch, names: readonly string[]): Batch {
  return { length: batch.length, columns: Object.fromEntries(names.map((name) => [name, columnOf(batch, name)])) };
}

/** @returns the batch with these columns added or replaced. Throws `DATA_LENGTH_MISMATCH`. */
export function withColumns(batch: Batch, columns: Readonly<Record<string, Column>>): Batch {
  for (const [name, each] of Object.entries(columns)) {
    if (each.length !== batch.length) throw lengthMismatch(name, each.length, batch.length);
  }
  return { length: batch.length, columns: { ...batch.columns, ...columns } };
}

/** Throws `DATA_SCHEMA_MISMATCH` unless the batch has the schema's columns with their types. Order and nullability do not matter. */
export function assertSchema(schema: Schema, batch: Batch): void {
  const names = Object.keys(batch.columns);
  if (names.length !== schema.length) {
    throw schemaMismatch(`columns ${names.join(", ")} where ${schema.map(({ name }) => name).join(", ")} are needed`);
  }
  for (const { name, type, items } of schema) {
    const found = fieldOf(name, columnOf(batch, name));
    if (found.type !== type || found.items !== items) {
      throw schemaMismatch(`the column "${name}" is ${described(found)}, not ${described({ name, type, items })}`);
    }
  }
}

const described = ({ type, items }: Field): string => (items === undefined ? type : `${type} of ${items}`);
