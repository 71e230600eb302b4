import { stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "@millwright/contracts";
import { identifier, literal, type DuckDb } from "@millwright/duckdb";
import { compileAggregates } from "../online/aggregates.ts";
import type { FeatureView } from "../definition/definition.ts";
import type { Forgotten } from "../erasure/forgotten.ts";
import { historyCorrupt } from "../errors.ts";
import { type CountedPart, countedParts, type HistoryBatch, type HistoryLog, type HistoryPart } from "./history-log.ts";
import { BATCH_NUMBERS } from "../ingestion/ingest.ts";
import type { SegmentCache } from "../segments/segment-cache.ts";
import { sourceSchema, valueColumns } from "../definition/source-columns.ts";
import { FAILED_RULES } from "../definition/system-columns.ts";

/** Everything a retrieval needs of the store. */
export interface HistorySource {
  readonly duckdb: DuckDb;
  readonly directory: string;
  /** Sorted rows that are kept in memory. */
  readonly segments: SegmentCache;
  /** Whose older rows are left out. */
  readonly forgotten: Forgotten;
  log(view: string): Promise<HistoryLog>;
}

/** Microseconds, both ends included. */
export interface Range {
  readonly firstUs: number;
  readonly lastUs: number;
}

export interface RowsOptions {
  /** The times that are asked for: rows that cannot matter to them are left out. `undefined`: there are none. */
  readonly range: Range | undefined;
  /** Only rows of these batches. Default: of all. */
  readonly batches?: ReadonlySet<number> | undefined;
  /** Adds `_available`, microseconds from which on a row could be read; null: from the first. Default: false. */
  readonly availability?: boolean | undefined;
  /** Adds `_failed`, the rules that a row broke and was stored all the same; null: none. Default: false. */
  readonly failedRules?: boolean | undefined;
}

/** Rows of a view's history as a query. */
export interface HistoryRows {
  /**
   * The view's key, feature and input columns under their names, and `_time`, `_created`, `_written` and `_expires` (microseconds, the last three may be
   * null), `_sequence` and `_deleted`.
   */
  readonly sql: string;
  /** Whether rows may be deletes, or have a time to live of their own. */
  readonly hasMarks: boolean;
  /** There are no more rows than this. */
  readonly mostRows: number;
}

/** The view's rows that can matter to labels in the range, from the files that can hold them. */
export async function historySql(source: HistorySource, view: FeatureView, options: RowsOptions): Promise<HistoryRows> {
  return await readingHistory(() => listedSql(source, view, options));
}

/**
 * Reads the history, and once more where a file was missing: a compaction may have put others in its place, and deleted it after its grace period, since the
 * list of files was read. `work` must read that list itself.
 * @param isUntouched Whether `work` may be done again. Default: always.
 */
export async function readingHistory<Result>(
  work: () => Promise<Result>,
  isUntouched: () => boolean = () => true,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const isOutdated = hasCode(error, "DUCKDB_FILE_MISSING") || hasCode(error, "FEATURE_STORE_HISTORY_CORRUPT");
    if (!isOutdated || !isUntouched()) throw error;
    return await work();
  }
}

async function listedSql(source: HistorySource, view: FeatureView, options: RowsOptions): Promise<HistoryRows> {
  const log = await source.log(view.id);
  const { range, batches: wanted, availability = false, failedRules = false } = options;
  const batches = (await log.batches()).filter(
    ({ number, origin }) => wanted?.has(number) !== false || origin === "compaction",
  );
  const fromUs = range === undefined ? Number.NEGATIVE_INFINITY : range.firstUs - lookBackUs(view, batches);
  const parts = range === undefined ? [] : partsWithin(countedParts(batches), fromUs, range.lastUs);
  await checkParts(view, log, parts);
  const hasMarks = view.deleted !== undefined || batches.some((batch) => batch.hasMarks === true);
  const columns = [...new Set([...Object.keys(view.entity.keys), ...valueColumns(view), ...Object.keys(view.inputs)])];
  const mostRows = parts.reduce((sum, { part }) => sum + part.rows, 0);
  if (range === undefined || parts.length === 0) return { sql: emptySql(view, columns, options), hasMarks, mostRows };
  const selects = groupsOf(parts).map((group) =>
    groupSql(
      { view, log, columns, availability, failedRules },
      group,
      `${timeWithin(view, fromUs, range.lastUs)}${ofBatches(group, wanted)}`,
    ),
  );
  return { sql: selects.join(" UNION ALL "), hasMarks, mostRows };
}

function timeWithin(view: FeatureView, fromUs: number, toUs: number): string {
  const time = identifier(view.eventTime);
  const lower = Number.isFinite(fromUs) ? `${time} >= make_timestamp(${Math.floor(fromUs)})` : "TRUE";
  const upper = Number.isFinite(toUs) ? `${time} <= make_timestamp(${Math.ceil(toUs)})` : "TRUE";
  return `${lower} AND ${upper}`;
}

/** Parts of a compaction hold rows of many batches. */
const ofBatches = ({ isCompacted }: PartGroup, wanted: ReadonlySet<number> | undefined): string =>
  wanted === undefined || !isCompacted ? "" : ` AND "_sequence" // ${BATCH_NUMBERS} IN (${[...wanted, -1].join(", ")})`;

/** Parts whose rows are read in the same way. */
export interface PartGroup {
  readonly parts: readonly CountedPart[];
  readonly formatVersion: 1 | 2;
  readonly isCompacted: boolean;
  readonly hasFailedRules: boolean;
  /** The columns that their rows have. A feature that was added later is null in them. */
  readonly columns: ReadonlySet<string>;
}

export function groupsOf(parts: readonly CountedPart[]): PartGroup[] {
  const keys = new Map<HistoryBatch, string>();
  const groups = new Map<string, CountedPart[]>();
  for (const each of parts) {
    const { formatVersion, origin, schema, hasFailedRules = false } = each.batch;
    const key =
      keys.get(each.batch) ?? JSON.stringify([formatVersion, origin === "compaction", hasFailedRules, schema]);
    keys.set(each.batch, key);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return [...groups.values()].map((group) => ({
    parts: group,
    formatVersion: group[0]!.batch.formatVersion,
    columns: new Set(group[0]!.batch.schema.map(({ name }) => name)),
    isCompacted: group[0]!.batch.origin === "compaction",
    hasFailedRules: group[0]!.batch.hasFailedRules === true,
  }));
}

interface Selection {
  readonly view: FeatureView;
  readonly log: HistoryLog;
  readonly columns: readonly string[];
  readonly availability: boolean;
  readonly failedRules: boolean;
}

function groupSql(
  { view, log, columns, availability, failedRules }: Selection,
  { parts, formatVersion, isCompacted, hasFailedRules, columns: present }: PartGroup,
  where: string,
): string {
  const pathOf = ({ part }: CountedPart): string => join(log.directory, part.path);
  const created = view.createdTime === undefined ? "NULL" : identifier(view.createdTime);
  const selected = [
    ...columns.map((name) => (present.has(name) ? identifier(name) : absentSql(view, name))),
    `epoch_us(${identifier(view.eventTime)}) AS "_time"`,
    `epoch_us(CAST(${created} AS TIMESTAMP)) AS "_created"`,
    `"_sequence"`,
    ...(formatVersion === 1
      ? [
          `NULL::BIGINT AS "_written"`,
          `${view.deleted === undefined ? "FALSE" : `coalesce(${identifier(view.deleted)}, FALSE)`} AS "_deleted"`,
          `NULL::BIGINT AS "_expires"`,
        ]
      : [`epoch_us(write_time) AS "_written"`, `is_deleted AS "_deleted"`, `epoch_us(expires_time) AS "_expires"`]),
  ];
  if (failedRules) selected.push(`${hasFailedRules ? FAILED_RULES : "NULL::VARCHAR"} AS "_failed"`);
  const byFile = availability && !isCompacted;
  if (availability) selected.push(byFile ? `"_available"` : `epoch_us(available_time) AS "_available"`);
  const files = `read_parquet([${parts.map((each) => literal(pathOf(each))).join(", ")}], hive_partitioning = false${byFile ? ", filename = true" : ""})`;
  if (!byFile) return `SELECT ${selected.join(", ")} FROM ${files} WHERE ${where}`;
  const known = parts.map(
    (each) =>
      `(${literal(pathOf(each))}, ${each.batch.availableMs === undefined ? "NULL" : Math.round(each.batch.availableMs * 1000)}::BIGINT)`,
  );
  return `SELECT ${selected.join(", ")} FROM ${files} JOIN (VALUES ${known.join(", ")}) AS k("filename", "_available") USING ("filename") WHERE ${where}`;
}

/** How far before a label a row can still matter. A row is needed to know that it has expired, so without a time to live all may. */
function lookBackUs(view: FeatureView, batches: readonly HistoryBatch[]): number {
  if (view.ttlMs === undefined) return Number.POSITIVE_INFINITY;
  const longestTtlMs = Math.max(view.ttlMs, ...batches.map((batch) => batch.longestTtlMs ?? 0));
  return Math.max(longestTtlMs * 1000, compileAggregates(view).longestUs);
}

function absentSql(view: FeatureView, name: string): string {
  const type = sourceSchema(view).find((field) => field.name === name)?.type ?? "utf8";
  return `CAST(NULL AS ${sqlType(type)}) AS ${identifier(name)}`;
}

function emptySql(
  view: FeatureView,
  columns: readonly string[],
  { availability = false, failedRules = false }: RowsOptions,
): string {
  return `SELECT ${columns.map((name) => absentSql(view, name)).join(", ")}, 0::BIGINT AS "_time", 0::BIGINT AS "_created", 0::BIGINT AS "_sequence",
    0::BIGINT AS "_written", FALSE AS "_deleted", 0::BIGINT AS "_expires"${failedRules ? `, NULL::VARCHAR AS "_failed"` : ""}${availability ? `, 0::BIGINT AS "_available"` : ""} WHERE false`;
}

const SQL_TYPES: Readonly<Record<string, string>> = {
  int8: "TINYINT",
  int16: "SMALLINT",
  int32: "INTEGER",
  int64: "BIGINT",
  uint8: "UTINYINT",
  uint16: "USMALLINT",
  uint32: "UINTEGER",
  uint64: "UBIGINT",
  float32: "FLOAT",
  float64: "DOUBLE",
  date: "DATE",
  timestamp: "TIMESTAMP",
  bool: "BOOLEAN",
  utf8: "VARCHAR",
};
export const sqlType = (type: string): string => SQL_TYPES[type] ?? "VARCHAR";

/** The parts of the days in the range. */
function partsWithin(parts: readonly CountedPart[], fromUs: number, toUs: number): CountedPart[] {
  const day = (us: number): string => new Date(Math.floor(us / 1000)).toISOString().slice(0, 10);
  const first = Number.isFinite(fromUs) ? day(fromUs) : "";
  const last = Number.isFinite(toUs) ? day(toUs) : "~";
  return parts.filter(({ part: { ds } }) => ds >= first && ds <= last);
}

/** Throws `FEATURE_STORE_HISTORY_CORRUPT` where a file is missing or was cut. */
export async function checkParts(
  view: FeatureView,
  log: Pick<HistoryLog, "directory">,
  parts: readonly CountedPart[],
): Promise<void> {
  for (let at = 0; at < parts.length; at += CHECKED_AT_ONCE) {
    await Promise.all(parts.slice(at, at + CHECKED_AT_ONCE).map(({ part }) => checkPart(view, log, part)));
  }
}

const CHECKED_AT_ONCE = 256;

async function checkPart(
  view: FeatureView,
  { directory }: Pick<HistoryLog, "directory">,
  { path: name, sizeBytes }: HistoryPart,
): Promise<void> {
  const path = join(directory, name);
  const size = await stat(path).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === undefined) throw historyCorrupt(view.name, path, "is missing");
  if (size !== sizeBytes) throw historyCorrupt(view.name, path, `has ${size} bytes instead of ${sizeBytes}`);
}

/** DuckDB does not always say which file it could not read: each is opened until one tells. @returns the error to throw. */
export async function namingFile(
  { duckdb, log }: Pick<HistorySource, "duckdb" | "log">,
  view: FeatureView,
  error: unknown,
): Promise<unknown> {
  if (!hasCode(error, "DUCKDB_FILE_CORRUPT")) return error;
  const { directory, batches } = await log(view.id);
  for (const { part } of countedParts(await batches())) {
    const path = join(directory, part.path);
    try {
      for await (const _ of (await duckdb.scan(path)).batches());
    } catch (cause) {
      return historyCorrupt(view.name, path, "cannot be read", cause);
    }
  }
  return error;
}
