import { ANY, BOOLEAN, DuckDBScalarFunction, INTEGER, type DuckDBConnection } from "@duckdb/node-api";
import duckdb, { type DataChunk } from "@duckdb/node-bindings";
import { fromDuckDb } from "./errors.ts";

/** The function that shows the rows of a query to JavaScript: `SELECT count(millwright_visit(7, a, b)) FROM …`. */
const VISIT_FUNCTION = "millwright_visit";

/** Looks at the columns of a chunk, counted from 0: memory of DuckDB's, good until it returns. */
export type Visitor = (vectorOf: (column: number) => duckdb.Vector, rows: number) => void;

/**
 * Queries whose rows are looked at where DuckDB holds them, in their order. A stream's chunks are copies that stay until JavaScript's collector runs; these are neither.
 */
export interface Visits {
  /** @returns the function's call, but for the columns; good until `remove`. */
  add(visitor: Visitor): Visit;
}

export interface Visit {
  /** The query that visits these columns, quoted already, of another one. */
  sql(columns: readonly string[], source: string): string;
  remove(): void;
}

/** One generic function, because DuckDB can neither replace nor drop a function from here. */
export function registerVisitFunction(connection: DuckDBConnection): Visits {
  const visitors = new Map<number, Visitor>();
  let counter = 0;
  const visit = DuckDBScalarFunction.create({
    name: VISIT_FUNCTION,
    parameterTypes: [INTEGER],
    varArgsType: ANY,
    returnType: BOOLEAN,
    // Rows with nulls are shown too, and equal rows each.
    specialHandling: true,
    volatile: true,
    mainFunction: () => {},
  });
  // Without the objects that the client would make of every chunk and of the result, which nobody looks at.
  duckdb.scalar_function_set_function(visit.scalar_function, (_info, chunk) => {
    const rows = duckdb.data_chunk_get_size(chunk);
    if (rows === 0) return;
    const visitor = visitors.get(handleOf(chunk));
    if (visitor === undefined) throw fromDuckDb("Invalid Input Error: nobody visits under this handle");
    visitor((column) => duckdb.data_chunk_get_vector(chunk, column + 1), rows);
  });
  connection.registerScalarFunction(visit);
  return {
    add(visitor) {
      const handle = (counter = (counter + 1) | 0);
      visitors.set(handle, visitor);
      return {
        sql: (columns, source) =>
          `SELECT count(${VISIT_FUNCTION}(${[handle, ...columns].join(", ")})) FROM (${inOrder(source)}) AS visited`,
        remove: () => void visitors.delete(handle),
      };
    },
  };
}

/** Rows that are counted to a limit go through one thread, which keeps their order; JavaScript, which waits for each of them, has no more than one either. */
const inOrder = (source: string): string => `SELECT * FROM (${source}\n) AS source LIMIT ${2n ** 62n}`;

/** The first argument stands in every row. */
function handleOf(chunk: DataChunk): number {
  const bytes = duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk, 0), Int32Array.BYTES_PER_ELEMENT);
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true);
}
