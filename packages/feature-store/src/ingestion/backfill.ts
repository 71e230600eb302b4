import type { Batch, CallOptions, Dataset, Schema } from "@millwright/contracts";
import { columnOf, createBatchDigester, selectColumns, toArray } from "@millwright/data";
import { identifier, literal } from "@millwright/duckdb";
import { type IngestResult, type IngestTarget, ingestRows } from "./ingest.ts";
import { scratchName } from "../history/scratch-name.ts";
import { checkColumns, sourceSchema } from "../definition/source-columns.ts";

/** What a backfill will cost, before anything but a first batch was read. */
export interface BackfillEstimate {
  /** Undefined where the dataset does not know without being read. */
  readonly rows: number | undefined;
  /** Bytes of the view's columns in memory, uncompressed, by the rows of the first batch; undefined where `rows` is. */
  readonly sizeBytes: number | undefined;
}

export interface BackfillProgress {
  /** Days that are in the history, those of earlier runs too. */
  readonly doneParts: number;
  readonly totalParts: number;
  /** Rows that this run added. */
  readonly rows: number;
}

export interface BackfillOptions extends CallOptions {
  /** Names the backfill: what an earlier run of this name finished is not read again. Default: the digest of the rows. */
  readonly id?: string | undefined;
  /** Days that are written at once; each takes some memory and one of the engine's threads. Default: 2. */
  readonly parallelism?: number | undefined;
  /** Given what it will cost; false ends the call before it does anything. */
  readonly onEstimate?: ((estimate: BackfillEstimate) => boolean | void | Promise<boolean | void>) | undefined;
  /** Told after each day. */
  readonly onProgress?: ((progress: BackfillProgress) => void) | undefined;
}

export interface BackfillResult {
  readonly id: string;
  readonly estimate: BackfillEstimate;
  /** Days that the rows fall on, by event time. */
  readonly parts: number;
  /** Of those, the ones that were not in the history before. */
  readonly addedParts: number;
  readonly rows: number;
  readonly skippedRows: number;
  /** Rows left out because their entity was forgotten after they happened; absent where there are none. */
  readonly forgottenRows?: number | undefined;
  readonly quarantinedRows: number;
  /** False where `onEstimate` ended it. */
  readonly done: boolean;
}

interface Part {
  readonly batchId: string;
  readonly sql: string;
}

/**
 * Writes rows to the history day by day, several days at once, each as a batch of its own: a run that was stopped or killed goes on with the days that are left.
 * The rows are copied once into a table that spills to disk.
 */
export async function backfillRows(
  target: IngestTarget,
  source: Dataset,
  options: BackfillOptions = {},
): Promise<BackfillResult> {
  const { parallelism = 2, signal, onEstimate, onProgress } = options;
  if (!(Number.isInteger(parallelism) && parallelism >= 1)) {
    throw new RangeError(`parallelism must be a whole number from 1 on, not ${parallelism}.`);
  }
  const { duckdb, log, view } = target;
  const schema = sourceSchema(view);
  checkColumns(`The rows for the view "${view.name}"`, schema, source.schema);
  const names = schema.map(({ name }) => name);
  const estimate = await estimateOf(source, names, signal);
  const nothing = { parts: 0, addedParts: 0, rows: 0, skippedRows: 0, quarantinedRows: 0 };
  if ((await onEstimate?.(estimate)) === false) return { ...nothing, id: options.id ?? "", estimate, done: false };
  const digester = createBatchDigester(schema);
  await using table = await duckdb.register(scratchName("backfill"), copied(source, schema, digester.update, signal), {
    signal,
  });
  const id = options.id ?? digester.digest();
  const parts = await partsOf(target, table.sql, names, id);
  const known = new Set((await log.batches()).map((batch) => batch.id));
  const left = parts.filter(({ batchId }) => !known.has(batchId));
  const total = { ...nothing, parts: parts.length };
  let forgottenRows = 0;
  const write = async ({ batchId, sql }: Part): Promise<void> => {
    signal?.throwIfAborted();
    const result: IngestResult = await ingestRows(
      target,
      { rows: duckdb.query(sql, { signal }), origin: "ingest" },
      { batchId, signal },
    );
    if (result.added) {
      total.addedParts++;
      total.rows += result.rows;
      total.skippedRows += result.skippedRows;
      forgottenRows += result.forgottenRows ?? 0;
      total.quarantinedRows += result.quarantinedRows;
    }
    onProgress?.({ doneParts: parts.length - left.length + ++done, totalParts: parts.length, rows: total.rows });
  };
  let done = 0;
  await atOnce(left, parallelism, write);
  return { ...total, ...(forgottenRows === 0 ? {} : { forgottenRows }), id, estimate, done: true };
}

async function estimateOf(
  source: Dataset,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<BackfillEstimate> {
  const { rows } = source;
  if (rows === undefined) return { rows, sizeBytes: undefined };
  for await (const batch of source.batches({ columns: names, signal })) {
    const sizeBytes = names.reduce((sum, name) => sum + bytesOf(batch, name), 0);
    return { rows, sizeBytes: batch.length === 0 ? 0 : Math.round((sizeBytes / batch.length) * rows) };
  }
  return { rows, sizeBytes: 0 };
}

/** Bytes of a column in Arrow's layout, without what its buffers have beyond its rows. */
function bytesOf(batch: Batch, name: string): number {
  const column = columnOf(batch, name);
  const texts = (): number => {
    let bytes = 0;
    for (const value of toArray(column)) bytes += 4 + (typeof value === "string" ? Buffer.byteLength(value) : 0);
    return bytes;
  };
  const values: unknown = column.values;
  const own = column.type === "utf8" || !ArrayBuffer.isView(values) ? texts() : values.byteLength;
  return own + (column.validity === undefined ? 0 : column.length / 8);
}

async function* copied(
  source: Dataset,
  schema: Schema,
  see: (batch: Batch) => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<Batch> {
  const names = schema.map(({ name }) => name);
  for await (const batch of source.batches({ columns: names, signal })) {
    signal?.throwIfAborted();
    const selected = selectColumns(batch, names);
    see(selected);
    yield selected;
  }
}

/** The days of the rows, the oldest first; those without an event time are a part of their own, so that they are counted. */
async function partsOf(
  { duckdb, view }: IngestTarget,
  table: string,
  names: readonly string[],
  id: string,
): Promise<Part[]> {
  const day = `CASE WHEN isfinite(${identifier(view.eventTime)}) THEN strftime(${identifier(view.eventTime)}, '%Y-%m-%d') ELSE 'none' END`;
  const parts: Part[] = [];
  for await (const batch of duckdb.query(`SELECT DISTINCT ${day} AS "ds" FROM ${table} ORDER BY "ds"`)) {
    for (const ds of toArray(columnOf(batch, "ds")) as string[]) {
      const where = `coalesce(${day}, 'none') = ${literal(ds)}`;
      const sql = `SELECT ${names.map(identifier).join(", ")} FROM ${table} WHERE ${where} ORDER BY rowid`;
      parts.push({ batchId: `backfill/${id}/${ds}`, sql });
    }
  }
  return parts;
}

/** Works on several items at once; the first failure ends it, once those under way are through. */
async function atOnce<Item>(items: readonly Item[], most: number, work: (item: Item) => Promise<void>): Promise<void> {
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && failures.length === 0; item = queue.shift()) {
      await work(item).catch((error: unknown) => void failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
