import { fileURLToPath } from "node:url";
import type { CallOptions } from "@millwright/contracts";
import type { DuckDb } from "@millwright/duckdb";
import { literal } from "@millwright/duckdb";
import { airportOffsets } from "./time-zones.ts";

const data = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.resolve("vega-datasets")));

/** 3,000,000 US flights, January to June 2001: `date`, `delay`, `distance`, `origin`, `destination`. */
export const rawFlights = data("flights-3m.parquet");
const airports = data("airports.csv");

export interface PrepareOptions extends CallOptions {
  /** How many flights to keep, spread evenly over the file. Default: all. */
  readonly rows?: number | undefined;
}

/**
 * Writes the flights with what the raw file does not say outright.
 *
 * `date` is the minute the aircraft left, by the clock of its origin, so `departed_at` is that in UTC. `delay` is the delay on ARRIVAL: it is known only when the
 * aircraft is on the ground, and the file does not say when that was, so `known_at` estimates it: 30 minutes of taxi and climb, 8 miles a minute, and the delay
 * itself where it is positive (which counts part of it twice, and so errs on the late side). Departures after midnight are stamped with the day before (flights of the early hours
 * share their delays with the evening of their own stamp, not with the one before it), so their outcome is held back by one more day.
 */
export async function prepareFlights(
  duckdb: DuckDb,
  path: string,
  { rows, signal }: PrepareOptions = {},
): Promise<void> {
  await using offsets = await duckdb.register("airport_offsets", await airportOffsets(airports), { signal });
  const sample = rows === undefined ? "" : `WHERE hash(number) % 3000000 < ${Math.floor(rows)}`;
  await duckdb.writeParquet(
    `WITH numbered AS (
       SELECT row_number() OVER () AS number, date, delay, distance, origin, destination FROM read_parquet(${literal(rawFlights)})
     ), clocked AS (
       SELECT *, hour(date) * 60 + minute(date) AS minute_of_day,
         date - to_minutes(CASE WHEN date >= TIMESTAMP '2001-04-01 02:00:00' THEN summer_minutes ELSE winter_minutes END) AS departed_at
       FROM numbered JOIN ${offsets.sql} ON airport = origin ${sample}
     )
     SELECT CAST(number AS INTEGER) AS flight, departed_at, date AS departed_local,
       departed_at + to_minutes(CAST(30 + distance // 8 + greatest(delay, 0)
         + CASE WHEN minute_of_day < 300 OR delay > minute_of_day THEN 1440 ELSE 0 END AS INTEGER)) AS known_at,
       origin, destination,
       CAST(minute_of_day // 15 AS INTEGER) AS quarter,
       CAST(minute_of_day AS INTEGER) AS minute_of_day,
       CAST(isodow(date) AS INTEGER) AS weekday,
       CAST(distance AS INTEGER) AS distance,
       CAST(delay >= 15 AS INTEGER) AS late,
       CAST(least(greatest(delay, -30), 180) AS INTEGER) AS delay
     FROM clocked ORDER BY departed_at, number`,
    path,
    { signal },
  );
}
