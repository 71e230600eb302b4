import type { Batch } from "@millwright/contracts";
import { asFloat64, collect, columnOf, toArray } from "@millwright/data";
import { literal } from "@millwright/duckdb";
import type { Row } from "@millwright/serving";
import type { Workshop } from "./features.ts";
import { periods } from "./periods.ts";

/** June as it will be replayed. */
export interface June {
  /** Flights in the order they left. */
  readonly departures: Batch;
  /** UTC milliseconds, by departure. */
  readonly departedMs: Float64Array;
  /** By departure: 1 if it turned out late. */
  readonly late: Float64Array;
  /** What a request says of a departure. */
  entityOf(departure: number): Row;
  requestOf(departure: number): Row;
  requestId(departure: number): string;
  readonly outcomes: Outcomes;
}

/** Arrivals in the order they became known. */
export interface Outcomes {
  readonly batch: Batch;
  /** UTC milliseconds, by outcome. */
  readonly knownMs: Float64Array;
  readonly late: Float64Array;
  /** The id of the request that this is the outcome of. */
  requestId(outcome: number): string;
}

export async function loadJune({ duckdb, flights, signal }: Workshop): Promise<June> {
  const source = `read_parquet(${literal(flights)})`;
  const from = `make_timestamp(${periods.juneMs * 1000})`;
  const sql = (where: string, order: string): string =>
    `SELECT * FROM ${source} WHERE ${where} >= ${from} ORDER BY ${order}, flight`;
  const departures = await collect(await duckdb.asDataset(sql("departed_at", "departed_at"), { signal }));
  const batch = await collect(await duckdb.asDataset(sql("known_at", "known_at"), { signal }));
  const strings = (name: string): readonly string[] => toArray(columnOf(departures, name)) as readonly string[];
  const numbers = (of: Batch, name: string): Float64Array => asFloat64(columnOf(of, name));
  const [origin, destination] = [strings("origin"), strings("destination")];
  const [quarter, minute, weekday, distance, flight] = [
    "quarter",
    "minute_of_day",
    "weekday",
    "distance",
    "flight",
  ].map((name) => numbers(departures, name)) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
  const outcomeFlight = numbers(batch, "flight");
  const milliseconds = (of: Batch, name: string): Float64Array =>
    numbers(of, name).map((microseconds) => microseconds / 1000);
  return {
    departures,
    departedMs: milliseconds(departures, "departed_at"),
    late: numbers(departures, "late"),
    entityOf: (at) => ({
      origin: origin[at] as string,
      destination: destination[at] as string,
      quarter: quarter[at] as number,
    }),
    requestOf: (at) => ({
      minute_of_day: minute[at] as number,
      weekday: weekday[at] as number,
      distance: distance[at] as number,
    }),
    requestId: (at) => `flight-${flight[at]}`,
    outcomes: {
      batch,
      knownMs: milliseconds(batch, "known_at"),
      late: numbers(batch, "late"),
      requestId: (at) => `flight-${outcomeFlight[at]}`,
    },
  };
}
