import { DuckDBTableFunction, VARCHAR, type DuckDBConnection } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import type { Batch, Schema } from "@millwright/contracts";
import { duckTypeOf } from "./column-types.ts";
import { fromDuckDb } from "./errors.ts";
import { VECTOR_ROWS, writeVector } from "./column-writer.ts";

/** The table function through which columns enter DuckDB: `SELECT * FROM millwright_batches('handle')`. */
export const BATCH_FUNCTION = "millwright_batches";

interface Source {
  readonly schema: Schema;
  readonly batches: readonly Batch[];
}

interface Scan {
  readonly columns: readonly number[];
  readonly source: Source;
  batch: number;
  row: number;
}

/** Batches that SQL can read, by handle. One generic function, because DuckDB can neither replace nor drop a function from here. */
export interface BatchSources {
  /** @returns the handle, good until `remove`. */
  add(schema: Schema, batches: readonly Batch[]): string;
  remove(handle: string): void;
}

export function registerBatchFunction(connection: DuckDBConnection): BatchSources {
  const sources = new Map<string, Source>();
  let counter = 0;
  connection.registerTableFunction(
    DuckDBTableFunction.create({
      name: BATCH_FUNCTION,
      parameterTypes: [VARCHAR],
      supportsProjectionPushdown: true,
      bindFunction(info) {
        const source = sources.get(String(info.getParameter(0)));
        if (source === undefined) throw fromDuckDb("Binder Error: no batches are registered under this handle");
        for (const field of source.schema) info.addResultColumn(field.name, duckTypeOf(field));
        let rows = 0;
        for (const batch of source.batches) rows += batch.length;
        info.setCardinality(rows, true);
        info.setBindData(source);
      },
      initFunction(info) {
        // One thread: rows keep their order, and the callback runs on JavaScript's only thread anyway.
        info.setMaxThreads(1);
        const scan: Scan = { columns: info.getColumnIndexes(), source: info.bindData as Source, batch: 0, row: 0 };
        info.setInitData(scan);
      },
      mainFunction(info, output) {
        output.rowCount = writeNext(info.initData as Scan, output.chunk, (rows) => {
          output.rowCount = rows;
        });
      },
    }),
  );
  return {
    add(schema, batches) {
      const handle = `batches-${++counter}`;
      sources.set(handle, { schema, batches });
      return handle;
    },
    remove: (handle) => void sources.delete(handle),
  };
}

/** Writes the next rows of the scan. @returns how many; 0 at the end. */
function writeNext(scan: Scan, chunk: duckdb.DataChunk, setRows: (rows: number) => void): number {
  const { schema, batches } = scan.source;
  while (scan.batch < batches.length && scan.row >= batches[scan.batch]!.length) {
    scan.batch++;
    scan.row = 0;
  }
  const batch = batches[scan.batch];
  if (batch === undefined) return 0;
  const rows = Math.min(VECTOR_ROWS, batch.length - scan.row);
  setRows(rows);
  scan.columns.forEach((index, position) => {
    // A query that needs no column at all, count(*), asks for a row id beyond the last.
    const column = batch.columns[schema[index]?.name ?? ""];
    if (column !== undefined) writeVector(duckdb.data_chunk_get_vector(chunk, position), column, scan.row, rows);
  });
  scan.row += rows;
  return rows;
}
