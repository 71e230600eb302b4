import { identifier } from "@millwright/duckdb";
import { featureName, type FeatureView } from "../definition/definition.ts";
import { historySql, type HistoryRows, type HistorySource, namingFile } from "../history/history-sql.ts";
import {
  aliveSql,
  disposeAll,
  entitiesSql,
  type JoinRequest,
  keysOf,
  labelRange,
  presentSql,
  scratchTable,
  type ViewJoin,
} from "./view-join.ts";

/** Where labels are fewer than one to so many rows, the rows of other entities are left out before the join: it costs less than to sort them. */
const FEW_LABELS = 8;

/**
 * Joins a view without aggregates to the labels by DuckDB's as-of join: first keys and times alone, then the rows that were found. Gives what the pass over
 * sorted rows gives. Throws `FEATURE_STORE_HISTORY_CORRUPT`.
 */
export async function joinAsOf(source: HistorySource, view: FeatureView, request: JoinRequest): Promise<ViewJoin> {
  const { duckdb } = source;
  const { batches, signal } = request;
  const [entities, matched, newest] = [
    scratchTable(duckdb, "entities"),
    scratchTable(duckdb, "matched"),
    scratchTable(duckdb, "newest"),
  ];
  const tables = [entities, matched, newest];
  try {
    const range = await labelRange(duckdb, view, request);
    const rows = await historySql(source, view, { range, batches });
    const isCoded = !hasIntegerKey(view);
    if (isCoded) {
      await duckdb.execute(`CREATE TABLE ${entities.sql} AS ${entitiesSql(view, request)}`, { signal });
    }
    const coded = { labels: labelsSql(view, request, isCoded ? entities.sql : undefined), rows: "" };
    coded.rows = rowsSql(view, rows, request, isCoded ? entities.sql : undefined);
    await duckdb.execute(`CREATE TABLE ${matched.sql} AS ${matchedSql(view, rows, coded)}`, { signal });
    await duckdb.execute(
      `CREATE TABLE ${newest.sql} AS SELECT f.* FROM (${coded.rows}) AS f SEMI JOIN ${matched.sql} AS m
       ON f."_entity" = m."_entity" AND f."_time" = m."_time"`,
      { signal },
    );
    await duckdb.execute(outrankedSql(view, newest.sql), { signal });
    return {
      ...joinedSql(view, request, { matched: matched.sql, newest: newest.sql, hasMarks: rows.hasMarks }),
      tables,
    };
  } catch (error) {
    await disposeAll(tables);
    throw await namingFile(source, view, error);
  }
}

/** Whether an entity's key is a number that can be joined as it is. */
function hasIntegerKey({ entity }: FeatureView): boolean {
  const types = Object.values(entity.keys);
  return types.length === 1 && types[0] !== "utf8";
}

/** The labels that can have features: `_label`, `_entity`, `_at`. Null times must not come near an as-of join: DuckDB matches them to the newest row. */
function labelsSql(view: FeatureView, { labels, labelTime }: JoinRequest, entities: string | undefined): string {
  const at = `epoch_us(${identifier(labelTime)}) AS "_at"`;
  const where = presentSql(view, labelTime);
  const keys = keysOf(view);
  if (entities === undefined) {
    return `SELECT rowid AS "_label", ${keys[0]} AS "_entity", ${at} FROM ${labels.sql} WHERE ${where}`;
  }
  const all = `SELECT rowid AS "_label", ${keys.join(", ")}, ${at} FROM ${labels.sql} WHERE ${where}`;
  return `SELECT l."_label", e."_entity", l."_at" FROM (${all}) AS l JOIN ${entities} AS e USING (${keys.join(", ")})`;
}

/** The view's rows: `_entity`, `_time`, what ranks them, their marks, and the features. */
function rowsSql(view: FeatureView, rows: HistoryRows, request: JoinRequest, entities: string | undefined): string {
  const keys = keysOf(view);
  const names = [...Object.keys(view.features).map(identifier), `"_time"`, `"_created"`, `"_sequence"`];
  if (rows.hasMarks) names.push(`"_deleted"`, `"_expires"`);
  const columns = names.map((name) => `f.${name}`).join(", ");
  if (entities !== undefined) {
    return `SELECT e."_entity", ${columns} FROM (${rows.sql}) AS f JOIN ${entities} AS e USING (${keys.join(", ")})`;
  }
  const isFew = request.labels.rows * FEW_LABELS < rows.mostRows;
  const where = isFew ? ` WHERE f.${keys[0]} IN (SELECT ${keys[0]} FROM ${request.labels.sql})` : "";
  return `SELECT f.${keys[0]} AS "_entity", ${columns} FROM (${rows.sql}) AS f${where}`;
}

interface Coded {
  readonly labels: string;
  readonly rows: string;
}

/** By label: the time of its entity's newest row at or before its own. */
function matchedSql(view: FeatureView, { hasMarks }: HistoryRows, { labels, rows }: Coded): string {
  // A row may have a longer time to live than the view: where there are such rows, the final query decides.
  const ttl = view.ttlMs === undefined || hasMarks ? "" : ` AND l."_at" - f."_time" < ${Math.round(view.ttlMs * 1000)}`;
  return `SELECT l."_label", l."_entity", f."_time" FROM (${labels}) AS l
    ASOF JOIN (SELECT "_entity", "_time" FROM (${rows})) AS f ON l."_entity" = f."_entity" AND l."_at" >= f."_time"
    WHERE f."_time" <= l."_at"${ttl}`;
}

/** Deletes all but the one that counts of rows with equal entity and time. */
function outrankedSql({ ties }: FeatureView, newest: string): string {
  return `DELETE FROM ${newest} WHERE rowid IN (SELECT "_row" FROM (
    SELECT n.rowid AS "_row", row_number() OVER (
      PARTITION BY n."_entity", n."_time" ORDER BY n."_created" DESC NULLS LAST, n."_sequence"${ties === "first" ? "" : " DESC"}
    ) AS "_place"
    FROM ${newest} AS n SEMI JOIN (
      SELECT "_entity", "_time" FROM ${newest} GROUP BY "_entity", "_time" HAVING count(*) > 1
    ) AS t ON n."_entity" = t."_entity" AND n."_time" = t."_time"
  ) WHERE "_place" > 1)`;
}

interface Joined {
  readonly matched: string;
  readonly newest: string;
  readonly hasMarks: boolean;
}

function joinedSql(
  view: FeatureView,
  { position, labelTime }: JoinRequest,
  { matched, newest, hasMarks }: Joined,
): Pick<ViewJoin, "from" | "columns"> {
  const [match, row] = [`m${position}`, `n${position}`];
  const from = [
    `LEFT JOIN ${matched} AS ${match} ON ${match}."_label" = l.rowid`,
    `LEFT JOIN ${newest} AS ${row} ON ${row}."_entity" = ${match}."_entity" AND ${row}."_time" = ${match}."_time"`,
  ];
  const isAlive = hasMarks ? aliveSql(view, row, labelTime) : undefined;
  const columns = Object.keys(view.features).map((name) => {
    const value = `${row}.${identifier(name)}`;
    const known = isAlive === undefined ? value : `CASE WHEN ${isAlive} THEN ${value} END`;
    return `${known} AS ${identifier(featureName(view, name))}`;
  });
  return { from, columns };
}
