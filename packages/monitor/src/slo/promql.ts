import { sloInvalid, sloUntranslatable } from "../errors.ts";
import { type BurnRateRow, thresholdOf } from "./profiles.ts";
import type { Objective } from "./slo.ts";

/**
 * Counters in Prometheus that an objective is read from: selectors of instant vectors, `requests_total{endpoint="late"}`. What is bad is told by a counter of
 * its own, or is what is not good.
 */
export type PrometheusCounters =
  | { readonly bad: string; readonly good?: undefined; readonly total: string }
  | { readonly good: string; readonly bad?: undefined; readonly total: string };

/** An objective with the counters it is read from in Prometheus. */
export interface PrometheusObjective {
  readonly objective: Objective;
  readonly counters: PrometheusCounters;
  /** What the objective is of. */
  readonly service: string;
  /** Labels on every rule. Default: none. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly description?: string | undefined;
}

const labelText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(",");

/** Requests of an endpoint, and those that failed, as `@millwright/serving` counts them. */
export function servingErrorCounters(
  endpoint: string,
  labels: Readonly<Record<string, string>> = {},
): PrometheusCounters {
  const matchers = labelText({ endpoint, ...labels });
  return {
    bad: `millwright_serving_errors_total{${matchers}}`,
    total: `millwright_serving_requests_total{${matchers}}`,
  };
}

/**
 * Observations of a histogram at most as large as one of its bounds. In the histogram's own unit: `le` 0.5 of a histogram of seconds; it must be one of its
 * buckets.
 */
export function histogramCounters(
  metric: string,
  le: number,
  labels: Readonly<Record<string, string>> = {},
): PrometheusCounters {
  const matchers = labelText(labels);
  return {
    good: `${metric}_bucket{${labelText({ ...labels, le: String(le) })}}`,
    total: matchers === "" ? `${metric}_count` : `${metric}_count{${matchers}}`,
  };
}

const units = [
  [7 * 86_400_000, "w"],
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
] as const;

/** A duration as Prometheus writes it, in one unit: `5m`, `90m`, `3d`. Whole seconds. */
export function prometheusDuration(durationMs: number): string {
  for (const [unitMs, unit] of units)
    if (durationMs >= unitMs && durationMs % unitMs === 0) return `${durationMs / unitMs}${unit}`;
  throw new RangeError(`Prometheus rules take whole seconds, not ${durationMs} ms.`);
}

const increase = (selector: string, window: string): string => `sum(increase(${selector}[${window}]))`;

export const totalIn = ({ total }: PrometheusCounters, window: string): string => increase(total, window);

/** Selector of what is recorded of an objective. */
export const recorded = (name: string, slo: string): string => `${name}{slo=${JSON.stringify(slo)}}`;
export const ratioName = (windowMs: number): string => `slo:error_ratio:increase${prometheusDuration(windowMs)}`;
export const eventsName = (windowMs: number): string => `slo:events:increase${prometheusDuration(windowMs)}`;

/** Bad events over all that are recorded of the window; nothing where there were none. A counter of errors that was never raised may be missing. */
export function errorRatioIn(counters: PrometheusCounters, slo: string, windowMs: number): string {
  const window = prometheusDuration(windowMs);
  const total = `sum(${recorded(eventsName(windowMs), slo)})`;
  const counted = `(${increase(counters.good ?? counters.bad, window)} or 0 * ${total})`;
  return `${counters.good === undefined ? counted : `(${total} - ${counted})`} / (${total} > 0)`;
}

/** When a row fires, on recorded ratios. Its thresholds are those of the engine. */
export function rowExpression(objective: Objective, row: BurnRateRow): string {
  const { name, minimumEvents, lowTraffic } = objective;
  const threshold = thresholdOf(objective.objective, row);
  const windows = row.longMs === row.shortMs ? [row.longMs] : [row.shortMs, row.longMs];
  const terms = windows.map((windowMs) => `${recorded(ratioName(windowMs), name)} >= ${threshold}`);
  if (minimumEvents > 0) terms.push(`${recorded(eventsName(row.longMs), name)} >= ${minimumEvents}`);
  if (lowTraffic?.wilsonZ !== undefined)
    terms.push(`${wilsonLower(objective, row.longMs, lowTraffic.wilsonZ)} >= ${threshold}`);
  return terms.join(" and ");
}

function wilsonLower({ name }: Objective, windowMs: number, z: number): string {
  const share = recorded(ratioName(windowMs), name);
  const events = recorded(eventsName(windowMs), name);
  const square = z * z;
  const spread = `sqrt(${share} * (1 - ${share}) / ${events} + ${square / 4} / (${events} * ${events}))`;
  return `((${share} + ${square / 2} / ${events} - ${z} * ${spread}) / (1 + ${square} / ${events}))`;
}

/** Throws `MONITOR_SLO_UNTRANSLATABLE` for what rules on counters cannot say. */
export function assertTranslatable(objective: Objective, format: string): void {
  const { name, slices, missingData = "ignore", lowTraffic, calendar } = objective;
  if (slices !== undefined) throw sloUntranslatable(name, format, "budgets slices of time");
  if (missingData === "good" || missingData === "bad")
    throw sloUntranslatable(name, format, `takes time without events for ${missingData}`);
  if (lowTraffic?.growUntilEvents !== undefined)
    throw sloUntranslatable(name, format, "has windows that grow until they hold enough events");
  if (calendar !== undefined) throw sloUntranslatable(name, format, "has a calendar period");
}

/** Throws `MONITOR_SLO_INVALID`. */
export function assertCounters(name: string, counters: PrometheusCounters): void {
  for (const selector of [counters.total, counters.good ?? counters.bad])
    if (typeof selector !== "string" || !/^[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?$/s.test(selector))
      throw sloInvalid(name, `"${String(selector)}" selects no counter: write a metric, or metric{label="value"}`);
}
