/** Which windows are alike: all, those of the same time of day, the same and both on workdays or both not, or those of the same time and weekday. */
export type Cycle = "day" | "none" | "week" | "workweek";

/** Days that are unlike their weekday, and times in which nothing is judged. */
export interface Calendar {
  /** Days, as `2026-12-25`, that are taken for Sundays. Default: none. */
  readonly holidays?: readonly string[] | undefined;
  /** Windows that touch one are not judged, and do not count as history. Default: none. */
  readonly events?: readonly KnownEvent[] | undefined;
  /** How far local time, in which days begin, is ahead of UTC. Default: 0. */
  readonly utcOffsetMs?: number | undefined;
}

/** What everybody knows about, `[fromMs, toMs)`: a sale, a migration, a test. */
export interface KnownEvent {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** The phase of a window in each cycle: windows of one phase are compared. */
export type Phases = Readonly<Record<Cycle, number>>;

/** The simplest first. */
export const cycles: readonly Cycle[] = ["none", "day", "workweek", "week"];

const dayMs = 86_400_000;
const sunday = 0;
const saturday = 6;

/** @param windowMs How long windows are: those that begin within so much of a day's time are of one phase. */
export function createPhases(windowMs: number, calendar: Calendar): (startMs: number) => Phases {
  const { holidays = [], utcOffsetMs = 0 } = calendar;
  const sundays = new Set(holidays.map((date) => Math.floor(Date.parse(`${date}T00:00:00Z`) / dayMs)));
  const perDay = Math.max(1, Math.round(dayMs / windowMs));
  return (startMs) => {
    const localMs = startMs + utcOffsetMs;
    const date = Math.floor(localMs / dayMs);
    const time = Math.floor(((localMs - date * dayMs) / dayMs) * perDay);
    // Day 0 of the epoch was a Thursday.
    const weekday = sundays.has(date) ? sunday : (((date + 4) % 7) + 7) % 7;
    const workless = weekday === sunday || weekday === saturday;
    return { none: 0, day: time, workweek: time + (workless ? perDay : 0), week: time + weekday * perDay };
  };
}

/** The known event that `[startMs, endMs)` touches. */
export function eventAt(startMs: number, endMs: number, { events = [] }: Calendar): KnownEvent | undefined {
  return events.find(({ fromMs, toMs }) => fromMs < endMs && toMs > startMs);
}
