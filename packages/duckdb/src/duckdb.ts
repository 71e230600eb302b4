import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import {
  createIdSource,
  systemClock,
  type Batch,
  type CallOptions,
  type Dataset,
  type DatasetPart,
  type DatasetRef,
} from "@millwright/contracts";
import { type Profile, profileDataset, type ProfileDatasetOptions } from "@millwright/data";
import { registerBatchFunction, type BatchSources } from "./batch-source.ts";
import { createConnections, type Connections } from "./connections.ts";
import { claimDatabaseFile } from "./database-file.ts";
import { fromDuckDb } from "./errors.ts";
import { openRefDataset, scanFiles, type ScanOptions } from "./files.ts";
import { writeQuery, type WriteParquetOptions } from "./parquet-writer.ts";
import { profiledFields } from "./profile-query.ts";
import { identifier, literal, type SqlParameters } from "./sql.ts";
import type { GroupByOptions, JoinOptions, WindowOptions } from "./relation-sql.ts";
import { createRelations } from "./relations.ts";
import type { Query } from "./query.ts";
import { createSqlDataset, queryBehind } from "./sql-dataset.ts";
import { type ColumnSource, type RegisterOptions, SCRATCH, stage, stageQuery } from "./staging.ts";
import { describe, execute, stream } from "./statements.ts";
import { registerVisitFunction, type Visits } from "./visits.ts";
import { writeCsvQuery, type WriteCsvOptions, writeNdjsonQuery, type WriteNdjsonOptions } from "./text-writer.ts";

export interface DuckDbOptions extends CallOptions {
  /** The database file. Default: in memory. */
  readonly path?: string | undefined;
  /** What DuckDB may hold in memory before it spills; the process takes somewhat more. Default: 80 % of the machine's. */
  readonly memoryLimitBytes?: number | undefined;
  /** Default: one a core. */
  readonly threads?: number | undefined;
  /** Where what does not fit in memory goes; deleted on close where we made it. Default: a folder of its own in the system's. */
  readonly spillDirectory?: string | undefined;
  /** Files may be read and written only below these. Default: anywhere the process may. */
  readonly allowedDirectories?: readonly string[] | undefined;
  /** Calls that run at once; each takes one of the few threads that Node also reads files with. Default: 2. */
  readonly concurrency?: number | undefined;
}

export interface QueryOptions extends CallOptions {
  /** Values of `?` or `$1`, in order, or of `$name`, by name: one for each. Default: none. */
  readonly params?: SqlParameters | undefined;
}

export interface QueryBatchesOptions extends QueryOptions {
  /** Most rows a batch: a whole number from 1, or `Infinity` for one batch of all. Default: 65,536. */
  readonly batchRows?: number | undefined;
}

/** A table that holds columns from outside; disposing drops it. */
export interface RegisteredTable extends AsyncDisposable {
  /** Its name, quoted and qualified, as it goes into SQL. */
  readonly sql: string;
  readonly rows: number;
}

export type WriteOptions = WriteParquetOptions & QueryOptions;

/** DuckDB in this process: SQL over files and columns, in streams of batches. Times are UTC; extensions are never downloaded. */
export interface DuckDb extends AsyncDisposable {
  /** Runs one statement and walks its rows; leaving the loop early stops it. */
  query(sql: string, options?: QueryBatchesOptions): AsyncIterable<Batch>;
  /** Runs one statement for its effect. @returns how many rows it inserted, changed or deleted. */
  execute(sql: string, options?: QueryOptions): Promise<number>;
  /** A query as a dataset, run anew at each walk: give it an ORDER BY where its order is not that of a file. */
  asDataset(sql: string, options?: QueryOptions): Promise<Dataset>;
  /**
   * Opens files, or those that match a pattern, as one dataset. Throws `DUCKDB_FILE_MISSING`, `DUCKDB_FILE_CORRUPT`; what reads it throws `DUCKDB_FILE_CHANGED` once one of them is written over or
   * replaced.
   */
  scan(source: string | readonly string[], options?: ScanOptions): Promise<Dataset>;
  /** Opens a dataset that was referred to; its `digest()` checks the rows and throws `DUCKDB_REF_CHANGED`. */
  openRef(ref: DatasetRef): Dataset;
  /** Copies columns into a table that SQL can name; one of that name is replaced. It lives in memory, and spills. */
  register(name: string, source: ColumnSource, options?: RegisterOptions): Promise<RegisteredTable>;
  /**
   * Rows of two datasets whose keys are equal: the left's columns, and for `inner` and `left` the right's but for its keys. Worked out at each walk, spilling; a
   * dataset that is not of this instance is copied into a table for as long as a walk takes. Throws `DUCKDB_RELATION_INVALID`.
   */
  join(left: Dataset, right: Dataset, options: JoinOptions): Promise<Dataset>;
  /** One row for each group of rows: the columns of `by`, then the aggregates. As `join` otherwise. */
  groupBy(dataset: Dataset, options: GroupByOptions): Promise<Dataset>;
  /** The dataset's columns, with columns beside that look at the rows around each. As `join` otherwise. */
  window(dataset: Dataset, options: WindowOptions): Promise<Dataset>;
  /** Writes a query's or any columns' rows as Parquet, whole or not at all. @returns the files, ordered by path. */
  writeParquet(source: string | ColumnSource, path: string, options?: WriteOptions): Promise<readonly DatasetPart[]>;
  /**
   * The profile of a dataset's rows, as `profileDataset` gives it, which asks datasets of this package for it too: for less time and memory than batches. Parquet columns of few different values are
   * counted by DuckDB, and the rows of others are looked at where they are read, in their order. Mean and variance are equal up to rounding, and what is kept of many texts within its
   * error; the same file has the same profile to the bit. A dataset of elsewhere is walked. Throws `DUCKDB_FILE_CHANGED`.
   */
  profile(dataset: Dataset, options?: ProfileDatasetOptions): Promise<Profile>;
  /**
   * Writes a query's or any columns' rows as CSV (RFC 4180), whole or not at all. Bytes are written `\\xAA`, NaN and infinities `nan`, `inf`.
   * Throws `PORT_UNSUPPORTED` for lists.
   */
  writeCsv(source: string | ColumnSource, path: string, options?: WriteCsvOptions & QueryOptions): Promise<DatasetPart>;
  /**
   * Writes a query's or any columns' rows as NDJSON, whole or not at all. Throws `DUCKDB_CONVERSION_FAILED` for NaN and infinities,
   * `PORT_UNSUPPORTED` for binary columns.
   */
  writeNdjson(
    source: string | ColumnSource,
    path: string,
    options?: WriteNdjsonOptions & QueryOptions,
  ): Promise<DatasetPart>;
}

let instances = 0;

/** Opens DuckDB. Throws `DUCKDB_ALREADY_OPEN`, `DUCKDB_FILE_LOCKED`, `DUCKDB_WORKER_REFUSED`, `DUCKDB_DATABASE_CORRUPT`. */
export async function openDuckDb(options: DuckDbOptions = {}): Promise<DuckDb> {
  const { path, spillDirectory, concurrency = 2, signal } = options;
  signal?.throwIfAborted();
  const claim = path === undefined || path === ":memory:" ? undefined : await claimDatabaseFile(resolve(path));
  const spill = resolve(spillDirectory ?? join(tmpdir(), `millwright-duckdb-${process.pid}-${++instances}`));
  try {
    const instance = await createInstance(claim?.path ?? ":memory:", spill, options);
    const functions = await prepareInstance(instance, spill, options).catch((error: unknown) => {
      instance.closeSync();
      throw error;
    });
    const connections = createConnections(instance, prepareConnection, { concurrency, visits: functions.visits });
    return createDuckDb(connections, functions.sources, async () => {
      await connections.close();
      claim?.release();
      if (spillDirectory === undefined) await rm(spill, { recursive: true, force: true });
    });
  } catch (error) {
    claim?.release();
    signal?.throwIfAborted();
    throw fromDuckDb(error, claim?.path);
  }
}

async function createInstance(path: string, spill: string, options: DuckDbOptions): Promise<DuckDBInstance> {
  const { memoryLimitBytes, threads } = options;
  return DuckDBInstance.create(path, {
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    temp_directory: spill,
    // The cache takes a file rewritten within a second for unchanged; the system's own cache serves local files as well.
    enable_external_file_cache: "false",
    ...(memoryLimitBytes === undefined ? {} : { memory_limit: `${Math.floor(memoryLimitBytes / 1024)}KiB` }),
    ...(threads === undefined ? {} : { threads: String(threads) }),
  });
}

/** What SQL can call of ours. */
interface Functions {
  readonly sources: BatchSources;
  readonly visits: Visits;
}

/** What holds for all connections; then the settings are locked, so that no SQL can loosen them. */
async function prepareInstance(
  instance: DuckDBInstance,
  spill: string,
  { allowedDirectories, signal }: DuckDbOptions,
): Promise<Functions> {
  const connection = await instance.connect();
  try {
    await connection.run(`ATTACH ':memory:' AS ${SCRATCH}`);
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    const functions = { sources: registerBatchFunction(connection), visits: registerVisitFunction(connection) };
    if (allowedDirectories !== undefined) {
      const allowed = [...allowedDirectories.map((directory) => resolve(directory)), spill];
      await connection.run(`SET allowed_directories = [${allowed.map((each) => literal(`${each}/`)).join(", ")}]`);
      await connection.run("SET enable_external_access = false");
    }
    await connection.run("SET lock_configuration = true");
    signal?.throwIfAborted();
    return functions;
  } finally {
    connection.closeSync();
  }
}

async function prepareConnection(connection: DuckDBConnection): Promise<void> {
  await connection.run(`SET search_path = 'main,${SCRATCH}'`);
}

function createDuckDb(connections: Connections, sources: BatchSources, close: () => Promise<void>): DuckDb {
  const ids = createIdSource(systemClock);

  const asDataset: DuckDb["asDataset"] = async (sql, { params = [], signal } = {}) => {
    const schema = await describe(connections, sql, { params, signal });
    return createSqlDataset(connections, { query: { sql, params }, schema });
  };
  const register: DuckDb["register"] = async (name, source, options) => {
    const sql = `${SCRATCH}.main.${identifier(name)}`;
    const drop = async (): Promise<void> => {
      await execute(connections, `DROP TABLE IF EXISTS ${sql}`);
    };
    try {
      const query = "batches" in source ? queryBehind(connections, source) : undefined;
      const own = query && (await stageQuery(connections, sql, { query, schema: (source as Dataset).schema }, options));
      const rows = own ?? (await stage(connections, sources, sql, source, options));
      return { sql, rows, [Symbol.asyncDispose]: drop };
    } catch (error) {
      await drop().catch(() => {});
      throw error;
    }
  };
  /** Hands on the query behind a source; columns from outside become a table for as long as it is written. */
  const asQuery = async <Written>(
    source: string | ColumnSource,
    options: QueryOptions,
    write: (query: Query) => Promise<Written>,
  ): Promise<Written> => {
    if (typeof source === "string") return write({ sql: source, params: options.params ?? [] });
    const own = "batches" in source ? queryBehind(connections, source) : undefined;
    if (own !== undefined) return write(own);
    await using table = await register(`__millwright_write_${ids.next()}`, source, { signal: options.signal });
    return await write({ sql: `SELECT * FROM ${table.sql}`, params: [] });
  };
  return {
    query: (sql, options) => stream(connections, sql, options),
    execute: (sql, options) => execute(connections, sql, options),
    asDataset,
    scan: (source, options) => scanFiles(connections, source, options),
    openRef: (ref) => openRefDataset(connections, ref),
    register,
    ...createRelations(connections, register),
    async profile(dataset, options = {}) {
      profiledFields(dataset.schema, options.columns);
      return await profileDataset(dataset, options);
    },
    writeParquet: (source, path, options = {}) =>
      asQuery(source, options, (query) => writeQuery(connections, query, path, options)),
    writeCsv: (source, path, options = {}) =>
      asQuery(source, options, (query) => writeCsvQuery(connections, query, path, options)),
    writeNdjson: (source, path, options = {}) =>
      asQuery(source, options, (query) => writeNdjsonQuery(connections, query, path, options)),
    [Symbol.asyncDispose]: close,
  };
}
