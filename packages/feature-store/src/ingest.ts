import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Batch, CallOptions, Clock, Dataset, Digest, Schema } from "@millwright/contracts";
import { createBatchDigester, emptyBatch, schemaOf, selectColumns } from "@millwright/data";
import { identifier, type DuckDb } from "@millwright/duckdb";
import type { FeatureView } from "./definition.ts";
import { batchConflict, definitionChanged } from "./errors.ts";
import type { FeatureEvents } from "./feature-events.ts";
import {
  flushDirectory,
  type HistoryBatch,
  type HistoryDraft,
  type HistoryLog,
  type HistoryPart,
} from "./history-log.ts";
import { scratchName } from "./scratch-name.ts";
import { checkColumns, sourceSchema } from "./source-columns.ts";
import { type SystemColumn, SYSTEM_COLUMNS } from "./system-columns.ts";

/** The system columns as SQL over the rows of a batch. */
type SystemValues = Readonly<Record<SystemColumn, string>>;

/** Rows of one batch have numbers of their own below this. */
export const BATCH_NUMBERS: number = 2 ** 32;

export interface IngestOptions extends CallOptions {
  /** The same id with the same rows is ingested once, however often it is sent. Default: the digest of the rows. */
  readonly batchId?: string | undefined;
}

export interface IngestResult {
  readonly batchId: string;
  readonly digest: Digest;
  /** False when the batch was there already. */
  readonly added: boolean;
  readonly rows: number;
  /** Rows left out, for a null key or a null event time. */
  readonly skippedRows: number;
}

/** What is ingested, and how its rows were written. */
export interface BatchSource {
  readonly rows: Dataset | AsyncIterable<Batch>;
  readonly origin: "ingest" | "put";
  /** Columns of the rows beside the view's, by the system column that they fill. Default: written now, not deleted, no time to live of their own. */
  readonly system?: Schema | undefined;
  readonly longestTtlMs?: number | undefined;
}

/** Everything an ingest needs of the store. */
export interface IngestTarget {
  readonly duckdb: DuckDb;
  readonly log: HistoryLog;
  readonly view: FeatureView;
  readonly clock: Clock;
  readonly events: FeatureEvents;
}

/** Writes rows to the history, all or none. Throws `FEATURE_STORE_BATCH_CONFLICT`, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`. */
export async function ingestRows(
  target: IngestTarget,
  source: BatchSource,
  options: IngestOptions = {},
): Promise<IngestResult> {
  const result = await writeBatch(target, source, options);
  await target.events.ingested(target.view, result, { signal: options.signal });
  return result;
}

async function writeBatch(
  target: IngestTarget,
  source: BatchSource,
  { batchId, signal }: IngestOptions,
): Promise<IngestResult> {
  const { duckdb, log, view, clock } = target;
  const schema = sourceSchema(view);
  const known = (await log.batches()).findLast(({ origin }) => origin !== "compaction");
  if (known !== undefined && !extendsSchema(schema, known.schema)) throw definitionChanged(view.name);
  const digester = createBatchDigester(schema);
  const names = schema.map((field) => field.name);
  const rows = checkedRows(view, [...schema, ...(source.system ?? [])], source.rows, signal, (batch) =>
    digester.update(source.system === undefined ? batch : selectColumns(batch, names)),
  );
  const writtenUs = Math.round(clock.nowMs() * 1000);
  await using table = await duckdb.register(scratchName("ingest"), rows, { signal });
  const digest = digester.digest();
  const id = batchId ?? digest;
  const present = await log.find(id);
  if (present !== undefined) return alreadyThere(view, present, digest);
  const number = await log.claim();
  const parts = await writeParts(target, table.sql, { number, system: systemValues(view, source, writtenUs) }, signal);
  const written = parts.reduce((sum, part) => sum + part.rows, 0);
  const batch: HistoryDraft = {
    id,
    digest,
    number,
    schema,
    rows: written,
    skippedRows: table.rows - written,
    parts,
    origin: source.origin,
    hasMarks: source.system !== undefined || view.deleted !== undefined,
    ...(source.longestTtlMs === undefined ? {} : { longestTtlMs: source.longestTtlMs }),
  };
  if (await log.commit(batch))
    return { batchId: id, digest, added: true, rows: written, skippedRows: batch.skippedRows };
  // Somebody else committed the same id meanwhile: what was written here belongs to nobody.
  for (const part of parts) await rm(join(log.directory, part.path), { force: true });
  return alreadyThere(view, (await log.find(id))!, digest);
}

/** Whether a schema has all columns of another one, with their types: features may be added, and read as absent in rows from before. */
const extendsSchema = (schema: Schema, known: Schema): boolean =>
  known.every(({ name, type }) => schema.some((field) => field.name === name && field.type === type));

function systemValues(view: FeatureView, { system }: BatchSource, writtenUs: number): SystemValues {
  const given = new Set(system?.map(({ name }) => name));
  const now = `make_timestamp(${writtenUs})`;
  const isDeleted = view.deleted === undefined ? "FALSE" : `coalesce(${identifier(view.deleted)}, FALSE)`;
  return {
    write_time: given.has("write_time") ? "write_time" : now,
    api_invocation_time: given.has("api_invocation_time") ? "api_invocation_time" : now,
    is_deleted: given.has("is_deleted") ? `(is_deleted OR ${isDeleted})` : isDeleted,
    expires_time: given.has("expires_time") ? "expires_time" : "CAST(NULL AS TIMESTAMP)",
  };
}

function alreadyThere(view: FeatureView, present: HistoryBatch, digest: Digest): IngestResult {
  if (present.digest !== digest) throw batchConflict(view.name, present.id);
  return { batchId: present.id, digest, added: false, rows: present.rows, skippedRows: present.skippedRows };
}

async function* checkedRows(
  view: FeatureView,
  schema: Schema,
  source: Dataset | AsyncIterable<Batch>,
  signal: AbortSignal | undefined,
  see: (batch: Batch) => void,
): AsyncGenerator<Batch> {
  const where = `The rows for the view "${view.name}"`;
  const names = schema.map((field) => field.name);
  if ("schema" in source) checkColumns(where, schema, source.schema);
  const batches = "schema" in source ? source.batches({ columns: names, signal }) : source;
  let count = 0;
  for await (const batch of batches) {
    signal?.throwIfAborted();
    checkColumns(where, schema, schemaOf(batch));
    const selected = selectColumns(batch, names);
    see(selected);
    count++;
    yield selected;
  }
  // No rows are rows too: a batch without any is kept under its id.
  if (count === 0) yield emptyBatch(schema);
}

/** Writes one file a day below a temporary folder, then moves each to its place. */
async function writeParts(
  { duckdb, log, view }: IngestTarget,
  table: string,
  { number, system }: { readonly number: number; readonly system: SystemValues },
  signal: AbortSignal | undefined,
): Promise<HistoryPart[]> {
  const keys = Object.keys(view.entity.keys).map(identifier);
  const time = identifier(view.eventTime);
  const present = [...keys.map((column) => `${column} IS NOT NULL`), `isfinite(${time})`].join(" AND ");
  const own = sourceSchema(view).map(({ name }) => identifier(name));
  const added = SYSTEM_COLUMNS.map((name) => `${system[name]} AS ${name}`);
  const sql = `SELECT ${[...own, ...added].join(", ")}, CAST(${number} AS BIGINT) * ${BATCH_NUMBERS} + rowid AS "_sequence", strftime(${time}, '%Y-%m-%d') AS "ds"
    FROM ${table} WHERE ${present} ORDER BY "ds", ${keys.join(", ")}, ${time}, rowid`;
  const temporary = join(log.directory, `_incoming-${process.pid}-${number}`);
  try {
    const written = await duckdb.writeParquet(sql, temporary, { partitionBy: ["ds"], signal });
    const parts: HistoryPart[] = [];
    for (const { path, rows = 0, sizeBytes } of written) {
      const folder = basename(dirname(path));
      const name = `part-${number}-${basename(path)}`;
      await mkdir(join(log.directory, folder), { recursive: true });
      await rename(path, join(log.directory, folder, name));
      parts.push({ path: `${folder}/${name}`, ds: folder.slice("ds=".length), rows, sizeBytes });
    }
    const folders = [...new Set(parts.map((part) => dirname(part.path)))].map((folder) => join(log.directory, folder));
    await Promise.all([...folders, log.directory].map(flushDirectory));
    return parts;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
