import { Cron } from "croner";
import { scheduleInvalid } from "../errors.ts";

/** The moments that a cron expression names. */
export interface CronTimes {
  readonly expression: string;
  readonly timeZone: string;
  /** The first moment after this one, UTC milliseconds; undefined where there is none any more. */
  next(afterMs: number): number | undefined;
}

export interface CronOptions {
  /** An IANA name, such as `Europe/Berlin`. Default: `UTC`. */
  readonly timeZone?: string | undefined;
}

const weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/**
 * Reads `minute hour day month weekday`, or SageMaker's `cron(minute hour day month weekday year)` with its `?` and its weekdays from 1, which is Sunday. A time
 * that a change of clocks leaves out comes when the clocks have changed; one that comes twice counts once. Throws `MONITOR_SCHEDULE_INVALID`.
 */
export function cronTimes(expression: string, { timeZone = "UTC" }: CronOptions = {}): CronTimes {
  const fields = fieldsOf(expression);
  // Numbers would be minutes of offset there, and NaN would be counted to for ever.
  if (typeof timeZone !== "string") throw scheduleInvalid(expression, `${String(timeZone)} is no time zone`);
  let cron: Cron;
  try {
    cron = new Cron(fields, { timezone: timeZone, paused: true });
    cron.nextRun(new Date(0));
  } catch (error) {
    throw scheduleInvalid(expression, error instanceof Error ? error.message : String(error), error);
  }
  return {
    expression,
    timeZone,
    next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime(),
  };
}

function fieldsOf(expression: string): string {
  const inner = /^\s*cron\((.*)\)\s*$/i.exec(expression)?.[1];
  if (inner === undefined) {
    const fields = expression.trim().split(/\s+/);
    if (fields.length !== 5) throw scheduleInvalid(expression, `it has ${fields.length} fields, not 5`);
    return fields.join(" ");
  }
  const fields = inner.trim().split(/\s+/);
  const [minute = "", hour = "", day = "", month = "", weekday = "", year = ""] = fields;
  if (fields.length !== 6) throw scheduleInvalid(expression, `cron(…) has ${fields.length} fields, not 6`);
  if (year !== "*") throw scheduleInvalid(expression, `the year is ${year}, and only * is taken`);
  const days = weekday.replaceAll(/\d+/g, (number) => weekdays[Number(number) - 1] ?? number);
  return [minute, hour, day, month, days].join(" ").replaceAll("?", "*");
}
