import { readFile } from "node:fs/promises";
import type { Batch } from "@millwright/contracts";
import { batchOf } from "@millwright/data";

/** The zone that each state, or most of it, keeps. Indiana kept three in 2001; see `exceptions`. */
const statesByZone: Readonly<Record<string, string>> = {
  "America/New_York": "CT FL GA IN KY MA MD ME MI NC NH NJ NY OH PA RI SC VA VT WV DC DE",
  "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
  "America/Denver": "CO ID MT NM UT WY",
  "America/Los_Angeles": "CA NV OR WA",
  "America/Phoenix": "AZ",
  "America/Anchorage": "AK",
  "Pacific/Honolulu": "HI",
  "America/Puerto_Rico": "PR VI",
};

/** Airports that do not keep their state's zone. */
const exceptions: Readonly<Record<string, string>> = {
  MQT: "America/New_York",
  TYS: "America/New_York",
  TRI: "America/New_York",
  CHA: "America/New_York",
  PNS: "America/Chicago",
  VPS: "America/Chicago",
  EVV: "America/Chicago",
  ELP: "America/Denver",
  RAP: "America/Denver",
  IND: "America/Indianapolis",
  FWA: "America/Indianapolis",
  SBN: "America/Indianapolis",
};

const zoneByState = new Map(
  Object.entries(statesByZone).flatMap(([zone, states]) => states.split(" ").map((state) => [state, zone] as const)),
);

/**
 * Where each airport's clock stood in 2001: columns `airport`, `winter_minutes` and `summer_minutes` east of UTC.
 * Daylight saving began at 02:00 on 1 April 2001.
 * @param airportsCsv With the columns iata, name, city, state.
 */
export async function airportOffsets(airportsCsv: string): Promise<Batch> {
  const rows = (await readFile(airportsCsv, "utf8")).split("\n").slice(1);
  const airports: string[] = [];
  const winter: number[] = [];
  const summer: number[] = [];
  for (const row of rows) {
    // Names may hold commas, in quotes; the code is the first field and the state the one before the country.
    const code = row.slice(0, row.indexOf(","));
    const state = /,([A-Z]{2}),USA,/.exec(row)?.[1];
    const zone = exceptions[code] ?? (state === undefined ? undefined : zoneByState.get(state));
    if (zone === undefined) continue;
    airports.push(code);
    winter.push(offsetMinutes(zone, Date.UTC(2001, 1, 1)));
    summer.push(offsetMinutes(zone, Date.UTC(2001, 5, 1)));
  }
  return batchOf({
    airport: airports,
    winter_minutes: Int32Array.from(winter),
    summer_minutes: Int32Array.from(summer),
  });
}

/** Minutes that clocks in `zone` are ahead of UTC at a moment, by the time zone database that Node carries. */
function offsetMinutes(zone: string, timeMs: number): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  }).formatToParts(timeMs);
  const part = (type: string): number => Number(parts.find((each) => each.type === type)?.value);
  const local = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"));
  return Math.round((local - timeMs) / 60_000);
}
