import type { CapturedPrediction } from "@millwright/contracts";
import { sloInvalid } from "../errors.ts";
import type { EventCounts } from "./event-counts.ts";

/** One row of a burn-rate table: fires when the error ratio is over the threshold in the long window and in the short one. */
export interface BurnRateRow {
  readonly severity: "page" | "ticket";
  readonly longMs: number;
  readonly shortMs: number;
  /** How many times faster than allowed the error budget is spent. */
  readonly burnRate: number;
}

/** What is good and what is bad: the indicator of a service level. */
export interface Indicator {
  /** What alerts are about: `endpoint/late`, `endpoint/late/variant/main`. */
  readonly subject: string;
  /** True: good; false: bad; undefined: does not count. */
  readonly classify: (prediction: CapturedPrediction) => boolean | undefined;
}

/** A service level objective over a rolling period. */
export interface Slo {
  readonly name: string;
  /** Share of good events promised, in (0, 1): 0.999. */
  readonly objective: number;
  readonly periodMs: number;
  readonly sli: Indicator;
  readonly profile: readonly BurnRateRow[];
  /** Fewest events in the long window for an alert to fire. */
  readonly minimumEvents: number;
}

export interface SloOptions {
  readonly name: string;
  readonly objective: number;
  /** Default: 30 days. */
  readonly periodMs?: number | undefined;
  readonly sli: Indicator;
  /** Default: `googleProfile()`. */
  readonly profile?: readonly BurnRateRow[] | undefined;
  /** Default: 10. */
  readonly minimumEvents?: number | undefined;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** Throws `MONITOR_SLO_INVALID`. */
export function defineSlo({
  name,
  objective,
  periodMs = 30 * day,
  sli,
  profile = googleProfile(),
  minimumEvents = 10,
}: SloOptions): Slo {
  if (!(objective > 0 && objective < 1))
    throw sloInvalid(name, `the objective must be between 0 and 1, not ${objective}`);
  if (!(periodMs > 0)) throw sloInvalid(name, `the period must be positive, not ${periodMs} ms`);
  if (profile.length === 0) throw sloInvalid(name, "it has no burn-rate row");
  for (const { longMs, shortMs, burnRate } of profile) {
    if (!(shortMs > 0 && shortMs <= longMs && longMs <= periodMs))
      throw sloInvalid(name, `a window of ${shortMs} ms within ${longMs} ms does not fit in ${periodMs} ms`);
    if (!(burnRate > 0)) throw sloInvalid(name, `a burn rate must be positive, not ${burnRate}`);
  }
  return { name, objective, periodMs, sli, profile, minimumEvents };
}

const row = (severity: BurnRateRow["severity"], longMs: number, shortMs: number, burnRate: number): BurnRateRow => ({
  severity,
  longMs,
  shortMs,
  burnRate,
});

/** The SRE workbook's table 5-8, for 30 days: pages after 2 % and 5 % of the budget, a ticket after 10 %. */
export const googleProfile = (): readonly BurnRateRow[] => [
  row("page", hour, 5 * minute, 14.4),
  row("page", 6 * hour, 30 * minute, 6),
  row("ticket", 3 * day, 6 * hour, 1),
];

/** Sloth's `google-30d`: the workbook's table with one more ticket. */
export const slothProfile = (): readonly BurnRateRow[] => [
  ...googleProfile().slice(0, 2),
  row("ticket", day, 2 * hour, 3),
  ...googleProfile().slice(2),
];

/** Pyrra's table, for four weeks. */
export const pyrraProfile = (): readonly BurnRateRow[] => [
  row("page", hour, 5 * minute, 14),
  row("page", 6 * hour, 30 * minute, 7),
  row("ticket", day, 2 * hour, 2),
  row("ticket", 4 * day, 6 * hour, 1),
];

/**
 * The table for another period: windows stay, and burn rates are set so that each row fires after the same share of the budget
 * (burn rate × window / period, as the SRE workbook derives its own).
 */
export function rescaleProfile(
  profile: readonly BurnRateRow[],
  fromPeriodMs: number,
  toPeriodMs: number,
): readonly BurnRateRow[] {
  return profile.map((each) => ({ ...each, burnRate: (each.burnRate * toPeriodMs) / fromPeriodMs }));
}

/** Good where the request succeeded. */
export function errorIndicator({
  endpoint,
  variant,
}: {
  readonly endpoint: string;
  readonly variant?: string | undefined;
}): Indicator {
  return {
    subject: subjectOf(endpoint, variant),
    classify: (prediction) =>
      concerns(prediction, endpoint, variant) ? prediction.errorCode === undefined : undefined,
  };
}

/** Good where the request succeeded within `thresholdMs`. Failed requests are left to `errorIndicator`. */
export function latencyIndicator({
  endpoint,
  variant,
  thresholdMs,
}: {
  readonly endpoint: string;
  readonly variant?: string | undefined;
  readonly thresholdMs: number;
}): Indicator {
  return {
    subject: subjectOf(endpoint, variant),
    classify: (prediction) =>
      concerns(prediction, endpoint, variant) && prediction.errorCode === undefined
        ? prediction.latencyMs <= thresholdMs
        : undefined,
  };
}

/** `endpoint/late`, `endpoint/late/variant/main`. */
export function subjectOf(endpoint: string, variant?: string): string {
  return variant === undefined ? `endpoint/${endpoint}` : `endpoint/${endpoint}/variant/${variant}`;
}

const concerns = (prediction: CapturedPrediction, endpoint: string, variant: string | undefined): boolean =>
  prediction.endpoint === endpoint && (variant === undefined || prediction.variant === variant);

/** One row of the table as it stands now. */
export interface BurnRateReading extends BurnRateRow {
  /** Error ratio over the allowed one, in each window; NaN without events. */
  readonly longBurnRate: number;
  readonly shortBurnRate: number;
  /** `unknown`: no event in the short window, or too few in the long one; what fired goes on firing, and nothing begins to. */
  readonly state: "firing" | "ok" | "unknown";
}

export interface SloStatus {
  readonly name: string;
  readonly subject: string;
  /** `no-data`: no event in the shortest window. That is not `ok`: silence proves nothing. */
  readonly state: "ok" | "burning" | "exhausted" | "no-data";
  readonly rows: readonly BurnRateReading[];
  /** Events of the rolling period, and how many of them may be bad. */
  readonly good: number;
  readonly total: number;
  readonly budget: number;
  /** Share of the budget that is left; negative when overspent, 1 without events. */
  readonly budgetLeft: number;
}

/** Reads the objective's state off its counts. Pure but for the counts. */
export function readSlo(slo: Slo, counts: EventCounts, nowMs: number): SloStatus {
  const rows = slo.profile.map((each) => readRow(slo, each, counts, nowMs));
  const { good, total } = counts.totals(slo.periodMs, nowMs);
  const budget = total * (1 - slo.objective);
  const budgetLeft = total === 0 ? 1 : 1 - (total - good) / budget;
  const shortest = Math.min(...slo.profile.map(({ shortMs }) => shortMs));
  const silent = counts.totals(shortest, nowMs).total === 0;
  const burning = rows.some(({ state }) => state === "firing");
  const state = silent ? "no-data" : burning ? "burning" : budgetLeft <= 0 ? "exhausted" : "ok";
  return { name: slo.name, subject: slo.sli.subject, state, rows, good, total, budget, budgetLeft };
}

function readRow(slo: Slo, each: BurnRateRow, counts: EventCounts, nowMs: number): BurnRateReading {
  const burn = (windowMs: number): { readonly rate: number; readonly total: number } => {
    const { good, total } = counts.totals(windowMs, nowMs);
    return { rate: (total - good) / total / (1 - slo.objective), total };
  };
  const [long, short] = [burn(each.longMs), burn(each.shortMs)];
  // Errors and objective are rounded numbers; a rate that meets the threshold within rounding meets it.
  const over = (rate: number): boolean => rate >= each.burnRate * (1 - 1e-9);
  const state =
    short.total === 0
      ? "unknown"
      : !over(long.rate) || !over(short.rate)
        ? "ok"
        : long.total < slo.minimumEvents
          ? "unknown"
          : "firing";
  return { ...each, longBurnRate: long.rate, shortBurnRate: short.rate, state };
}
