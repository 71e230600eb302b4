/** A period of the calendar, in the wall time of a zone. Weeks begin on Monday. */
export interface CalendarPeriod {
  readonly unit: "day" | "week" | "month" | "quarter" | "year";
  /** A zone of the IANA database. Default: `"UTC"`. */
  readonly timeZone?: string | undefined;
}

/** From `startMs` until before `endMs`, UTC milliseconds. */
export interface TimeSpan {
  readonly startMs: number;
  readonly endMs: number;
}

interface WallTime {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    calendar: "iso8601",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(timeZone, format);
  return format;
}

export function isTimeZone(timeZone: string): boolean {
  try {
    return typeof timeZone === "string" && formatOf(timeZone) !== undefined;
  } catch {
    return false;
  }
}

/** What clocks of the zone show, written as if it were UTC. */
function shownMs(timeMs: number, timeZone: string): number {
  const parts = Object.fromEntries(
    formatOf(timeZone)
      .formatToParts(timeMs)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** The moment at which the day begins in the zone: midnight, or where clocks jump over it, the moment of the jump. */
function startOfDay({ year, month, day }: WallTime, timeZone: string): number {
  const wanted = Date.UTC(year, month - 1, day);
  const offsets = [wanted - 86_400_000, wanted, wanted + 86_400_000].map((near) => shownMs(near, timeZone) - near);
  const exact = offsets.map((offset) => wanted - offset).filter((moment) => shownMs(moment, timeZone) === wanted);
  if (exact.length > 0) return Math.min(...exact);
  // Clocks jump over midnight: the day begins with what they show right after it.
  return Math.max(
    ...offsets.map((offset) => wanted - offset).filter((moment) => shownMs(moment - 1, timeZone) < wanted),
  );
}

const monthsOf = { month: 1, quarter: 3, year: 12 } as const;

const known = new Map<string, TimeSpan>();
const mostKnown = 1000;

/** The period that a moment lies in. */
export function calendarSpan({ unit, timeZone = "UTC" }: CalendarPeriod, nowMs: number): TimeSpan {
  const key = `${unit} ${timeZone}`;
  const last = known.get(key);
  // Asking a time zone costs more than all else here, and the period is the same as a rule.
  if (last !== undefined && nowMs >= last.startMs && nowMs < last.endMs) return last;
  const span = findSpan(unit, timeZone, nowMs);
  if (known.size >= mostKnown) known.clear();
  known.set(key, span);
  return span;
}

function findSpan(unit: CalendarPeriod["unit"], timeZone: string, nowMs: number): TimeSpan {
  const shown = new Date(shownMs(nowMs, timeZone));
  const [year, month, day] = [shown.getUTCFullYear(), shown.getUTCMonth() + 1, shown.getUTCDate()];
  const at = (wall: WallTime): number => startOfDay(wall, timeZone);
  if (unit === "day" || unit === "week") {
    const first = unit === "day" ? day : day - ((shown.getUTCDay() + 6) % 7);
    return {
      startMs: at({ year, month, day: first }),
      endMs: at({ year, month, day: first + (unit === "day" ? 1 : 7) }),
    };
  }
  const months = monthsOf[unit];
  const first = month - ((month - 1) % months);
  return { startMs: at({ year, month: first, day: 1 }), endMs: at({ year, month: first + months, day: 1 }) };
}
