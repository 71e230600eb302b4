import type { Batch, BytesColumn, Column } from "../column.ts";

const bit = (bitmap: Uint8Array, index: number): boolean => (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;

const bytesAt = (column: BytesColumn, row: number): Uint8Array =>
  column.values.slice(column.offsets[row], column.offsets[row + 1]);

/** One row's value in plain JavaScript; null where the row is null. */
export function cellOf(column: Column, row: number): unknown {
  if (column.validity !== undefined && !bit(column.validity, row)) return null;
  switch (column.type) {
    case "bool":
      return bit(column.values, row);
    case "utf8":
      return new TextDecoder().decode(bytesAt(column, row));
    case "binary":
      return [...bytesAt(column, row)];
    case "dictionary":
      return cellOf(column.dictionary, column.values[row] ?? -1);
    case "list": {
      const start = column.offsets[row] ?? 0;
      const length = (column.offsets[row + 1] ?? 0) - start;
      return Array.from({ length }, (_, index) => cellOf(column.values, start + index));
    }
    default:
      return column.values[row];
  }
}

/** One row of a batch as an object. */
export function rowOf(batch: Batch, row: number): Record<string, unknown> {
  return Object.fromEntries(Object.entries(batch.columns).map(([name, column]) => [name, cellOf(column, row)]));
}

export function rowsOf(batch: Batch): Record<string, unknown>[] {
  return Array.from({ length: batch.length }, (_, row) => rowOf(batch, row));
}
