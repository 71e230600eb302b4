import { join } from "node:path";
import type { Dataset } from "@millwright/contracts";
import { collect, toArray } from "@millwright/data";
import { type DuckDb, literal } from "@millwright/duckdb";
import type { FeatureStore } from "@millwright/feature-store";
import { lateFlights, views } from "./definitions.ts";
import type { DataReport, LeakageReport } from "./report-data.ts";
import { type Terminal, count } from "./terminal.ts";

/** What each stage of the job works with. */
export interface Workshop {
  readonly duckdb: DuckDb;
  readonly store: FeatureStore;
  readonly terminal: Terminal;
  /** The prepared flights, one Parquet file. */
  readonly flights: string;
  /** The working folder. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** Ingests every flight's outcome into the history of each view. */
export async function ingestOutcomes({ duckdb, store, terminal, flights, signal }: Workshop): Promise<void> {
  const outcomes = await duckdb.scan(flights, { signal });
  for (const view of views) {
    const { rows, added } = await store.ingest(view, outcomes, { batchId: "flights-3m", signal });
    terminal.line(`   ${view.name}: ${count(rows)} outcomes${added ? "" : ", there already"}`);
  }
}

export async function describeFlights({ duckdb, flights, signal }: Workshop): Promise<DataReport> {
  const source = `read_parquet(${literal(flights)})`;
  const months = await rowsOf(
    duckdb,
    `SELECT strftime(departed_local, '%B') AS month, CAST(count(*) AS DOUBLE) AS flights, avg(late) AS late_share
     FROM ${source} WHERE departed_local < TIMESTAMP '2001-07-01' GROUP BY ALL ORDER BY min(departed_local)`,
    signal,
  );
  const [whole] = await rowsOf(
    duckdb,
    `SELECT CAST(count(*) AS DOUBLE) AS flights, CAST(count(DISTINCT origin) AS DOUBLE) AS airports, CAST(count(DISTINCT origin || destination) AS DOUBLE) AS routes,
       CAST(epoch_ms(min(departed_at)) AS DOUBLE) AS first_ms, CAST(epoch_ms(max(departed_at)) AS DOUBLE) AS last_ms FROM ${source}`,
    signal,
  );
  const number = (name: string): number => whole?.[name] as number;
  return {
    flights: number("flights"),
    airports: number("airports"),
    routes: number("routes"),
    firstMs: number("first_ms"),
    lastMs: number("last_ms"),
    months: months.map((row) => ({
      month: row["month"] as string,
      flights: row["flights"] as number,
      lateShare: row["late_share"] as number,
    })),
  };
}

/** The departures of a period with the features known before each, and whether they were late. */
export async function trainingSet(
  { duckdb, store, flights, directory, signal }: Workshop,
  name: string,
  fromMs: number,
  toMs: number,
): Promise<Dataset> {
  const labels = await duckdb.asDataset(
    `SELECT departed_at, origin, destination, quarter, minute_of_day, weekday, distance, late
     FROM read_parquet(${literal(flights)})
     WHERE departed_at >= make_timestamp(${fromMs * 1000}) AND departed_at < make_timestamp(${toMs * 1000}) ORDER BY departed_at`,
    { signal },
  );
  return store.history(lateFlights, {
    labels,
    labelTime: "departed_at",
    path: join(directory, `${name}.parquet`),
    signal,
  });
}

/**
 * Computes features of a sample again, straight from the flights: for each departure the flights that were known before it, one SQL aggregate a window, without the feature
 * store. Every value must be equal, and every flight used must have been known before the departure.
 */
export async function proveNoLeakage(
  { duckdb, flights, directory, signal }: Workshop,
  labels: number,
): Promise<LeakageReport> {
  const sample = `(SELECT row_number() OVER () AS label, * FROM (SELECT * FROM read_parquet(${literal(join(directory, "train.parquet"))}) ORDER BY hash(departed_at, origin, destination) LIMIT ${labels}))`;
  let values = 0;
  let different = 0;
  let closestMinutes = Number.POSITIVE_INFINITY;
  for (const view of views) {
    const keys = Object.keys(view.entity.keys);
    const checks = Object.entries(view.aggregates).map(([name, { kind, input, windowMs }], index) => {
      const used = `FILTER (f.known_at >= s.departed_at - to_milliseconds(${windowMs}))`;
      const expected =
        kind === "count" ? `count(f.known_at) ${used}` : `sum(f.${input}) ${used} / count(f.${input}) ${used}`;
      // Of an entity that never had an outcome the store knows nothing: null, also for counts.
      const served = `any_value(s.${view.name}__${name})`;
      return `${expected} IS DISTINCT FROM ${kind === "count" ? `coalesce(${served}, 0)` : served} AS different_${index}`;
    });
    const [row] = await rowsOf(
      duckdb,
      `SELECT CAST(sum(${checks.map((_, index) => `CAST(different_${index} AS INTEGER)`).join(" + ")}) AS DOUBLE) AS different,
         CAST(min(epoch_ms(newest)) AS DOUBLE) / 60000 AS closest, CAST(count(*) AS DOUBLE) AS labels FROM (
         SELECT min(s.departed_at - f.known_at) AS newest, ${checks.join(", ")}
         FROM ${sample} AS s LEFT JOIN read_parquet(${literal(flights)}) AS f
           ON ${keys.map((key) => `f.${key} = s.${key}`).join(" AND ")} AND f.known_at < s.departed_at AND f.known_at >= s.departed_at - INTERVAL 28 DAY
         GROUP BY s.label)`,
      signal,
    );
    values += checks.length * (row?.["labels"] as number);
    different += row?.["different"] as number;
    closestMinutes = Math.min(closestMinutes, row?.["closest"] as number);
  }
  return { labels, values, different, closestMinutes };
}

/** A few rows as objects: for results, not for data. */
export async function rowsOf(
  duckdb: DuckDb,
  sql: string,
  signal: AbortSignal,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const batch = await collect(await duckdb.asDataset(sql, { signal }));
  const columns = Object.entries(batch.columns).map(([name, column]) => [name, toArray(column)] as const);
  return Array.from({ length: batch.length }, (_, row) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values[row]])),
  );
}
