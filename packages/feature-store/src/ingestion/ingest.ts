import type { Batch, CallOptions, Clock, Dataset, Digest, Schema } from "@millwright/contracts";
import {
  asFloat64,
  columnOf,
  createBatchDigester,
  emptyBatch,
  schemaOf,
  selectColumns,
  toArray,
} from "@millwright/data";
import { identifier, literal, type DuckDb, type RegisteredTable } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import { batchConflict, definitionChanged } from "../errors.ts";
import type { FeatureEvents } from "../feature-events.ts";
import type { Gate } from "../definition/gate.ts";
import type { Forgotten } from "../erasure/forgotten.ts";
import { type GateCheck, type GateOutcome, openGate, VERDICTS } from "./gate-check.ts";
import type { BatchValidity, HistoryBatch, HistoryDraft, HistoryLog, StreamRange } from "../history/history-log.ts";
import { commitOrDiscard, writeHistoryParts, type WrittenParts } from "../history/history-parts.ts";
import { scratchName } from "../history/scratch-name.ts";
import { checkColumns, sourceSchema } from "../definition/source-columns.ts";
import { FAILED_RULES, type SystemColumn, SYSTEM_COLUMNS, VERDICT } from "../definition/system-columns.ts";

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
  /** Rows that the view's gate put aside. With `rows` and `skippedRows` they are all that were given. */
  readonly quarantinedRows: number;
  /** Rows left out because their entity was forgotten after they happened; absent where there are none. */
  readonly forgottenRows?: number | undefined;
  /** What the view's gate found; undefined where there is none. */
  readonly validity?: BatchValidity | undefined;
}

/** What is ingested, and how its rows were written. */
export interface BatchSource {
  readonly rows: Dataset | AsyncIterable<Batch>;
  readonly origin: "ingest" | "put";
  /** Columns of the rows beside the view's, by the system column that they fill. Default: written now, not deleted, no time to live of their own. */
  readonly system?: Schema | undefined;
  readonly longestTtlMs?: number | undefined;
  /** Where the rows came from a stream: from which of its records. */
  readonly stream?: StreamRange | undefined;
}

/** Everything an ingest needs of the store. */
export interface IngestTarget {
  readonly duckdb: DuckDb;
  readonly log: HistoryLog;
  readonly view: FeatureView;
  readonly clock: Clock;
  readonly events: FeatureEvents;
  /** What rows must be. Default: anything goes. */
  readonly gate?: Gate | undefined;
  /** Whose rows are left out. Default: nobody's. */
  readonly forgotten?: Forgotten | undefined;
}

/** Writes rows to the history, all or none. Throws `FEATURE_STORE_BATCH_CONFLICT`, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`, `FEATURE_STORE_GATE_REFUSED`. */
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
  // What was put went through the gate before.
  const gate =
    target.gate === undefined || source.origin === "put" ? undefined : openGate(view, target.gate, clock.nowMs());
  const writtenUs = Math.round(clock.nowMs() * 1000);
  const columns = [...schema, ...(source.system ?? [])];
  await using table = await stageRows(target, source.rows, { columns, gate, see: digester.update, signal });
  const digest = digester.digest();
  const id = batchId ?? digest;
  const present = await log.find(id);
  if (present !== undefined) return alreadyThere(view, present, digest);
  const outcome = gate?.finish();
  const number = await log.claim();
  const hasFailedRules = outcome !== undefined || source.system?.some(({ name }) => name === FAILED_RULES) === true;
  const system = systemValues(view, source, writtenUs);
  const forgotten = target.forgotten?.sqlOf(view);
  const rows: StagedRows = { table: table.sql, number, outcome, hasFailedRules, system, forgotten };
  const rowsByDay = await countDays(duckdb, view, rows, signal);
  const sql = storedSql(view, rows, [...rowsByDay.keys()]);
  await using written = await writeHistoryParts(target, sql, { number, rowsByDay, signal });
  const draft = await draftOf(target, { source, schema, id, digest, given: table.rows }, rows, written);
  if (await commitOrDiscard(log, draft, written)) return resultOf(draft, true);
  // Somebody else committed the same id meanwhile: what was written here belongs to nobody.
  return alreadyThere(view, (await log.find(id))!, digest);
}

interface StageOptions extends CallOptions {
  readonly columns: Schema;
  readonly gate: GateCheck | undefined;
  /** Is given the rows in their order. */
  readonly see: (batch: Batch) => void;
}

/** Copies rows into a table of DuckDB: those of its own datasets without a detour through JavaScript. */
async function stageRows(
  { duckdb, view }: IngestTarget,
  rows: Dataset | AsyncIterable<Batch>,
  { columns, gate, see, signal }: StageOptions,
): Promise<RegisteredTable> {
  const name = scratchName("ingest");
  const where = `The rows for the view "${view.name}"`;
  if ("schema" in rows) checkColumns(where, columns, rows.schema);
  const look = (batch: Batch): void => {
    checkColumns(where, columns, schemaOf(batch));
    see(batch);
  };
  if ("schema" in rows && gate === undefined) {
    return await duckdb.register(name, rows, { columns: columns.map((each) => each.name), onBatch: look, signal });
  }
  const checked = checkedRows(columns, rows, look, signal);
  return await duckdb.register(name, gate === undefined ? checked : marked(gate, checked), { signal });
}

async function* marked(gate: GateCheck, batches: AsyncIterable<Batch>): AsyncGenerator<Batch> {
  for await (const batch of batches) yield await gate.mark(batch);
}

/** Rows in a table of DuckDB, before they are written. */
interface StagedRows {
  readonly table: string;
  readonly number: number;
  readonly system: SystemValues;
  /** What the gate found. */
  readonly outcome: GateOutcome | undefined;
  readonly hasFailedRules: boolean;
  /** SQL that is true of rows that are left out because their entity was forgotten. */
  readonly forgotten: string | undefined;
}

interface DraftFacts {
  readonly source: BatchSource;
  readonly schema: Schema;
  readonly id: string;
  readonly digest: Digest;
  /** Rows that were given. */
  readonly given: number;
}

async function draftOf(
  { view, duckdb }: IngestTarget,
  { source, schema, id, digest, given }: DraftFacts,
  rows: StagedRows,
  written: WrittenParts,
): Promise<HistoryDraft> {
  const { outcome, number } = rows;
  const stored = written.parts.reduce((sum, part) => sum + part.rows, 0);
  const isFlawed = outcome !== undefined && Object.values(outcome.failures).some((count) => count > 0);
  const quarantine = isFlawed ? await written.addAside(asideSql(view, rows)) : undefined;
  const quarantinedRows = quarantine?.rows ?? 0;
  const forgottenRows = rows.forgotten === undefined ? 0 : await countRows(duckdb, forgottenSql(view, rows));
  return {
    id,
    digest,
    number,
    schema,
    rows: stored,
    skippedRows: given - stored - quarantinedRows - forgottenRows,
    ...(forgottenRows === 0 ? {} : { forgottenRows }),
    parts: written.parts,
    origin: source.origin,
    hasMarks: source.system !== undefined || view.deleted !== undefined,
    ...(source.longestTtlMs === undefined ? {} : { longestTtlMs: source.longestTtlMs }),
    ...(rows.hasFailedRules ? { hasFailedRules: true } : {}),
    ...(source.stream === undefined ? {} : { stream: source.stream }),
    ...(outcome === undefined
      ? {}
      : {
          validity: {
            checkedRows: outcome.checkedRows,
            warnedRows: isFlawed ? await countRows(duckdb, warnedSql(view, rows)) : 0,
            quarantinedRows,
            failures: outcome.failures,
          },
        }),
    ...(quarantine === undefined ? {} : { quarantine }),
  };
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
  return resultOf(present, false);
}

const resultOf = (
  { id, digest, rows, skippedRows, forgottenRows, validity }: HistoryDraft,
  added: boolean,
): IngestResult => ({
  batchId: id,
  digest,
  added,
  rows,
  skippedRows,
  quarantinedRows: validity?.quarantinedRows ?? 0,
  ...(forgottenRows === undefined ? {} : { forgottenRows }),
  ...(validity === undefined ? {} : { validity }),
});

async function* checkedRows(
  columns: Schema,
  source: Dataset | AsyncIterable<Batch>,
  look: (batch: Batch) => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<Batch> {
  const names = columns.map((field) => field.name);
  const batches = "schema" in source ? source.batches({ columns: names, signal }) : source;
  let count = 0;
  for await (const batch of batches) {
    signal?.throwIfAborted();
    look(batch);
    count++;
    yield selectColumns(batch, names);
  }
  // No rows are rows too: a batch without any is kept under its id.
  if (count === 0) yield emptyBatch(columns);
}

/** Which rows have a key and a time. */
function namedSql(view: FeatureView): string {
  const keys = Object.keys(view.entity.keys).map(identifier);
  return [...keys.map((column) => `${column} IS NOT NULL`), `isfinite(${identifier(view.eventTime)})`].join(" AND ");
}

/** Which rows have a place in the history. */
const presentSql = (view: FeatureView, { forgotten }: StagedRows): string =>
  forgotten === undefined ? namedSql(view) : `${namedSql(view)} AND NOT ${forgotten}`;

const forgottenSql = (view: FeatureView, { table, forgotten = "FALSE" }: StagedRows): string =>
  `SELECT * FROM ${table} WHERE ${namedSql(view)} AND ${forgotten}`;

/** Which rows are stored: those that have a place in the history and that no gate puts aside. */
function goodSql(view: FeatureView, rows: StagedRows): string {
  const { outcome } = rows;
  const isGood =
    outcome === undefined ? "TRUE" : `${VERDICT} < ${VERDICTS.quarantined} AND ${outcome.quarantinedBy.length === 0}`;
  return `${presentSql(view, rows)} AND ${isGood}`;
}

/** How many rows of each day are stored. */
async function countDays(
  duckdb: DuckDb,
  view: FeatureView,
  rows: StagedRows,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, number>> {
  const day = `CAST(${identifier(view.eventTime)} AS DATE)`;
  // Grouped by its place: any name may be that of a column.
  const counts = `SELECT ${day} AS "ds", count(*) AS "rows" FROM ${rows.table} WHERE ${goodSql(view, rows)} GROUP BY 1`;
  const found = new Map<string, number>();
  const sql = `SELECT ${dayText('"ds"')} AS "ds", CAST("rows" AS DOUBLE) AS "rows" FROM (${counts})`;
  for await (const batch of duckdb.query(sql, { signal })) {
    const numbers = asFloat64(columnOf(batch, "rows"));
    toArray(columnOf(batch, "ds")).forEach((ds, index) => found.set(String(ds), numbers[index]!));
  }
  return found;
}

const dayText = (time: string): string => `strftime(${time}, '%Y-%m-%d')`;

/** The rows of a batch as they are stored, by day, keys and event time. */
function storedSql(view: FeatureView, rows: StagedRows, days: readonly string[] = []): string {
  const { table, number, system, hasFailedRules } = rows;
  const keys = Object.keys(view.entity.keys).map(identifier);
  const time = identifier(view.eventTime);
  const own = sourceSchema(view).map(({ name }) => identifier(name));
  const added = SYSTEM_COLUMNS.map((name) => `${system[name]} AS ${name}`);
  if (hasFailedRules) added.push(FAILED_RULES);
  // Dates are sorted faster than texts, and become the same ones in the names of folders, but for those before Christ.
  const day = days.some((each) => each.startsWith("-")) ? dayText(time) : `CAST(${time} AS DATE)`;
  return `SELECT ${[...own, ...added].join(", ")}, CAST(${number} AS BIGINT) * ${BATCH_NUMBERS} + rowid AS "_sequence", ${day} AS "ds"
    FROM ${table} WHERE ${goodSql(view, rows)} ORDER BY "ds", ${keys.join(", ")}, ${time}, rowid`;
}

/** The stored rows that broke a rule. */
const warnedSql = (view: FeatureView, rows: StagedRows): string =>
  `SELECT * FROM (${storedSql(view, rows)}) WHERE ${FAILED_RULES} IS NOT NULL`;

async function countRows(duckdb: DuckDb, sql: string): Promise<number> {
  for await (const batch of duckdb.query(`SELECT CAST(count(*) AS DOUBLE) AS "rows" FROM (${sql})`)) {
    return asFloat64(columnOf(batch, "rows"))[0] ?? 0;
  }
  return 0;
}

/** The rows that a gate puts aside, with the reasons. */
function asideSql(view: FeatureView, rows: StagedRows): string {
  const { table, outcome } = rows;
  const own = sourceSchema(view).map(({ name }) => identifier(name));
  const ofAll = (outcome?.quarantinedBy ?? []).map(literal);
  const where = ofAll.length > 0 ? "TRUE" : `${VERDICT} = ${VERDICTS.quarantined}`;
  const reasons = `concat_ws(',', ${[FAILED_RULES, ...ofAll].join(", ")})`;
  return `SELECT ${own.join(", ")}, ${reasons} AS ${FAILED_RULES} FROM ${table} WHERE ${presentSql(view, rows)} AND ${where} ORDER BY rowid`;
}
