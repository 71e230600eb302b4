import type { CalendarPeriod } from "./calendar-period.ts";

const minute = 60_000;
const day = 1440 * minute;
/** Months, quarters and years roll by 30, 90 and 365 days: OpenSLO leaves it open. */
const unitMs: Readonly<Record<string, number>> = {
  m: minute,
  h: 60 * minute,
  d: day,
  w: 7 * day,
  M: 30 * day,
  Q: 90 * day,
  Y: 365 * day,
};

/** @returns milliseconds of OpenSLO's shorthand; undefined for what is none. */
export function shorthandMs(text: string): number | undefined {
  const [, count, unit] = /^([1-9][0-9]*)([mhdwMQY])$/.exec(text) ?? [];
  const length = unitMs[unit ?? ""];
  return count === undefined || length === undefined ? undefined : Number(count) * length;
}

/** The shorthand of whole minutes, in the largest of weeks, days, hours and minutes; undefined for what has none. */
export function shorthandOf(durationMs: number): string | undefined {
  for (const unit of ["w", "d", "h", "m"]) {
    const length = unitMs[unit] as number;
    if (durationMs >= length && durationMs % length === 0) return `${durationMs / length}${unit}`;
  }
  return undefined;
}

const calendarUnits: Readonly<Record<string, CalendarPeriod["unit"]>> = {
  "1d": "day",
  "1w": "week",
  "1M": "month",
  "1Q": "quarter",
  "1Y": "year",
};

export const calendarUnitOf = (shorthand: string): CalendarPeriod["unit"] | undefined => calendarUnits[shorthand];

export const shorthandOfCalendar = (unit: CalendarPeriod["unit"]): string =>
  Object.entries(calendarUnits).find(([, each]) => each === unit)?.[0] ?? "1M";
