import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, type Batch, type CallOptions, type Dataset, type Field, type Schema } from "@millwright/contracts";
import { columnOf, digestBatches, schemaOf, withColumns } from "@millwright/data";
import { identifier, literal, type DuckDb, type RegisteredTable } from "@millwright/duckdb";
import { aggregateType, compileAggregates } from "./aggregates.ts";
import { digestOf, featureName, type FeatureService, type FeatureView } from "./definition.ts";
import { columnType, historyCorrupt } from "./errors.ts";
import type { HistoryBatch, HistoryLog } from "./history-log.ts";
import { computeForHistory } from "./on-demand.ts";
import { joinPointInTime } from "./point-in-time.ts";
import { scratchName } from "./scratch-name.ts";
import { checkColumns, sourceSchema, valueColumns } from "./source-columns.ts";

export interface HistoryOptions extends CallOptions {
  /** The rows that get features: the services' entity keys, a time column, and whatever else shall stand beside the features. */
  readonly labels: Dataset | Batch;
  /** The timestamp column of the labels at which features are wanted. */
  readonly labelTime: string;
  /** Where the result is written, as Parquet. Default: a file below the history, named by what it was made from. */
  readonly path?: string | undefined;
}

/** Everything a retrieval needs of the store. */
export interface HistorySource {
  readonly duckdb: DuckDb;
  readonly directory: string;
  log(view: string): Promise<HistoryLog>;
}

/**
 * Writes the labels with the features that were known at their times, one row a label, in their order.
 * @returns the dataset, in a file: its `ref()` may cross processes.
 */
export async function writeTrainingSet(
  source: HistorySource,
  service: FeatureService,
  { labels, labelTime, path, signal }: HistoryOptions,
): Promise<Dataset> {
  const { duckdb } = source;
  const schema = "schema" in labels ? labels.schema : schemaOf(labels);
  checkLabels(service, schema, labelTime);
  const tables: AsyncDisposable[] = [];
  try {
    const table = await duckdb.register(scratchName("labels"), labels, { signal });
    tables.push(table);
    const joins: ViewJoin[] = [];
    for (const view of service.views) {
      const join = await joinView(source, view, { labels: table, labelTime, signal });
      tables.push(...join.tables);
      joins.push(join);
    }
    const sql = finalSql(schema, table.sql, joins);
    const target = path ?? (await defaultPath(source, service, labels, labelTime));
    const rows = service.onDemand.length === 0 ? sql : withOnDemand(service, duckdb.query(sql, { signal }), signal);
    await duckdb.writeParquet(rows, target, { signal });
    return await duckdb.scan(target, { signal });
  } finally {
    for (const table of tables.reverse()) await table[Symbol.asyncDispose]();
  }
}

/** Throws `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`. */
function checkLabels(service: FeatureService, schema: Schema, labelTime: string): void {
  const wanted = [...service.entityKeys, { name: labelTime, type: "timestamp" as const }, ...service.requestInputs];
  checkColumns("The labels", wanted, schema);
  for (const { name } of service.features) {
    const clash = schema.find((field) => field.name === name);
    if (clash !== undefined) throw columnType("The labels", name, clash.type, "a feature of that name");
  }
}

async function* withOnDemand(
  service: FeatureService,
  rows: AsyncIterable<Batch>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Batch> {
  for await (const batch of rows) yield withColumns(batch, await computeForHistory(service, batch, signal));
}

/** The same labels, service and history give the same name. */
async function defaultPath(
  source: HistorySource,
  service: FeatureService,
  labels: Dataset | Batch,
  labelTime: string,
): Promise<string> {
  const batches = await Promise.all(service.views.map(async (view) => (await source.log(view.name)).batches()));
  const digest = digestOf({
    service: service.digest,
    labelTime,
    labels: "schema" in labels ? await labels.digest() : await digestBatches(schemaOf(labels), [labels]),
    history: batches.map((each) => each.map((batch) => [batch.number, batch.digest])),
  });
  const folder = join(source.directory, "_datasets");
  await mkdir(folder, { recursive: true });
  return join(folder, `${service.name}-${digest.slice("sha256:".length, "sha256:".length + 24)}.parquet`);
}

interface ViewJoin {
  readonly view: FeatureView;
  /** Results by label. */
  readonly results: string;
  /** The view's rows, where it has features of the newest one. */
  readonly events: string | undefined;
  readonly tables: readonly AsyncDisposable[];
}

interface JoinOptions extends CallOptions {
  readonly labels: RegisteredTable;
  readonly labelTime: string;
}

async function joinView(source: HistorySource, view: FeatureView, options: JoinOptions): Promise<ViewJoin> {
  const { duckdb } = source;
  const { labels, labelTime, signal } = options;
  const keys = Object.keys(view.entity.keys).map(identifier);
  const time = identifier(labelTime);
  const entities = `scratch.main.${scratchName("entities")}`;
  const present = [...keys.map((column) => `${column} IS NOT NULL`), `isfinite(${time})`].join(" AND ");
  const drop = (table: string): AsyncDisposable => ({
    [Symbol.asyncDispose]: async () => void (await duckdb.execute(`DROP TABLE IF EXISTS ${table}`)),
  });
  const tables: AsyncDisposable[] = [drop(entities)];
  await duckdb.execute(
    `CREATE TABLE ${entities} AS SELECT *, CAST(row_number() OVER () - 1 AS INTEGER) AS "_entity"
     FROM (SELECT DISTINCT ${keys.join(", ")} FROM ${labels.sql} WHERE ${present})`,
    { signal },
  );
  const range = await labelRange(duckdb, `SELECT epoch_us(${time}) AS t FROM ${labels.sql} WHERE ${present}`, signal);
  const rows = await historySql(source, view, range);
  const hasFeatures = Object.keys(view.features).length > 0;
  let events: string | undefined;
  try {
    const read = `SELECT e."_entity", f.* EXCLUDE (${keys.join(", ")}) FROM (${rows}) AS f JOIN ${entities} AS e USING (${keys.join(", ")})`;
    if (hasFeatures) {
      events = `scratch.main.${scratchName("events")}`;
      tables.push(drop(events));
      await duckdb.execute(`CREATE TABLE ${events} AS ${read}`, { signal });
    }
    const sorted = sortedSql(
      view,
      events ?? `(${read})`,
      hasFeatures,
      `SELECT e."_entity", epoch_us(l.${time}) AS "_time", l.rowid AS "_label"
      FROM ${labels.sql} AS l JOIN ${entities} AS e USING (${keys.join(", ")}) WHERE isfinite(l.${time})`,
    );
    const found = joinPointInTime(view, duckdb.query(sorted, { signal }));
    const results = await duckdb.register(scratchName("results"), found, { signal });
    tables.push(results);
    return { view, results: results.sql, events, tables };
  } catch (error) {
    for (const table of tables.reverse()) await table[Symbol.asyncDispose]();
    throw await namingFile(source, view, error);
  }
}

const INPUT_TYPES: Readonly<Record<string, string>> = { bool: "BOOLEAN", utf8: "VARCHAR" };

/** Rows of the view and labels together, in the order that `joinPointInTime` asks for. */
function sortedSql(view: FeatureView, events: string, hasFeatures: boolean, labels: string): string {
  const names = Object.keys(view.inputs);
  const types = names.map((name) => INPUT_TYPES[view.inputs[name]!] ?? "DOUBLE");
  const retracted = view.retracted === undefined ? undefined : identifier(view.retracted);
  const ofEvent = [
    ...names.map((name, index) => `, CAST(${identifier(name)} AS ${types[index]}) AS "input_${index}"`),
    ...(retracted === undefined ? [] : [`, ${retracted} AS "retracted"`]),
  ].join("");
  const ofLabel = [...types, ...(retracted === undefined ? [] : ["BOOLEAN"])]
    .map((type) => `, CAST(NULL AS ${type})`)
    .join("");
  const taken = [
    ...names.map((_, index) => `, "input_${index}"`),
    ...(retracted === undefined ? [] : [`, "retracted"`]),
  ];
  // Only a view with features cares which of two rows of equal time is the newer one: sums are the same in any order.
  const rank = hasFeatures
    ? { event: `, "_created", "_sequence"`, label: ", NULL, NULL", order: `, "_created" NULLS FIRST, "_sequence"` }
    : { event: "", label: "", order: "" };
  return `SELECT "_entity" AS entity, "_time" AS time, CAST("_label" AS INTEGER) AS label, CAST("_event" AS INTEGER) AS event${taken.join("")} FROM (
    SELECT "_entity", "_time", -1 AS "_label", ${hasFeatures ? "rowid" : "-1"} AS "_event"${rank.event}${ofEvent} FROM ${events}
    UNION ALL SELECT "_entity", "_time", "_label", -1${rank.label}${ofLabel} FROM (${labels})
  ) ORDER BY "_entity", "_time", "_label" >= 0${rank.order}`;
}

interface Range {
  readonly firstUs: number;
  readonly lastUs: number;
}

async function labelRange(duckdb: DuckDb, times: string, signal: AbortSignal | undefined): Promise<Range | undefined> {
  for await (const batch of duckdb.query(
    `SELECT CAST(min(t) AS DOUBLE) AS first, CAST(max(t) AS DOUBLE) AS last FROM (${times})`,
    { signal },
  )) {
    const first = columnOf(batch, "first");
    if (first.validity === undefined)
      return {
        firstUs: (first.values as Float64Array)[0]!,
        lastUs: (columnOf(batch, "last").values as Float64Array)[0]!,
      };
  }
  return undefined;
}

/** The view's rows that can matter to labels in the range, from the files that can hold them. */
export async function historySql(source: HistorySource, view: FeatureView, range: Range | undefined): Promise<string> {
  const log = await source.log(view.name);
  const batches = await log.batches();
  const fromUs = range === undefined ? Number.NEGATIVE_INFINITY : range.firstUs - lookBackUs(view);
  const paths = range === undefined ? [] : await pathsOf(view, log, batches, fromUs, range.lastUs);
  const time = identifier(view.eventTime);
  const created = view.createdTime === undefined ? "NULL" : identifier(view.createdTime);
  const columns = [...new Set([...Object.keys(view.entity.keys), ...valueColumns(view), ...Object.keys(view.inputs)])];
  const selected = [
    ...columns.map(identifier),
    `epoch_us(${time}) AS "_time"`,
    `epoch_us(CAST(${created} AS TIMESTAMP)) AS "_created"`,
    `"_sequence"`,
  ];
  if (paths.length === 0) return emptySql(view, columns);
  const lower = Number.isFinite(fromUs) ? ` AND ${time} >= make_timestamp(${Math.floor(fromUs)})` : "";
  return `SELECT ${selected.join(", ")} FROM read_parquet([${paths.map(literal).join(", ")}], hive_partitioning = false)
    WHERE ${time} <= make_timestamp(${range!.lastUs})${lower}`;
}

/** How far before a label a row can still matter. A row is needed to know that it has expired, so without a time to live all may. */
function lookBackUs(view: FeatureView): number {
  if (view.ttlMs === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(view.ttlMs * 1000, compileAggregates(view).longestUs);
}

function emptySql(view: FeatureView, columns: readonly string[]): string {
  const types = Object.fromEntries(sourceSchema(view).map(({ name, type }) => [name, type]));
  const typed = columns.map((name) => `CAST(NULL AS ${sqlType(types[name]!)}) AS ${identifier(name)}`);
  return `SELECT ${typed.join(", ")}, 0::BIGINT AS "_time", 0::BIGINT AS "_created", 0::BIGINT AS "_sequence" WHERE false`;
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
const sqlType = (type: string): string => SQL_TYPES[type] ?? "VARCHAR";

/** The files of the days in the range. Throws `FEATURE_STORE_HISTORY_CORRUPT` where one is missing or was cut. */
async function pathsOf(
  view: FeatureView,
  log: HistoryLog,
  batches: readonly HistoryBatch[],
  fromUs: number,
  toUs: number,
): Promise<string[]> {
  const day = (us: number): string => new Date(Math.floor(us / 1000)).toISOString().slice(0, 10);
  const first = Number.isFinite(fromUs) ? day(fromUs) : "";
  const last = day(toUs);
  const parts = batches.flatMap((batch) => batch.parts).filter(({ ds }) => ds >= first && ds <= last);
  await Promise.all(
    parts.map(async (part) => {
      const path = join(log.directory, part.path);
      const size = await stat(path).then(
        (found) => found.size,
        () => undefined,
      );
      if (size === undefined) throw historyCorrupt(view.name, path, "is missing");
      if (size !== part.sizeBytes)
        throw historyCorrupt(view.name, path, `has ${size} bytes instead of ${part.sizeBytes}`);
    }),
  );
  return parts.map((part) => join(log.directory, part.path));
}

/** DuckDB does not always say which file it could not read: each is opened until one tells. @returns the error to throw. */
export async function namingFile({ duckdb, log }: HistorySource, view: FeatureView, error: unknown): Promise<unknown> {
  if (!hasCode(error, "DUCKDB_FILE_CORRUPT")) return error;
  const { directory, batches } = await log(view.name);
  for (const part of (await batches()).flatMap((batch) => batch.parts)) {
    const path = join(directory, part.path);
    try {
      for await (const _ of (await duckdb.scan(path)).batches());
    } catch (cause) {
      return historyCorrupt(view.name, path, "cannot be read", cause);
    }
  }
  return error;
}

function finalSql(labels: Schema, table: string, joins: readonly ViewJoin[]): string {
  const columns = labels.map((field: Field) => `l.${identifier(field.name)}`);
  const from = [`${table} AS l`];
  joins.forEach(({ view, results, events }, index) => {
    from.push(`LEFT JOIN ${results} AS r${index} ON r${index}.label = l.rowid`);
    if (events !== undefined) from.push(`LEFT JOIN ${events} AS e${index} ON e${index}.rowid = r${index}.event`);
    const isThere = view.deleted === undefined ? "" : ` WHEN e${index}.${identifier(view.deleted)} IS NOT TRUE`;
    for (const name of Object.keys(view.features)) {
      const value = `e${index}.${identifier(name)}`;
      const known = isThere === "" ? value : `CASE${isThere} THEN ${value} END`;
      columns.push(`${known} AS ${identifier(featureName(view, name))}`);
    }
    Object.entries(view.aggregates).forEach(([name, aggregate], position) => {
      const value = `r${index}."aggregate_${position}"`;
      const typed = aggregateType(view, aggregate) === "int32" ? `CAST(${value} AS INTEGER)` : value;
      columns.push(`${typed} AS ${identifier(featureName(view, name))}`);
    });
  });
  return `SELECT ${columns.join(", ")} FROM ${from.join(" ")} ORDER BY l.rowid`;
}
