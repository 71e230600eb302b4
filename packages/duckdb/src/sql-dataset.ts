import {
  abortable,
  unsupported,
  type Dataset,
  type DatasetPart,
  type DatasetRef,
  type Digest,
  type Schema,
} from "@millwright/contracts";
import { digestBatches } from "@millwright/data";
import type { Connections } from "./connections.ts";
import { refChanged } from "./errors.ts";
import { identifier, type SqlParameters } from "./sql.ts";
import { BATCH_ROWS, stream } from "./statements.ts";

/** A query as it stands behind a dataset. */
export interface Query {
  readonly sql: string;
  readonly params: SqlParameters;
  /** What it reads, for error messages. */
  readonly where?: string | undefined;
}

export interface SqlDatasetOptions {
  readonly query: Query;
  readonly schema: Schema;
  readonly rows?: number | undefined;
  /** The files that hold exactly these rows, where there are such. */
  readonly parts?: readonly DatasetPart[] | undefined;
  /** The rows between two row numbers, where the query's files can be read from there. */
  readonly slice?: ((startRow: number, endRow: number) => SqlDatasetOptions) | undefined;
  /** The digest that the rows must have. Default: whatever they have. */
  readonly expected?: Digest | undefined;
}

/** A dataset whose rows a query gives, anew at each walk. */
export function createSqlDataset(connections: Connections, options: SqlDatasetOptions): Dataset {
  const { query, schema, rows, parts, expected, slice } = options;
  let known: Promise<Digest> | undefined;

  const batches: Dataset["batches"] = ({ columns, batchRows = BATCH_ROWS, signal } = {}) => {
    const selected = selectFields(schema, columns);
    return stream(connections, projection(query.sql, columns), {
      params: query.params,
      where: query.where,
      schema: selected,
      batchRows,
      signal,
    });
  };
  const readDigest = async (signal?: AbortSignal): Promise<Digest> => {
    const digest = await digestBatches(schema, batches({ signal }));
    if (expected !== undefined && digest !== expected) throw refChanged(expected, digest);
    return digest;
  };
  const digest = async (signal: AbortSignal | undefined): Promise<Digest> => {
    signal?.throwIfAborted();
    if (known !== undefined) return abortable(known, signal);
    if (signal !== undefined) {
      // A reading that one caller may abort is no other's to wait for; what it finds is kept for all.
      const found = await readDigest(signal);
      known = Promise.resolve(found);
      return found;
    }
    known = readDigest().catch((error: unknown) => {
      // A read that failed says nothing about the content: the next call reads again.
      known = undefined;
      throw error;
    });
    return known;
  };
  const ref = async (signal: AbortSignal | undefined): Promise<DatasetRef> => {
    signal?.throwIfAborted();
    if (parts === undefined) {
      throw unsupported("A reference to the rows of a query", "Write them with writeParquet, then scan the files.");
    }
    return {
      formatVersion: 1,
      digest: expected ?? (await digest(signal)),
      schema,
      ...(rows === undefined ? {} : { rows }),
      parts,
    };
  };
  const dataset: Dataset = {
    schema,
    ...(rows === undefined ? {} : { rows }),
    batches,
    ...(slice === undefined
      ? {}
      : { slice: (startRow: number, endRow: number) => createSqlDataset(connections, slice(startRow, endRow)) }),
    digest: ({ signal } = {}) => handedOn(digest(signal)),
    ref: ({ signal } = {}) => handedOn(ref(signal)),
  };
  const areParquet = parts !== undefined && parts.every(({ format }) => format === "parquet");
  const paths = areParquet ? parts.map(({ path }) => path) : undefined;
  origins.set(dataset, { connections, query, paths });
  return dataset;
}

/** Where the rows of our own datasets come from: what is made of them needs no detour through JavaScript. */
const origins = new WeakMap<Dataset, Origin>();

interface Origin {
  readonly connections: Connections;
  readonly query: Query;
  readonly paths: readonly string[] | undefined;
}

/** @returns the query that gives the dataset's rows in this instance of DuckDB; undefined where it is another's. */
export function queryBehind(connections: Connections, dataset: Dataset): Query | undefined {
  const origin = origins.get(dataset);
  return origin?.connections === connections ? origin.query : undefined;
}

/** @returns the Parquet files that hold exactly the dataset's rows; undefined where it is a query or reads text. */
export function parquetBehind(dataset: Dataset): readonly string[] | undefined {
  return origins.get(dataset)?.paths;
}

/** References are handed on as promises; where nobody has come to await one yet, its failure must not end the process. */
function handedOn<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => {});
  return promise;
}

/** The query with only these columns, which DuckDB carries down into the files. */
export function projection(sql: string, columns: readonly string[] | undefined): string {
  return columns === undefined ? sql : `SELECT ${columns.map(identifier).join(", ")} FROM (${sql}\n) AS q`;
}

/** The fields of these columns; of all by default. */
export function selectFields(schema: Schema, columns: readonly string[] | undefined): Schema {
  if (columns === undefined) return schema;
  return columns.map((name) => {
    const field = schema.find((candidate) => candidate.name === name);
    if (field === undefined) {
      throw new RangeError(`No column is named "${name}". Columns: ${schema.map((each) => each.name).join(", ")}.`);
    }
    return field;
  });
}
