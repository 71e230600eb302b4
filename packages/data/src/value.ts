import {
  type Batch,
  type BytesColumn,
  type Column,
  formatEventTime,
  type JsonValue,
  type NumericColumn,
} from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { hasBit } from "./bitmap.ts";
import { isNull, isNumeric, type Value } from "./column.ts";

/** The text of bytes `start` to `end`; malformed sequences become U+FFFD. */
function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);
}

/**
 * @returns the row's value: bigint for `int64`, `uint64` and `timestamp` (microseconds), days for `date`, a view for `binary`, null where there is none.
 * Throws a RangeError for a row outside the column.
 */
export function valueAt(column: Column, row: number): Value {
  if (!(row >= 0 && row < column.length))
    throw new RangeError(`Row ${row} is outside the column's ${column.length} rows.`);
  if (isNull(column, row)) return null;
  switch (column.type) {
    case "bool":
      return hasBit(column.values, row);
    case "utf8":
      return textOf(column.values, column.offsets[row] ?? 0, column.offsets[row + 1] ?? 0);
    case "binary":
      return column.values.subarray(column.offsets[row], column.offsets[row + 1]);
    case "dictionary":
      return valueAt(column.dictionary, column.values[row] ?? 0);
    case "list": {
      const items: Value[] = [];
      const end = column.offsets[row + 1] ?? 0;
      for (let item = column.offsets[row] ?? 0; item < end; item += 1) items.push(valueAt(column.values, item));
      return items;
    }
    default:
      return column.values[row] ?? null;
  }
}

/** @returns all rows as JavaScript values, as `valueAt` gives them. */
export function toArray(column: Column): Value[] {
  if (column.type === "utf8") return textsOf(column);
  if (column.type === "dictionary") {
    const texts = textsOf(column.dictionary);
    return Array.from({ length: column.length }, (_, row) =>
      isNull(column, row) ? null : (texts[column.values[row] ?? 0] ?? null),
    );
  }
  if (isNumeric(column) && column.validity === undefined) return numbersOf(column);
  return Array.from({ length: column.length }, (_, row) => valueAt(column, row));
}

/** A loop of its own: five times as fast as `Array.from`. */
function numbersOf({ values, length }: NumericColumn): Value[] {
  const numbers: Value[] = [];
  for (let row = 0; row < length; row += 1) numbers.push(values[row] ?? null);
  return numbers;
}

/**
 * The rows as plain objects, values as `valueAt` gives them: for logs and tests, not for large tables. JSON has no bigint: an answer takes `toJsonRows`. Throws `DATA_COLUMN_MISSING`.
 * @param names Columns that are wanted, in order. Default: all.
 */
export function toRows(batch: Batch, names: readonly string[] = Object.keys(batch.columns)): Record<string, Value>[] {
  const columns = names.map((name) => [name, toArray(columnOf(batch, name))] as const);
  return Array.from({ length: batch.length }, (_, row) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values[row] ?? null])),
  );
}

/**
 * As `toRows`, for `JSON.stringify`: 64-bit integers are decimal text, timestamps ISO text in UTC with up to six decimals, dates `2024-01-31`, bytes base64,
 * and NaN, infinities and −0 text. Throws `DATA_COLUMN_MISSING`.
 */
export function toJsonRows(batch: Batch, names?: readonly string[]): Record<string, JsonValue>[] {
  return toRows(batch, names).map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, jsonOf(value, batch.columns[name]?.type)])),
  );
}

function jsonOf(value: Value, type: Column["type"] | undefined): JsonValue {
  if (typeof value === "bigint") return type === "timestamp" ? formatEventTime(value) : String(value);
  if (typeof value === "number") {
    if (type === "date") return new Date(value * 86_400_000).toISOString().slice(0, 10);
    return Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? "-0" : String(value);
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return Array.isArray(value) ? value.map((item: Value) => jsonOf(item, undefined)) : (value as JsonValue);
}

function textsOf(column: BytesColumn): (string | null)[] {
  const { values, offsets, length } = column;
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return Array.from({ length }, (_, row) =>
    isNull(column, row) ? null : bytes.toString("utf8", offsets[row], offsets[row + 1]),
  );
}
