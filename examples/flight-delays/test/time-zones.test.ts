import { columnOf, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import { airportOffsets } from "../src/time-zones.ts";
import { airportsFile } from "./data-files.ts";

const offsets = await airportOffsets(airportsFile);
const airports = toArray(columnOf(offsets, "airport")) as readonly string[];
const winter = toArray(columnOf(offsets, "winter_minutes")) as readonly number[];
const summer = toArray(columnOf(offsets, "summer_minutes")) as readonly number[];

// Hours east of UTC in February and June 2001, from the law of the time: daylight saving from the first Sunday of April; none in Arizona, Hawaii, Puerto Rico, most of Indiana.
test.each([
  ["LGA", -5, -4],
  ["ATL", -5, -4],
  ["IND", -5, -5],
  ["FWA", -5, -5],
  ["EVV", -6, -5],
  ["ORD", -6, -5],
  ["DFW", -6, -5],
  ["PNS", -6, -5],
  ["TYS", -5, -4],
  ["BNA", -6, -5],
  ["DEN", -7, -6],
  ["ELP", -7, -6],
  ["PHX", -7, -7],
  ["LAX", -8, -7],
  ["LAS", -8, -7],
  ["SEA", -8, -7],
  ["ANC", -9, -8],
  ["HNL", -10, -10],
  ["SJU", -4, -4],
  ["STT", -4, -4],
])("%s stood at UTC%i in winter and UTC%i in summer 2001", (airport, inWinter, inSummer) => {
  const at = airports.indexOf(airport);
  expect([winter[at], summer[at]]).toEqual([inWinter * 60, inSummer * 60]);
});

test("no airport stands twice, and a name with commas and quotes does not shift the state", () => {
  expect(new Set(airports).size).toBe(airports.length);
  expect(airports.length).toBeGreaterThan(3_000);
});
