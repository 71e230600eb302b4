import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Batch, CallOptions, Dataset, Digest, Schema } from "@millwright/contracts";
import { createBatchDigester, emptyBatch, schemaOf, selectColumns } from "@millwright/data";
import { identifier, type DuckDb } from "@millwright/duckdb";
import type { FeatureView } from "./definition.ts";
import { batchConflict, definitionChanged } from "./errors.ts";
import { flushDirectory, type HistoryBatch, type HistoryLog, type HistoryPart } from "./history-log.ts";
import { scratchName } from "./scratch-name.ts";
import { checkColumns, sourceSchema } from "./source-columns.ts";

/** Rows of one batch have numbers of their own below this. */
const BATCH_NUMBERS = 2 ** 32;

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

/** Writes rows to the history, all or none. Throws `FEATURE_STORE_BATCH_CONFLICT`, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`. */
export async function ingestRows(
  duckdb: DuckDb,
  log: HistoryLog,
  view: FeatureView,
  source: Dataset | AsyncIterable<Batch>,
  { batchId, signal }: IngestOptions = {},
): Promise<IngestResult> {
  const schema = sourceSchema(view);
  const known = (await log.batches()).at(-1);
  if (known !== undefined && JSON.stringify(known.schema) !== JSON.stringify(schema))
    throw definitionChanged(view.name);
  const digester = createBatchDigester(schema);
  const rows = checkedRows(view, schema, source, signal, (batch) => digester.update(batch));
  await using table = await duckdb.register(scratchName("ingest"), rows, { signal });
  const digest = digester.digest();
  const id = batchId ?? digest;
  const present = await log.find(id);
  if (present !== undefined) return alreadyThere(view, present, digest);
  const number = await log.claim();
  const parts = await writeParts(duckdb, log, view, table.sql, number, signal);
  const written = parts.reduce((sum, part) => sum + part.rows, 0);
  const batch: HistoryBatch = {
    formatVersion: 1,
    id,
    digest,
    number,
    schema,
    rows: written,
    skippedRows: table.rows - written,
    parts,
  };
  if (await log.commit(batch))
    return { batchId: id, digest, added: true, rows: written, skippedRows: batch.skippedRows };
  // Somebody else committed the same id meanwhile: what was written here belongs to nobody.
  for (const part of parts) await rm(join(log.directory, part.path), { force: true });
  return alreadyThere(view, (await log.find(id))!, digest);
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
  duckdb: DuckDb,
  log: HistoryLog,
  view: FeatureView,
  table: string,
  number: number,
  signal: AbortSignal | undefined,
): Promise<HistoryPart[]> {
  const keys = Object.keys(view.entity.keys).map(identifier);
  const time = identifier(view.eventTime);
  const present = [...keys.map((column) => `${column} IS NOT NULL`), `isfinite(${time})`].join(" AND ");
  const sql = `SELECT *, CAST(${number} AS BIGINT) * ${BATCH_NUMBERS} + rowid AS "_sequence", strftime(${time}, '%Y-%m-%d') AS "ds"
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
