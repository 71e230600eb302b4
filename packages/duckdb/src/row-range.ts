import type { DatasetPart, Schema } from "@millwright/contracts";
import { castField, emptySql, list, whereOf } from "./file-sql.ts";
import type { FilesWatch } from "./file-watch.ts";
import type { SqlDatasetOptions } from "./sql-dataset.ts";

/**
 * Reads some rows of Parquet files: DuckDB leaves out the files and row groups without any of them, and decodes what is left.
 * @returns undefined where it is not known how many rows each file has, or files are text, or a column is in the way.
 */
export function sliceOf(parts: readonly DatasetPart[], schema: Schema, files: FilesWatch): SqlDatasetOptions["slice"] {
  if (parts.some(({ format, rows }) => format !== "parquet" || rows === undefined)) return undefined;
  if (schema.some(({ name }) => name === "file_row_number")) return undefined; // DuckDB's name for what it is read by
  const total = parts.reduce((rows, part) => rows + (part.rows as number), 0);
  return (startRow, endRow) => {
    const [start, end] = [clamped(startRow, total), clamped(endRow, total)];
    return sliceBetween({ parts, schema, files }, start, Math.max(start, end));
  };
}

function clamped(row: number, total: number): number {
  if (!(row >= 0 && (Number.isSafeInteger(row) || row === Infinity)))
    throw new RangeError(`A row number must be a whole number from 0, not ${String(row)}.`);
  return Math.min(row, total);
}

interface StoredRows {
  readonly parts: readonly DatasetPart[];
  readonly schema: Schema;
  readonly files: FilesWatch;
}

function sliceBetween({ parts, schema, files }: StoredRows, start: number, end: number): SqlDatasetOptions {
  const fields = schema.map(castField).join(", ");
  const queries: string[] = [];
  const paths: string[] = [];
  let whole: string[] = [];
  const flush = (): void => {
    if (whole.length > 0) queries.push(`SELECT ${fields} FROM read_parquet(${list(whole)})`);
    whole = [];
  };
  let row = 0;
  for (const { path, rows = 0 } of parts) {
    const [from, to] = [Math.max(0, start - row), Math.min(rows, end - row)];
    row += rows;
    if (from >= to) continue;
    paths.push(path);
    if (to - from === rows) {
      whole.push(path);
      continue;
    }
    flush();
    queries.push(
      `SELECT ${fields} FROM read_parquet(${list([path])}, file_row_number = true) WHERE file_row_number >= ${from} AND file_row_number < ${to}`,
    );
  }
  flush();
  const sql = queries.length === 0 ? emptySql(schema) : queries.join(" UNION ALL ");
  const inner = sliceOf(parts, schema, files) as NonNullable<SqlDatasetOptions["slice"]>;
  return {
    query: { sql, params: [], where: whereOf(paths), files: files.of(paths) },
    schema,
    rows: end - start,
    slice: (from, to) => inner(Math.min(end, start + from), Math.min(end, start + to)),
  };
}
