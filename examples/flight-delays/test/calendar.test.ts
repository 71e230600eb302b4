import { expect, test } from "vitest";
import { calendarFeatures, calendarOf } from "../src/calendar.ts";

const named = (minute_of_day: number, weekday: number, distance: number): Record<string, number> =>
  Object.fromEntries(
    calendarOf({ minute_of_day, weekday, distance }).map((value, at) => [calendarFeatures[at] as string, value]),
  );

test("six in the morning of a Saturday", () => {
  const features = named(360, 6, Math.E ** 6);
  expect(features["day_sin"]).toBeCloseTo(1, 12);
  expect(features["day_cos"]).toBeCloseTo(0, 12);
  expect(features["day_sin_2"]).toBeCloseTo(0, 12);
  expect(features["day_cos_2"]).toBeCloseTo(-1, 12);
  // 6/7 of a turn: sin and cos of 308.571°.
  expect(features["week_sin"]).toBeCloseTo(-0.781_831_482_468, 11);
  expect(features["week_cos"]).toBeCloseTo(0.623_489_801_859, 11);
  expect(features).toMatchObject({ night: 0, saturday: 1, five_minute_mark: 1 });
  expect(features["log_distance"]).toBeCloseTo(6, 12);
});

test("night ends at five; marks are every five minutes", () => {
  expect(named(299, 1, 100)).toMatchObject({ night: 1, saturday: 0, five_minute_mark: 0 });
  expect(named(300, 7, 100)).toMatchObject({ night: 0, saturday: 0, five_minute_mark: 1 });
});

test("every feature has a name, and midnight follows on the last minute of the day", () => {
  expect(calendarOf({ minute_of_day: 0, weekday: 1, distance: 1 })).toHaveLength(calendarFeatures.length);
  expect(Math.abs((named(1439, 1, 1)["day_sin"] as number) - (named(0, 1, 1)["day_sin"] as number))).toBeLessThan(
    0.005,
  );
});
