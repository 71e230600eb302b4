import type { Batch, BytesColumn, Column, ListColumn } from "@millwright/contracts";
import { clearBit, filledBitmap, hasBit, setBit, sliceBits } from "./bitmap.ts";
import { numericArray, numericColumn } from "./column.ts";
import { columnTooLarge } from "./errors.ts";

/** Rows `start` to `end` as views on the same memory; only bitmaps that do not start on a byte are copied. */
export function sliceColumn(column: Column, start: number, end: number): Column {
  const length = end - start;
  const validity = column.validity === undefined ? {} : { validity: sliceBits(column.validity, start, length) };
  switch (column.type) {
    case "bool":
      return { type: "bool", length, values: sliceBits(column.values, start, length), ...validity };
    case "utf8":
    case "binary":
      return {
        type: column.type,
        length,
        values: column.values,
        offsets: column.offsets.subarray(start, end + 1),
        ...validity,
      };
    case "list":
      return {
        type: "list",
        length,
        values: column.values,
        offsets: column.offsets.subarray(start, end + 1),
        ...validity,
      };
    case "dictionary":
      return {
        type: "dictionary",
        length,
        values: column.values.subarray(start, end),
        dictionary: column.dictionary,
        ...validity,
      };
    default:
      return numericColumn(column.type, column.values.subarray(start, end), { length, validity: validity.validity });
  }
}

/** Rows `start` to `end` (exclusive, clamped) as views on the same memory. Default `end`: the last row. */
export function sliceBatch(batch: Batch, start: number, end: number = batch.length): Batch {
  const from = Math.min(Math.max(0, start), batch.length);
  const to = Math.min(Math.max(from, end), batch.length);
  if (from === 0 && to === batch.length) return batch;
  return mapColumns(batch, to - from, (column) => sliceColumn(column, from, to));
}

/** The rows at these positions, in this order, copied. Throws a RangeError for a position outside the batch. */
export function takeRows(batch: Batch, rows: Int32Array): Batch {
  for (const row of rows) {
    if (!(row >= 0 && row < batch.length))
      throw new RangeError(`Row ${row} is outside the batch's ${batch.length} rows.`);
  }
  return mapColumns(batch, rows.length, (column) => takeColumn(column, rows));
}

function mapColumns(batch: Batch, length: number, change: (column: Column) => Column): Batch {
  return {
    length,
    columns: Object.fromEntries(Object.entries(batch.columns).map(([name, column]) => [name, change(column)])),
  };
}

/** The rows at these positions, copied. */
export function takeColumn(column: Column, rows: Int32Array): Column {
  const taken = takeValidity(column, rows);
  const validity = taken === undefined ? {} : { validity: taken };
  const length = rows.length;
  switch (column.type) {
    case "bool":
      return { type: "bool", length, values: takeBits(column.values, rows), ...validity };
    case "utf8":
    case "binary":
      return { ...takeBytes(column, rows), ...validity };
    case "list":
      return { ...takeLists(column, rows), ...validity };
    case "dictionary":
      return {
        type: "dictionary",
        length,
        values: takeNumbers(column.values, new Int32Array(length), rows),
        dictionary: column.dictionary,
        ...validity,
      };
    default: {
      const target = numericArray(column.type, length);
      return numericColumn(column.type, takeNumbers(column.values, target, rows), { length, validity: taken });
    }
  }
}

function takeNumbers<Values extends { readonly length: number; [index: number]: unknown }>(
  source: { readonly [index: number]: unknown },
  target: Values,
  rows: Int32Array,
): Values {
  for (let index = 0; index < rows.length; index += 1) target[index] = source[rows[index] ?? 0];
  return target;
}

function takeBits(bits: Uint8Array, rows: Int32Array): Uint8Array {
  const taken = new Uint8Array((rows.length + 7) >> 3);
  for (let index = 0; index < rows.length; index += 1) if (hasBit(bits, rows[index] ?? 0)) setBit(taken, index);
  return taken;
}

function takeValidity({ validity }: Column, rows: Int32Array): Uint8Array | undefined {
  if (validity === undefined) return undefined;
  let taken: Uint8Array | undefined;
  for (let index = 0; index < rows.length; index += 1) {
    if (hasBit(validity, rows[index] ?? 0)) continue;
    taken ??= filledBitmap(rows.length);
    clearBit(taken, index);
  }
  return taken;
}

function takenOffsets(offsets: Int32Array, rows: Int32Array): Int32Array {
  const taken = new Int32Array(rows.length + 1);
  let end = 0;
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index] ?? 0;
    end += (offsets[row + 1] ?? 0) - (offsets[row] ?? 0);
    if (end > 0x7fffffff) throw columnTooLarge(end);
    taken[index + 1] = end;
  }
  return taken;
}

function takeBytes(column: BytesColumn, rows: Int32Array): BytesColumn {
  const offsets = takenOffsets(column.offsets, rows);
  const values = new Uint8Array(offsets[rows.length] ?? 0);
  for (let index = 0; index < rows.length; index += 1) {
    const from = column.offsets[rows[index] ?? 0] ?? 0;
    const to = offsets[index] ?? 0;
    const count = (offsets[index + 1] ?? 0) - to;
    for (let at = 0; at < count; at += 1) values[to + at] = column.values[from + at] ?? 0;
  }
  return { type: column.type, length: rows.length, values, offsets };
}

function takeLists(column: ListColumn, rows: Int32Array): ListColumn {
  const offsets = takenOffsets(column.offsets, rows);
  const items = new Int32Array(offsets[rows.length] ?? 0);
  for (let index = 0; index < rows.length; index += 1) {
    const from = column.offsets[rows[index] ?? 0] ?? 0;
    const to = offsets[index] ?? 0;
    const count = (offsets[index + 1] ?? 0) - to;
    for (let at = 0; at < count; at += 1) items[to + at] = from + at;
  }
  return { type: "list", length: rows.length, values: takeColumn(column.values, items), offsets };
}
