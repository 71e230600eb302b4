import {
  abortable,
  unsupported,
  type Dataset,
  type DatasetPart,
  type DatasetRef,
  type Digest,
  type Schema,
} from "@millwright/contracts";
import { digestBatches, type ProfilableDataset } from "@millwright/data";
import type { Connections } from "./connections.ts";
import { refChanged } from "./errors.ts";
import { profileQuery } from "./profile-query.ts";
import { projection, type Query, selectFields } from "./query.ts";
import { BATCH_ROWS, stream } from "./statements.ts";

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
export function createSqlDataset(connections: Connections, options: SqlDatasetOptions): ProfilableDataset {
  const { query, schema, rows, parts, slice } = options;
  const batches: Dataset["batches"] = ({ columns, batchRows = BATCH_ROWS, signal } = {}) => {
    const selected = selectFields(schema, columns);
    return stream(connections, projection(query.sql, columns), {
      params: query.params,
      where: query.where,
      files: query.files,
      schema: selected,
      batchRows,
      signal,
    });
  };
  const digest = keptDigest(options, batches);
  const dataset: Dataset = {
    schema,
    ...(rows === undefined ? {} : { rows }),
    batches,
    ...(slice === undefined
      ? {}
      : { slice: (startRow: number, endRow: number) => createSqlDataset(connections, slice(startRow, endRow)) }),
    digest: ({ signal } = {}) => handedOn(digest(signal)),
    ref: ({ signal } = {}) => handedOn(refOf(options, digest, signal)),
  };
  const areParquet = parts !== undefined && parts.every(({ format }) => format === "parquet");
  const paths = areParquet ? parts.map(({ path }) => path) : undefined;
  origins.set(dataset, { connections, query });
  const source = { connections, query, schema, rows, paths };
  const profile: ProfilableDataset["profile"] = (asked) => handedOn(profileQuery(source, asked));
  return Object.defineProperty(dataset, "profile", { value: profile });
}

type DigestReader = (signal: AbortSignal | undefined) => Promise<Digest>;

/** Reads the rows once; what was found holds for as long as their files are what they were. */
function keptDigest({ query, schema, expected }: SqlDatasetOptions, batches: Dataset["batches"]): DigestReader {
  let known: Promise<Digest> | undefined;
  const readDigest = async (signal?: AbortSignal): Promise<Digest> => {
    const digest = await digestBatches(schema, batches({ signal }));
    if (expected !== undefined && digest !== expected) throw refChanged(expected, digest);
    return digest;
  };
  return async (signal) => {
    signal?.throwIfAborted();
    if (known !== undefined) {
      const found = await abortable(known, signal);
      await query.files?.check();
      return found;
    }
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
}

async function refOf(
  { query, schema, rows, parts, expected }: SqlDatasetOptions,
  digest: DigestReader,
  signal: AbortSignal | undefined,
): Promise<DatasetRef> {
  signal?.throwIfAborted();
  if (parts === undefined) {
    throw unsupported("A reference to the rows of a query", "Write them with writeParquet, then scan the files.");
  }
  await query.files?.check();
  return {
    formatVersion: 1,
    digest: expected ?? (await digest(signal)),
    schema,
    ...(rows === undefined ? {} : { rows }),
    parts,
  };
}

/** Where the rows of our own datasets come from: what is made of them needs no detour through JavaScript. */
const origins = new WeakMap<Dataset, Origin>();

interface Origin {
  readonly connections: Connections;
  readonly query: Query;
}

/** @returns the query that gives the dataset's rows in this instance of DuckDB; undefined where it is another's. */
export function queryBehind(connections: Connections, dataset: Dataset): Query | undefined {
  const origin = origins.get(dataset);
  return origin?.connections === connections ? origin.query : undefined;
}

/** References are handed on as promises; where nobody has come to await one yet, its failure must not end the process. */
function handedOn<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => {});
  return promise;
}
