import type { BoolColumn, Column, NumericColumn } from "@millwright/contracts";
import { hasBit } from "./bitmap.ts";
import { isNumeric } from "./column.ts";
import { columnType } from "./errors.ts";

/**
 * The column as 64-bit floats, NaN at nulls: a new array, or the column's own where it is `float64` without nulls.
 * 64-bit integers are rounded to nearest, exact up to 2^53 (timestamps: until the year 2255); booleans are 0 and 1.
 * Throws `DATA_COLUMN_TYPE` for text, bytes, dictionaries and lists.
 */
export function asFloat64(column: Column): Float64Array {
  if (column.type === "float64" && column.validity === undefined) return column.values.subarray(0, column.length);
  const floats = new Float64Array(column.length);
  writeFloat64(column, floats);
  return floats;
}

/** As `asFloat64`, into `target`, for the rows from `start` on that fit in it. */
export function writeFloat64(column: Column, target: Float64Array, start = 0): void {
  const rows = Math.min(target.length, column.length - start);
  if (column.type === "bool") writeBools(column, target, start, rows);
  else if (isNumeric(column)) writeNumbers(column, target, start, rows);
  else throw columnType("", column.type, "a numeric or boolean type");
  const { validity } = column;
  if (validity === undefined) return;
  for (let row = 0; row < rows; row += 1) {
    if ((((validity[(start + row) >> 3] ?? 0) >> ((start + row) & 7)) & 1) === 0) target[row] = Number.NaN;
  }
}

function writeBools(column: BoolColumn, target: Float64Array, start: number, rows: number): void {
  for (let row = 0; row < rows; row += 1) target[row] = hasBit(column.values, start + row) ? 1 : 0;
}

/** As `writeFloat64`, without a look at nulls. */
export function writeNumbers(column: NumericColumn, target: Float64Array, start: number, rows: number): void {
  switch (column.type) {
    case "int64":
    case "timestamp":
      return writeWide(column.values, target, start, rows, true);
    case "uint64":
      return writeWide(column.values, target, start, rows, false);
    default:
      target.set(column.values.subarray(start, start + rows));
  }
}

/** Reads the 32-bit halves: twenty times faster than `Number(bigint)`, and one rounding as there, so equal to the bit. */
function writeWide(
  values: BigInt64Array | BigUint64Array,
  target: Float64Array,
  start: number,
  rows: number,
  signed: boolean,
): void {
  const low = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  const high = signed ? new Int32Array(values.buffer, values.byteOffset, values.length * 2) : low;
  for (let row = 0, word = start * 2; row < rows; row += 1, word += 2) {
    target[row] = (high[word + 1] ?? 0) * 0x100000000 + (low[word] ?? 0);
  }
}
