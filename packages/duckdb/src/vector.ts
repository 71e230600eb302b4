import duckdb, { type Vector } from "@duckdb/node-bindings";
import type { Column } from "@millwright/contracts";

/** Gathers the rows of DuckDB's chunks into one column, by memory copies and without a JavaScript object a row. */
export interface ColumnReader {
  /** Copies a chunk's vector out of DuckDB. */
  load(vector: Vector, rows: number): void;
  /** Appends rows of the loaded chunk. */
  take(start: number, count: number): void;
  /** The column of what was taken; the reader is empty afterwards. */
  finish(): Column;
  /** The rows that were loaded, as a column; of DuckDB's own memory where the layouts agree, so good for as long as the vector. Nothing may have been taken. */
  view(): Column;
}

/** DuckDB's validity mask of a vector: the same layout as ours, absent when no row is null. */
export function validityOf(vector: Vector, rows: number): Uint8Array | undefined {
  // The binding's type leaves out that it answers null for a vector without nulls.
  const mask = duckdb.vector_get_validity(vector, ((rows + 63) >> 6) << 3) as Uint8Array | null;
  return mask ?? undefined;
}

/** Leaves out the key where there is no bitmap, so that equal columns are deeply equal. */
export function withoutAbsentValidity(column: Column): Column {
  if (column.validity !== undefined) return column;
  const { validity: _absent, ...rest } = column;
  return rest;
}
