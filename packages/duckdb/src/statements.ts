import {
  ResultReturnType,
  StatementType,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  type DuckDBType,
} from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import type { Batch, CallOptions, Schema } from "@millwright/contracts";
import { createColumnReader } from "./column-reader.ts";
import { schemaOfTypes } from "./column-types.ts";
import type { Connections, HeldConnection, NativeCallOptions } from "./connections.ts";
import { fromDuckDb, paramsInvalid, schemaMismatch, streamBroken } from "./errors.ts";
import type { FileWatch } from "./file-watch.ts";
import { bindings, type Binding, type SqlParameters } from "./sql.ts";
import type { ColumnReader } from "./vector.ts";

/** Rows a batch has at most where the caller does not say. */
export const BATCH_ROWS = 65_536;

export interface StatementOptions extends CallOptions {
  /** Values of `?` or `$1`, in order, or of `$name`, by name. Default: none. */
  readonly params?: SqlParameters | undefined;
  /** What is read, for error messages. */
  readonly where?: string | undefined;
  /** Files that must be what they were, before the first row is read and after the last. */
  readonly files?: FileWatch | undefined;
}

export interface StreamOptions extends StatementOptions {
  readonly batchRows?: number | undefined;
  /** The schema the rows must have. */
  readonly schema?: Schema | undefined;
}

/** Runs a statement that gives no rows anybody wants. @returns how many rows it changed. */
export async function execute(connections: Connections, sql: string, options: StatementOptions = {}): Promise<number> {
  await lookedAt(options);
  const held = await connections.open();
  let whole = false;
  try {
    const changed = await withStatement(held, sql, options, async (statement) => {
      if (statement.statementType === StatementType.SELECT) {
        const result = await held.call(() => statement.stream(), native(options));
        for await (const _chunk of chunksOf({ result, held, sql, options }));
        return 0;
      }
      return (await held.call(() => statement.run(), native(options))).rowsChanged;
    });
    whole = true;
    await options.files?.check();
    return changed;
  } catch (error) {
    throw await causeOf(error, options);
  } finally {
    held.release(whole);
  }
}

/** The names and types of what a query gives. */
export async function describe(connections: Connections, sql: string, options: StatementOptions = {}): Promise<Schema> {
  return await describing(connections, sql, options, (result) =>
    schemaOfTypes(result.deduplicatedColumnNames(), result.columnTypes()),
  );
}

/** DuckDB's own types of what a query gives. */
export async function describeTypes(
  connections: Connections,
  sql: string,
  options: StatementOptions = {},
): Promise<readonly DuckDBType[]> {
  return await describing(connections, sql, options, (result) => result.columnTypes());
}

async function describing<Found>(
  connections: Connections,
  sql: string,
  options: StatementOptions,
  look: (result: DuckDBResult) => Found,
): Promise<Found> {
  const held = await connections.open();
  let whole = false;
  try {
    // Run, not only prepared: before parameters are bound, types that depend on them are unknown.
    const found = await withStatement(held, `SELECT * FROM (${sql}\n) AS q LIMIT 0`, options, async (statement) => {
      const result = await held.call(() => statement.stream(), native(options));
      const seen = look(result);
      await held.call(() => result.fetchChunk(), native(options));
      return seen;
    });
    whole = true;
    return found;
  } finally {
    held.release(whole);
  }
}

/** Runs a query and walks its rows; leaving the loop early stops it. */
export async function* stream(
  connections: Connections,
  sql: string,
  options: StreamOptions = {},
): AsyncGenerator<Batch> {
  const batchRows = options.batchRows ?? BATCH_ROWS;
  // Rows are counted up to it: a part of a row would never be reached.
  if (!(batchRows >= 1 && (Number.isSafeInteger(batchRows) || batchRows === Infinity)))
    throw new RangeError(`batchRows must be a whole number from 1, not ${String(batchRows)}.`);
  await lookedAt(options);
  const held = await connections.open();
  let statement: DuckDBPreparedStatement | undefined;
  let whole = false;
  try {
    statement = await prepare(held, sql, options);
    const started = statement;
    const result = await held.call(() => started.stream(), native(options));
    yield* batchesOf({ result, held, sql, options }, batchRows);
    whole = true;
    await options.files?.check();
  } catch (error) {
    throw await causeOf(error, options);
  } finally {
    statement?.destroySync();
    held.release(whole);
  }
}

async function lookedAt({ files, signal }: StatementOptions): Promise<void> {
  if (files === undefined) return;
  signal?.throwIfAborted();
  await files.check();
}

/** A file that is written over while it is read fails in many ways. */
async function causeOf(error: unknown, { files, signal }: StatementOptions): Promise<unknown> {
  if (files === undefined || signal?.aborted === true) return error;
  return await files.check().then(
    () => error,
    (change: unknown) => change,
  );
}

/** A statement whose rows are being fetched. */
interface Running<Options extends StatementOptions = StatementOptions> {
  readonly result: DuckDBResult;
  readonly held: HeldConnection;
  readonly sql: string;
  readonly options: Options;
}

async function* batchesOf(running: Running<StreamOptions>, batchRows: number): AsyncGenerator<Batch> {
  const { result, options } = running;
  const names = result.deduplicatedColumnNames();
  const types = result.columnTypes();
  if (options.schema !== undefined) checkSchema(options.schema, schemaOfTypes(names, types));
  const readers = types.map((type, index) => createColumnReader(names[index] ?? "", type));
  let gathered = 0;
  for await (const { chunk, rows } of chunksOf(running)) {
    readers.forEach((reader, index) => reader.load(duckdb.data_chunk_get_vector(chunk, index), rows));
    for (let start = 0; start < rows;) {
      const count = Math.min(rows - start, batchRows - gathered);
      for (const reader of readers) reader.take(start, count);
      start += count;
      gathered += count;
      if (gathered === batchRows) {
        gathered = 0;
        // Rows that are here already are not handed out to a caller who has left.
        options.signal?.throwIfAborted();
        yield finish(names, readers, batchRows);
      }
    }
  }
  if (gathered > 0) yield finish(names, readers, gathered);
}

function finish(names: readonly string[], readers: readonly ColumnReader[], length: number): Batch {
  // A column may be named `__proto__`.
  return { length, columns: Object.fromEntries(readers.map((reader, at) => [names[at] ?? "", reader.finish()])) };
}

async function* chunksOf(
  running: Running,
): AsyncGenerator<{ readonly chunk: duckdb.DataChunk; readonly rows: number }> {
  const { result, held, options } = running;
  // Asked for now: a result that has failed no longer knows it.
  const isQuery = result.statementType === StatementType.SELECT;
  for (;;) {
    const chunk = await held.call(() => result.fetchChunk(), native(options));
    if (chunk === null || chunk.rowCount === 0) {
      // A failure ends the chunks just as the last row does; only the kind of the result tells them apart.
      if (result.returnType === ResultReturnType.INVALID) throw await failureOf(running, isQuery);
      return;
    }
    yield { chunk: chunk.chunk, rows: chunk.rowCount };
  }
}

/** DuckDB's client does not say why a stream broke: a query is run again, without its rows, to hear it. What changes rows is not run twice. */
async function failureOf({ held, sql, options }: Running, isQuery: boolean): Promise<Error> {
  options.signal?.throwIfAborted();
  if (!isQuery) return streamBroken(options.where);
  try {
    await withStatement(held, `EXPLAIN ANALYZE ${sql}`, options, (statement) =>
      held.call(() => statement.run(), native(options)),
    );
  } catch (error) {
    options.signal?.throwIfAborted();
    return error as Error;
  }
  return streamBroken(options.where);
}

async function prepare(held: HeldConnection, sql: string, options: StatementOptions): Promise<DuckDBPreparedStatement> {
  const statement = await held.call(() => held.connection.prepare(sql), native(options));
  try {
    if (statement.statementType === StatementType.TRANSACTION) {
      throw fromDuckDb("Parser Error: a transaction cannot be left open on a connection that others use after you");
    }
    bindParameters(statement, bindings(options.params ?? []));
    return statement;
  } catch (error) {
    statement.destroySync();
    throw fromDuckDb(error, options.where);
  }
}

function bindParameters(statement: DuckDBPreparedStatement, params: readonly Binding[]): void {
  // Values that are missing or too many say little in DuckDB's words.
  const wanted = Array.from({ length: statement.parameterCount }, (_, at) => statement.parameterName(at + 1));
  const given = params.map(({ at }) => String(at));
  const problems = [
    ...wanted.filter((name) => !given.includes(name)).map((name) => `$${name} has no value`),
    ...given.filter((name) => !wanted.includes(name)).map((name) => `the statement has no $${name}`),
  ];
  if (problems.length > 0) throw paramsInvalid(problems.join(", "));
  for (const { at, value, type } of params) {
    statement.bindValue(typeof at === "number" ? at : statement.parameterIndex(at), value, type);
  }
}

async function withStatement<Result>(
  held: HeldConnection,
  sql: string,
  options: StatementOptions,
  work: (statement: DuckDBPreparedStatement) => Promise<Result>,
): Promise<Result> {
  const statement = await prepare(held, sql, options);
  try {
    return await work(statement);
  } finally {
    statement.destroySync();
  }
}

function native({ signal, where }: StatementOptions): NativeCallOptions {
  return { signal, where };
}

function checkSchema(expected: Schema, actual: Schema): void {
  expected.forEach((field, index) => {
    const found = actual[index];
    if (found?.name !== field.name || found.type !== field.type || found.items !== field.items) {
      const what = found === undefined ? "nothing" : `"${found.name}" ${found.type}`;
      throw schemaMismatch(`"${field.name}" ${field.type} was expected, and ${what} found`);
    }
  });
}
