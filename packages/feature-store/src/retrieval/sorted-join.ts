import { identifier } from "@millwright/duckdb";
import { joinAsKnown } from "./as-known.ts";
import { featureName, type FeatureView } from "../definition/definition.ts";
import { asKnownUnsupported } from "../errors.ts";
import { historySql, type HistoryRows, type HistorySource, namingFile } from "../history/history-sql.ts";
import { joinPointInTime } from "./point-in-time.ts";
import { scratchName } from "../history/scratch-name.ts";
import { valueColumns } from "../definition/source-columns.ts";
import {
  aliveSql,
  type AsKnown,
  disposeAll,
  entitiesSql,
  type JoinRequest,
  keysOf,
  labelRange,
  scratchTable,
  type ViewJoin,
} from "./view-join.ts";

/**
 * Joins a view to the labels by one sort of both together and one pass over what is sorted: for windows, and for what was known at a time.
 * Throws `FEATURE_STORE_AS_KNOWN_UNSUPPORTED`, `FEATURE_STORE_HISTORY_CORRUPT`, `FEATURE_STORE_VALUE_RANGE`.
 */
export async function joinSorted(source: HistorySource, view: FeatureView, request: JoinRequest): Promise<ViewJoin> {
  const { duckdb } = source;
  const { labels, labelTime, asKnown, batches, signal } = request;
  if (asKnown === "created" && view.createdTime === undefined) throw asKnownUnsupported(view.name);
  const keys = keysOf(view);
  const time = identifier(labelTime);
  const entities = scratchTable(duckdb, "entities");
  const tables: AsyncDisposable[] = [entities];
  try {
    await duckdb.execute(`CREATE TABLE ${entities.sql} AS ${entitiesSql(view, request)}`, { signal });
    const range = await labelRange(duckdb, view, request);
    const rows = await historySql(source, view, { range, batches, availability: asKnown === "available" });
    const read = `SELECT e."_entity", ${eventColumns(view, rows, asKnown)} FROM (${rows.sql}) AS f JOIN ${entities.sql} AS e USING (${keys.join(", ")})`;
    const hasFeatures = Object.keys(view.features).length > 0;
    const events = hasFeatures ? scratchTable(duckdb, "events") : undefined;
    if (events !== undefined) {
      tables.push(events);
      await duckdb.execute(`CREATE TABLE ${events.sql} AS ${read}`, { signal });
    }
    const timesOfLabels = `SELECT e."_entity", epoch_us(l.${time}) AS "_time", l.rowid AS "_label"
      FROM ${labels.sql} AS l JOIN ${entities.sql} AS e USING (${keys.join(", ")}) WHERE isfinite(l.${time})`;
    const { hasMarks } = rows;
    const marks = marksOf(view, { hasMarks, isAsKnown: asKnown !== undefined });
    const sorted = sortedSql(view, { events: events?.sql ?? `(${read})`, labels: timesOfLabels, marks });
    const batchesOf = duckdb.query(sorted, { signal });
    // Of rows with a time to live of their own only the final query knows which have expired.
    const options = { keepExpired: hasMarks && hasFeatures };
    const found =
      asKnown === undefined ? joinPointInTime(view, batchesOf, options) : joinAsKnown(view, batchesOf, options);
    const results = await duckdb.register(scratchName("results"), found, { signal });
    tables.push(results);
    return { ...joinedSql(view, request, { results: results.sql, events: events?.sql, hasMarks }), tables };
  } catch (error) {
    await disposeAll(tables);
    throw await namingFile(source, view, error);
  }
}

interface Joined {
  /** Results by label. */
  readonly results: string;
  /** The view's rows, where it has features of the newest one. */
  readonly events: string | undefined;
  /** Whether rows may be deletes, or have a time to live of their own. */
  readonly hasMarks: boolean;
}

function joinedSql(
  view: FeatureView,
  { position, labelTime }: JoinRequest,
  { results, events, hasMarks }: Joined,
): Pick<ViewJoin, "from" | "columns"> {
  const [result, event] = [`r${position}`, `e${position}`];
  const from = [`LEFT JOIN ${results} AS ${result} ON ${result}.label = l.rowid`];
  if (events !== undefined) from.push(`LEFT JOIN ${events} AS ${event} ON ${event}.rowid = ${result}.event`);
  const isAlive = events !== undefined && hasMarks ? aliveSql(view, event, labelTime) : undefined;
  const known = (value: string): string => (isAlive === undefined ? value : `CASE WHEN ${isAlive} THEN ${value} END`);
  const columns = Object.keys(view.features).map(
    (name) => `${known(`${event}.${identifier(name)}`)} AS ${identifier(featureName(view, name))}`,
  );
  Object.keys(view.aggregates).forEach((name, index) => {
    columns.push(`${known(`${result}."aggregate_${index}"`)} AS ${identifier(featureName(view, name))}`);
  });
  return { from, columns };
}

/** What the join and the final query read of a view's rows. */
function eventColumns(view: FeatureView, { hasMarks }: HistoryRows, asKnown: AsKnown): string {
  const names = [...new Set([...valueColumns(view), ...Object.keys(view.inputs)])].map(identifier);
  const columns = [...names, `"_time"`, `"_created"`, `"_sequence"`].map((name) => `f.${name}`);
  if (hasMarks) columns.push(`f."_deleted"`, `f."_expires"`);
  if (asKnown === "available") columns.push(`coalesce(f."_available", f."_time") AS "_known"`);
  if (asKnown === "created") columns.push(`coalesce(f."_created", f."_time") AS "_known"`);
  return columns.join(", ");
}

/** A column that says of a row of the view how it counts; null in labels. */
interface Mark {
  readonly name: string;
  readonly sql: string;
  readonly type: string;
}

function marksOf(
  view: FeatureView,
  { hasMarks, isAsKnown }: { readonly hasMarks: boolean; readonly isAsKnown: boolean },
): Mark[] {
  const hasWindows = Object.keys(view.aggregates).length > 0;
  return [
    ...(isAsKnown ? [{ name: "known", sql: `"_known"`, type: "BIGINT" }] : []),
    ...(view.retracted === undefined ? [] : [{ name: "retracted", sql: identifier(view.retracted), type: "BOOLEAN" }]),
    // Without windows the newest row says it, and the final query looks at that.
    ...(hasMarks && hasWindows ? [{ name: "deleted", sql: `"_deleted"`, type: "BOOLEAN" }] : []),
    ...(view.eventId.length > 0 && view.createdTime !== undefined
      ? [{ name: "created", sql: `"_created"`, type: "BIGINT" }]
      : []),
  ];
}

interface Sorted {
  readonly events: string;
  readonly labels: string;
  readonly marks: readonly Mark[];
}

/** An input as the pass takes it: its type, and its column as that. */
const INPUTS: Readonly<Record<string, readonly [type: string, sql: (name: string) => string]>> = {
  bool: ["BOOLEAN", (name) => name],
  utf8: ["VARCHAR", (name) => name],
  timestamp: ["DOUBLE", (name) => `epoch_us(${name})`],
};
const NUMBER: (typeof INPUTS)[string] = ["DOUBLE", (name) => name];

/** Rows of the view and labels together, in the order that the joins ask for. */
function sortedSql(view: FeatureView, { events, labels, marks }: Sorted): string {
  const hasFeatures = Object.keys(view.features).length > 0;
  const inputs = Object.entries(view.inputs).map(([name, of], index): Mark => {
    const [type, sql] = INPUTS[of] ?? NUMBER;
    return { name: `input_${index}`, sql: `CAST(${sql(identifier(name))} AS ${type})`, type };
  });
  const given = [...marks, ...inputs];
  const ofEvent = given.map(({ name, sql }) => `, ${sql} AS "${name}"`).join("");
  const ofLabel = given.map(({ type }) => `, CAST(NULL AS ${type})`).join("");
  const taken = given.map(({ name }) => `, "${name}"`).join("");
  // Only a view with features cares which of two rows of equal time is the newer one: sums are the same in any order.
  const rank = hasFeatures
    ? {
        event: `, "_created", "_sequence"`,
        label: ", NULL, NULL",
        order: `, "_created" NULLS FIRST, "_sequence"${view.ties === "first" ? " DESC" : ""}`,
      }
    : { event: "", label: "", order: "" };
  return `SELECT "_entity" AS entity, "_time" AS time, CAST("_label" AS INTEGER) AS label, CAST("_event" AS INTEGER) AS event${taken} FROM (
    SELECT "_entity", "_time", -1 AS "_label", ${hasFeatures ? "rowid" : "-1"} AS "_event"${rank.event}${ofEvent} FROM ${events}
    UNION ALL SELECT "_entity", "_time", "_label", -1${rank.label}${ofLabel} FROM (${labels})
  ) ORDER BY "_entity", "_time", "_label" >= 0${rank.order}`;
}
