import { sloInvalid } from "../errors.ts";
import type { SliceOptions } from "./slice-counts.ts";
import type { CalendarPeriod } from "./calendar-period.ts";
import { isTimeZone } from "./calendar-period.ts";

/**
 * What time without events means. `"ignore"`: nothing, ratios are of what was seen; `"good"`: as good as it could be (Elastic's method: bad slices by all
 * slices that passed); `"bad"`: wholly bad; `"alarm"`: as `"ignore"`, and the objective is `absent`, with a finding of its own.
 */
export type MissingData = "ignore" | "good" | "bad" | "alarm";

/** How alerts are held back where a few events say little. They hold beside `minimumEvents`, all that are given at once. */
export interface LowTraffic {
  /** The lower end of Wilson's score interval of the long window's error ratio must be over the threshold: its normal quantile, 1.96 for 95 %. Over 0. */
  readonly wilsonZ?: number | undefined;
  /** A long window with fewer events than this grows, doubling, until it holds so many. */
  readonly growUntilEvents?: number | undefined;
  /** As far as it grows at most. Default: the period. */
  readonly growToMs?: number | undefined;
}

export interface SloPolicy {
  /** The budget of a calendar period in place of a rolling one. Default: rolling. */
  readonly calendar?: CalendarPeriod | undefined;
  /** Budgets slices of time in place of events: OpenSLO's `Timeslices`. Default: events. */
  readonly slices?: SliceOptions | undefined;
  /** Default: `"ignore"`. */
  readonly missingData?: MissingData | undefined;
  /** How long nothing is seen before the objective counts as absent and its budget is frozen. Default: the longest of the short windows, from 5 minutes. */
  readonly missingAfterMs?: number | undefined;
  readonly lowTraffic?: LowTraffic | undefined;
}

const kinds: readonly unknown[] = ["ignore", "good", "bad", "alarm"];
const units: readonly unknown[] = ["day", "week", "month", "quarter", "year"];

/** Throws `MONITOR_SLO_INVALID`. */
export function checkPolicy(name: string, policy: SloPolicy): void {
  const { calendar, slices, missingData = "ignore", missingAfterMs = 1, lowTraffic = {} } = policy;
  if (!kinds.includes(missingData))
    throw sloInvalid(name, `missing data are good, bad, ignored (ignore) or an alarm, not ${String(missingData)}`);
  if (!(missingAfterMs > 0)) throw sloInvalid(name, `nothing is missing after ${String(missingAfterMs)} ms`);
  if (calendar !== undefined && !units.includes(calendar.unit))
    throw sloInvalid(name, `a calendar period is a day, week, month, quarter or year, not ${String(calendar.unit)}`);
  if (calendar !== undefined && !isTimeZone(calendar.timeZone ?? "UTC"))
    throw sloInvalid(name, `"${String(calendar.timeZone)}" is no time zone of the IANA database`);
  if (slices !== undefined && !(slices.lengthMs > 0 && slices.target > 0 && slices.target <= 1))
    throw sloInvalid(
      name,
      `slices of ${String(slices.lengthMs)} ms that are good from a share of ${String(slices.target)} are none`,
    );
  checkLowTraffic(name, lowTraffic);
}

function checkLowTraffic(name: string, { wilsonZ = 1, growUntilEvents = 1, growToMs = 1 }: LowTraffic): void {
  if (!(wilsonZ > 0 && wilsonZ < 100))
    throw sloInvalid(name, `the quantile ${String(wilsonZ)} is none of Wilson's interval`);
  if (!(growUntilEvents > 0 && growToMs > 0))
    throw sloInvalid(name, `a window cannot grow until ${String(growUntilEvents)} events, to ${String(growToMs)} ms`);
}

/** How long nothing is seen before an objective counts as absent. */
export const missingAfter = ({
  missingAfterMs,
  profile,
}: SloPolicy & { readonly profile: readonly { readonly shortMs: number }[] }): number =>
  missingAfterMs ?? Math.max(300_000, Math.min(...profile.map(({ shortMs }) => shortMs)));
