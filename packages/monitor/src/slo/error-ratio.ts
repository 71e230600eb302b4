import { wilsonInterval } from "../statistics/count-tests.ts";
import type { EventCounts } from "./event-counts.ts";
import type { Objective } from "./slo.ts";

/** What a window says of an objective. */
export interface WindowReading {
  /** Share of bad events, or of bad slices; NaN where nothing says. */
  readonly ratio: number;
  /** Events that were seen. */
  readonly events: number;
}

/** Error ratio of a window, by the objective's ways of budgeting and of taking time without events. */
export function readWindow(slo: Objective, counts: EventCounts, windowMs: number, nowMs: number): WindowReading {
  const { good, total } = counts.totals(windowMs, nowMs);
  const missing = slo.missingData ?? "ignore";
  if (slo.slices === undefined && (missing === "ignore" || missing === "alarm"))
    return { ratio: (total - good) / total, events: total };
  const slices = counts.slices(windowMs, nowMs) ?? { seen: 0, bad: 0, expected: 0 };
  const empty = slices.expected - slices.seen;
  // Of slices without events, each weighs as much as one with.
  const observed = slo.slices === undefined ? (total === 0 ? 0 : ((total - good) / total) * slices.seen) : slices.bad;
  if (missing === "ignore" || missing === "alarm") return { ratio: observed / slices.seen, events: total };
  return { ratio: (observed + (missing === "bad" ? empty : 0)) / slices.expected, events: total };
}

/** The long window of a row, grown where it holds too few events. */
export function readLongWindow(slo: Objective, counts: EventCounts, longMs: number, nowMs: number): WindowReading {
  const { growUntilEvents = 0, growToMs = slo.periodMs } = slo.lowTraffic ?? {};
  let windowMs = longMs;
  let reading = readWindow(slo, counts, windowMs, nowMs);
  while (reading.events < growUntilEvents && windowMs < growToMs) {
    windowMs = Math.min(2 * windowMs, growToMs);
    reading = readWindow(slo, counts, windowMs, nowMs);
  }
  return reading;
}

/** True where the ratio is surely over the threshold: without Wilson's interval asked for, always. */
export function isSure(slo: Objective, { ratio, events }: WindowReading, threshold: number): boolean {
  const { wilsonZ } = slo.lowTraffic ?? {};
  return wilsonZ === undefined || wilsonInterval(ratio * events, events, wilsonZ)[0] >= threshold;
}
