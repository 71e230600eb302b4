import type { CallOptions } from "@millwright/contracts";
import { columnOf } from "@millwright/data";
import { identifier, type DuckDb, type RegisteredTable } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import type { Range } from "../history/history-sql.ts";
import { scratchName } from "../history/scratch-name.ts";

/** When a row counts as known; see `HistoryOptions.asKnown`. */
export type AsKnown = "available" | "created" | undefined;

/** What a join of one view to the labels is asked. */
export interface JoinRequest extends CallOptions {
  readonly labels: RegisteredTable;
  readonly labelTime: string;
  readonly asKnown: AsKnown;
  /** The numbers of the batches that count. Default: all. */
  readonly batches: ReadonlySet<number> | undefined;
  /** Tells the join's tables from those of other views in one query. */
  readonly position: number;
}

/** A view joined to the labels, as a part of the query that gives labels and features together; the labels are `l` there. */
export interface ViewJoin {
  /** What is joined to the labels. */
  readonly from: readonly string[];
  /** The view's features, under the names they have in the result. */
  readonly columns: readonly string[];
  /** What the query needs; to be disposed in reverse. */
  readonly tables: readonly AsyncDisposable[];
}

/** A name for a table in the scratch database, and what drops it. */
export function scratchTable(duckdb: DuckDb, what: string): AsyncDisposable & { readonly sql: string } {
  const sql = `scratch.main.${scratchName(what)}`;
  return { sql, [Symbol.asyncDispose]: async () => void (await duckdb.execute(`DROP TABLE IF EXISTS ${sql}`)) };
}

export async function disposeAll(tables: readonly AsyncDisposable[]): Promise<void> {
  for (const table of tables.toReversed()) await table[Symbol.asyncDispose]();
}

/** The columns that name an entity, quoted. */
export const keysOf = (view: FeatureView): string[] => Object.keys(view.entity.keys).map(identifier);

/** Whether a label can have features: all its keys and its time are there. */
export const presentSql = (view: FeatureView, labelTime: string): string =>
  [...keysOf(view).map((column) => `${column} IS NOT NULL`), `isfinite(${identifier(labelTime)})`].join(" AND ");

/** The labels' entities, each once, with a number of its own as `_entity`. */
export const entitiesSql = (view: FeatureView, { labels, labelTime }: JoinRequest): string =>
  `SELECT *, CAST(row_number() OVER () - 1 AS INTEGER) AS "_entity"
     FROM (SELECT DISTINCT ${keysOf(view).join(", ")} FROM ${labels.sql} WHERE ${presentSql(view, labelTime)})`;

/** The first and last time of labels that can have features; undefined where there are none. */
export async function labelRange(
  duckdb: DuckDb,
  view: FeatureView,
  { labels, labelTime, signal }: JoinRequest,
): Promise<Range | undefined> {
  const times = `SELECT epoch_us(${identifier(labelTime)}) AS t FROM ${labels.sql} WHERE ${presentSql(view, labelTime)}`;
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

/** Whether the newest row is neither a delete nor expired: by its own time to live where it has one, else by the view's. */
export function aliveSql(view: FeatureView, row: string, labelTime: string): string {
  const ttl = view.ttlMs === undefined ? "NULL" : `${row}."_time" + ${Math.round(view.ttlMs * 1000)}`;
  return `${row}."_deleted" IS NOT TRUE AND coalesce(epoch_us(l.${identifier(labelTime)}) < coalesce(${row}."_expires", ${ttl}), TRUE)`;
}
