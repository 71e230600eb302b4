import type { Batch, CallOptions, Dataset, Field, Schema } from "@millwright/contracts";
import { columnOf, schemaOf, withColumns } from "@millwright/data";
import { identifier, type DuckDb, type RegisteredTable } from "@millwright/duckdb";
import { joinAsKnown } from "./as-known.ts";
import { aggregateType } from "./aggregates.ts";
import { featureName, type FeatureView } from "./definition.ts";
import { type FeatureService } from "./service-definition.ts";
import { asKnownUnsupported, columnType } from "./errors.ts";
import {
  historySql,
  type HistoryRows,
  type HistorySource,
  namingFile,
  type Range,
  readingHistory,
} from "./history-sql.ts";
import type { LeakageOptions } from "./leakage.ts";
import { computeForHistory } from "./on-demand.ts";
import { joinPointInTime } from "./point-in-time.ts";
import { scratchName } from "./scratch-name.ts";
import { checkColumns, valueColumns } from "./source-columns.ts";

export interface HistoryOptions extends CallOptions {
  /** The rows that get features: the services' entity keys, a time column, and whatever else shall stand beside the features. */
  readonly labels: Dataset | Batch;
  /** The timestamp column of the labels at which features are wanted. */
  readonly labelTime: string;
  /** Where the result is written, as Parquet. Default: a file below the history, named by what it was made from. */
  readonly path?: string | undefined;
  /**
   * Counts a row for a label only if it was known by then, so that what was corrected later does not leak into the past: by the time at which it
   * could be read from this history (`"available"`), or by the view's `createdTime` (`"created"`; null there: from its event time on).
   * Default: by event time alone.
   */
  readonly asKnown?: "available" | "created" | undefined;
  /** Looks for features that know of the target what came after the labels' times. Default: nobody looks. */
  readonly leakage?: LeakageOptions | undefined;
}

/** Where and from what a training set is made. */
export interface TrainingSetTarget {
  readonly path: string;
  /** By view: the numbers of the batches that count. Default: all. */
  readonly batches?: Readonly<Record<string, ReadonlySet<number>>> | undefined;
}

/**
 * Writes the labels with the features that were known at their times, one row a label, in their order.
 * @returns the dataset, in a file: its `ref()` may cross processes.
 */
export async function writeTrainingSet(
  source: HistorySource,
  service: FeatureService,
  options: HistoryOptions,
  { path, batches }: TrainingSetTarget,
): Promise<Dataset> {
  const { labels, labelTime, asKnown, signal } = options;
  const { duckdb } = source;
  const schema = "schema" in labels ? labels.schema : schemaOf(labels);
  checkLabels(service, schema, labelTime);
  const tables: AsyncDisposable[] = [];
  try {
    const table = await duckdb.register(scratchName("labels"), labels, { signal });
    tables.push(table);
    const joins: ViewJoin[] = [];
    for (const view of service.views) {
      const options = { labels: table, labelTime, asKnown, batches: batches?.[view.id], signal };
      const join = await readingHistory(() => joinView(source, view, options));
      tables.push(...join.tables);
      joins.push(join);
    }
    const sql = finalSql(schema, { sql: table.sql, labelTime }, joins);
    const rows = service.onDemand.length === 0 ? sql : withOnDemand(service, duckdb.query(sql, { signal }), signal);
    await duckdb.writeParquet(rows, path, { signal });
    return await duckdb.scan(path, { signal });
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

interface ViewJoin {
  readonly view: FeatureView;
  /** Results by label. */
  readonly results: string;
  /** The view's rows, where it has features of the newest one. */
  readonly events: string | undefined;
  /** Whether rows may be deletes, or have a time to live of their own. */
  readonly hasMarks: boolean;
  readonly tables: readonly AsyncDisposable[];
}

interface JoinOptions extends CallOptions {
  readonly labels: RegisteredTable;
  readonly labelTime: string;
  readonly asKnown: HistoryOptions["asKnown"];
  readonly batches: ReadonlySet<number> | undefined;
}

async function joinView(source: HistorySource, view: FeatureView, options: JoinOptions): Promise<ViewJoin> {
  const { duckdb } = source;
  const { labels, labelTime, asKnown, batches, signal } = options;
  if (asKnown === "created" && view.createdTime === undefined) throw asKnownUnsupported(view.name);
  const keys = Object.keys(view.entity.keys).map(identifier);
  const time = identifier(labelTime);
  const entities = `scratch.main.${scratchName("entities")}`;
  const present = [...keys.map((column) => `${column} IS NOT NULL`), `isfinite(${time})`].join(" AND ");
  const drop = (table: string): AsyncDisposable => ({
    [Symbol.asyncDispose]: async () => void (await duckdb.execute(`DROP TABLE IF EXISTS ${table}`)),
  });
  const tables: AsyncDisposable[] = [drop(entities)];
  try {
    await duckdb.execute(
      `CREATE TABLE ${entities} AS SELECT *, CAST(row_number() OVER () - 1 AS INTEGER) AS "_entity"
     FROM (SELECT DISTINCT ${keys.join(", ")} FROM ${labels.sql} WHERE ${present})`,
      { signal },
    );
    const range = await labelRange(duckdb, `SELECT epoch_us(${time}) AS t FROM ${labels.sql} WHERE ${present}`, signal);
    const rows = await historySql(source, view, { range, batches, availability: asKnown === "available" });
    const read = `SELECT e."_entity", ${eventColumns(view, rows, asKnown)} FROM (${rows.sql}) AS f JOIN ${entities} AS e USING (${keys.join(", ")})`;
    const hasFeatures = Object.keys(view.features).length > 0;
    const events = hasFeatures ? `scratch.main.${scratchName("events")}` : undefined;
    if (events !== undefined) {
      tables.push(drop(events));
      await duckdb.execute(`CREATE TABLE ${events} AS ${read}`, { signal });
    }
    const timesOfLabels = `SELECT e."_entity", epoch_us(l.${time}) AS "_time", l.rowid AS "_label"
      FROM ${labels.sql} AS l JOIN ${entities} AS e USING (${keys.join(", ")}) WHERE isfinite(l.${time})`;
    const sorted = sortedSql(view, {
      events: events ?? `(${read})`,
      labels: timesOfLabels,
      isAsKnown: asKnown !== undefined,
    });
    const batchesOf = duckdb.query(sorted, { signal });
    // Of rows with a time to live of their own only the final query knows which have expired.
    const { hasMarks } = rows;
    const found =
      asKnown === undefined
        ? joinPointInTime(view, batchesOf, { keepExpired: hasMarks })
        : joinAsKnown(view, batchesOf, { keepExpired: hasMarks });
    const results = await duckdb.register(scratchName("results"), found, { signal });
    tables.push(results);
    return { view, results: results.sql, events, hasMarks, tables };
  } catch (error) {
    for (const table of tables.reverse()) await table[Symbol.asyncDispose]();
    throw await namingFile(source, view, error);
  }
}

/** What the join and the final query read of a view's rows. */
function eventColumns(view: FeatureView, { hasMarks }: HistoryRows, asKnown: HistoryOptions["asKnown"]): string {
  const names = [...new Set([...valueColumns(view), ...Object.keys(view.inputs)])].map(identifier);
  const columns = [...names, `"_time"`, `"_created"`, `"_sequence"`].map((name) => `f.${name}`);
  if (hasMarks) columns.push(`f."_deleted"`, `f."_expires"`);
  if (asKnown === "available") columns.push(`coalesce(f."_available", f."_time") AS "_known"`);
  if (asKnown === "created") columns.push(`coalesce(f."_created", f."_time") AS "_known"`);
  return columns.join(", ");
}

interface Sorted {
  readonly events: string;
  readonly labels: string;
  readonly isAsKnown: boolean;
}

const INPUT_TYPES: Readonly<Record<string, string>> = { bool: "BOOLEAN", utf8: "VARCHAR" };

/** Rows of the view and labels together, in the order that the joins ask for. */
function sortedSql(view: FeatureView, { events, labels, isAsKnown }: Sorted): string {
  const hasFeatures = Object.keys(view.features).length > 0;
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
    ? {
        event: `, "_created", "_sequence"`,
        label: ", NULL, NULL",
        order: `, "_created" NULLS FIRST, "_sequence"${view.ties === "first" ? " DESC" : ""}`,
      }
    : { event: "", label: "", order: "" };
  const known = isAsKnown
    ? { event: `, "_known"`, label: ", NULL", select: `, "_known" AS known` }
    : { event: "", label: "", select: "" };
  return `SELECT "_entity" AS entity, "_time" AS time, CAST("_label" AS INTEGER) AS label, CAST("_event" AS INTEGER) AS event${known.select}${taken.join("")} FROM (
    SELECT "_entity", "_time", -1 AS "_label", ${hasFeatures ? "rowid" : "-1"} AS "_event"${rank.event}${known.event}${ofEvent} FROM ${events}
    UNION ALL SELECT "_entity", "_time", "_label", -1${rank.label}${known.label}${ofLabel} FROM (${labels})
  ) ORDER BY "_entity", "_time", "_label" >= 0${rank.order}`;
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

function finalSql(
  labels: Schema,
  table: { readonly sql: string; readonly labelTime: string },
  joins: readonly ViewJoin[],
): string {
  const columns = labels.map((field: Field) => `l.${identifier(field.name)}`);
  const from = [`${table.sql} AS l`];
  joins.forEach(({ view, results, events, hasMarks }, index) => {
    from.push(`LEFT JOIN ${results} AS r${index} ON r${index}.label = l.rowid`);
    if (events !== undefined) from.push(`LEFT JOIN ${events} AS e${index} ON e${index}.rowid = r${index}.event`);
    const isAlive = events !== undefined && hasMarks ? aliveSql(view, `e${index}`, table.labelTime) : undefined;
    const known = (value: string): string => (isAlive === undefined ? value : `CASE WHEN ${isAlive} THEN ${value} END`);
    for (const name of Object.keys(view.features)) {
      columns.push(`${known(`e${index}.${identifier(name)}`)} AS ${identifier(featureName(view, name))}`);
    }
    Object.entries(view.aggregates).forEach(([name, aggregate], position) => {
      const value = known(`r${index}."aggregate_${position}"`);
      const typed = aggregateType(view, aggregate) === "int32" ? `CAST(${value} AS INTEGER)` : value;
      columns.push(`${typed} AS ${identifier(featureName(view, name))}`);
    });
  });
  return `SELECT ${columns.join(", ")} FROM ${from.join(" ")} ORDER BY l.rowid`;
}

/** Whether the newest row is neither a delete nor expired: by its own time to live where it has one, else by the view's. */
function aliveSql(view: FeatureView, row: string, labelTime: string): string {
  const ttl = view.ttlMs === undefined ? "NULL" : `${row}."_time" + ${Math.round(view.ttlMs * 1000)}`;
  return `${row}."_deleted" IS NOT TRUE AND coalesce(epoch_us(l.${identifier(labelTime)}) < coalesce(${row}."_expires", ${ttl}), TRUE)`;
}
