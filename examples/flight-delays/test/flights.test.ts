import { join } from "node:path";
import { collect, columnOf, toArray } from "@millwright/data";
import { literal, openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { prepareFlights } from "../dist/flights.js";
import { airportOffsets } from "../src/time-zones.ts";
import { airportsFile, flightsFile } from "./data-files.ts";
import { temporaryFolder } from "./job-process.ts";

const source = `read_parquet(${literal(flightsFile)})`;

test("the raw file has three million flights from 1 January 2001 to just after midnight of 1 July, and every origin's clock is known", async () => {
  await using duckdb = await openDuckDb();
  await using offsets = await duckdb.register("offsets", await airportOffsets(airportsFile));
  const batch = await collect(
    await duckdb.asDataset(
      `SELECT CAST(count(*) AS DOUBLE) AS flights, strftime(min(date), '%Y-%m-%d') AS first, strftime(max(date), '%Y-%m-%d') AS last,
         CAST(count(*) FILTER (airport IS NULL) AS DOUBLE) AS unknown FROM ${source} LEFT JOIN ${offsets.sql} ON airport = origin`,
    ),
  );
  const only = (name: string): unknown => toArray(columnOf(batch, name))[0];
  expect([only("flights"), only("first"), only("last")]).toEqual([3_000_000, "2001-01-01", "2001-07-01"]);
  expect(only("unknown")).toBe(0);
}, 600_000);

// By hand from the raw rows: local time to UTC; known after 30 minutes, one more for every whole 8 miles, and the delay where positive; a day later where it left in the night.
const checked = [
  // LGA-ORD 1 January 06:29 EST, 733 miles, +9: 30 + 91 + 9 = 130 minutes.
  { flight: 541, departed: "2001-01-01T11:29", known: "2001-01-01T13:39", late: 0, quarter: 25, weekday: 1 },
  // DEN-PHX 1 January 06:40 MST, 602 miles, +42: 30 + 75 + 42.
  { flight: 654, departed: "2001-01-01T13:40", known: "2001-01-01T16:07", late: 1, quarter: 26, weekday: 1 },
  // IND-DFW 2 January 16:50, 762 miles, 6 early: 30 + 95.
  { flight: 26_081, departed: "2001-01-02T21:50", known: "2001-01-02T23:55", late: 0, quarter: 67, weekday: 2 },
  // LAX-ORD 1 April 00:13, before the clocks went forward, in the night, 1745 miles, +25: 30 + 218 + 25 and a day.
  { flight: 1_477_922, departed: "2001-04-01T08:13", known: "2001-04-02T12:46", late: 1, quarter: 0, weekday: 7 },
  // LGA-CLT 1 April 06:38, the first morning of daylight saving, 544 miles: 30 + 68.
  { flight: 1_478_642, departed: "2001-04-01T10:38", known: "2001-04-01T12:16", late: 0, quarter: 26, weekday: 7 },
  // IND-MSP the same day: Indiana did not change its clocks. 503 miles: 30 + 62.
  { flight: 1_482_432, departed: "2001-04-01T15:29", known: "2001-04-01T17:01", late: 0, quarter: 41, weekday: 7 },
  // PHX-DFW 6 April 01:31, in the night, 868 miles, +2: 30 + 108 + 2 and a day.
  { flight: 1_562_691, departed: "2001-04-06T08:31", known: "2001-04-07T10:51", late: 0, quarter: 6, weekday: 5 },
];

test("flights are spread evenly, and say when they left in UTC and when their outcome was known", async () => {
  await using folder = await temporaryFolder();
  await using duckdb = await openDuckDb();
  const path = join(folder.path, "flights.parquet");
  await prepareFlights(duckdb, path, { rows: 20_000 });
  const batch = await collect(await duckdb.scan(path));
  expect(batch.length).toBeGreaterThan(19_500);
  expect(batch.length).toBeLessThan(20_500);
  const [flights, departed, known, late, quarter, weekday] = [
    "flight",
    "departed_at",
    "known_at",
    "late",
    "quarter",
    "weekday",
  ].map((name) => toArray(columnOf(batch, name)));
  for (const row of checked) {
    const at = flights?.indexOf(row.flight) ?? -1;
    expect(at, `flight ${row.flight}`).toBeGreaterThanOrEqual(0);
    expect({
      flight: row.flight,
      departed: minuteOf(departed?.[at]),
      known: minuteOf(known?.[at]),
      late: late?.[at],
      quarter: quarter?.[at],
      weekday: weekday?.[at],
    }).toEqual(row);
  }
  for (const [at, each] of (departed as bigint[]).entries()) {
    expect((known as bigint[])[at]).toBeGreaterThan(each);
    if (at > 0) expect(each).toBeGreaterThanOrEqual((departed as bigint[])[at - 1] as bigint);
  }
}, 600_000);

const minuteOf = (microseconds: unknown): string =>
  new Date(Number(microseconds) / 1000).toISOString().slice(0, "2001-01-01T00:00".length);
