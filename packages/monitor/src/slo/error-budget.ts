import { calendarSpan, type TimeSpan } from "./calendar-period.ts";
import type { EventCounts, EventTotals } from "./event-counts.ts";
import type { Objective } from "./slo.ts";
import { allowedRatio } from "./profiles.ts";
import { missingAfter } from "./slo-policy.ts";

/** What an objective may still lose. Counts events, or slices of time where those are budgeted. */
export interface ErrorBudget extends TimeSpan {
  readonly good: number;
  readonly total: number;
  /** How many may be bad: (1 − objective) of all. */
  readonly allowed: number;
  /** How many are. */
  readonly spent: number;
  /** Share that is left: 1 untouched, 0 spent, below 0 overspent; 1 without events. */
  readonly left: number;
  /**
   * When it is spent if errors go on as in the last hour (or `recentMs`): UTC milliseconds, the moment itself where it is spent already; undefined where it
   * never is, or not before the calendar period ends.
   */
  readonly exhaustedAtMs: number | undefined;
  /** True where nothing is seen any more and missing data are an alarm: the budget is that of the last event, and heals no more. */
  readonly frozen: boolean;
}

export interface BudgetOptions {
  /** What the forecast goes on with. Default: 1 hour. */
  readonly recentMs?: number | undefined;
}

const hour = 3_600_000;

/** Budget of the objective's period, rolling or of the calendar, exact to the event for what is counted in buckets of the period. */
export function readBudget(
  slo: Objective,
  counts: EventCounts,
  nowMs: number,
  { recentMs = hour }: BudgetOptions = {},
): ErrorBudget {
  const atMs = budgetTime(slo, counts, nowMs);
  const { startMs, endMs } = spanOf(slo, atMs);
  const { good, total, allowed, left } = spendingOf(slo, counts, atMs);
  const known = { startMs, endMs, good, total, allowed, spent: total - good, left };
  const frozen = atMs !== nowMs;
  return { ...known, frozen, exhaustedAtMs: frozen ? undefined : forecast(slo, counts, nowMs, known, recentMs) };
}

/** The moment that the budget is of: now, or where it is frozen, the last event. */
export function budgetTime(slo: Objective, counts: EventCounts, nowMs: number): number {
  if (slo.missingData !== "alarm") return nowMs;
  const { lastMs } = counts;
  return lastMs !== undefined && nowMs - lastMs > missingAfter(slo) ? lastMs : nowMs;
}

const spanOf = ({ calendar, periodMs }: Objective, atMs: number): TimeSpan =>
  calendar === undefined ? { startMs: atMs - periodMs, endMs: atMs } : calendarSpan(calendar, atMs);

/** What the period has spent at a moment. */
export interface Spending {
  readonly good: number;
  readonly total: number;
  readonly allowed: number;
  readonly left: number;
}

export function spendingOf(slo: Objective, counts: EventCounts, atMs: number): Spending {
  const { good, total } = countPeriod(slo, counts, atMs);
  const allowed = total * allowedRatio(slo.objective);
  return { good, total, allowed, left: total === 0 ? 1 : 1 - (total - good) / allowed };
}

function countPeriod(slo: Objective, counts: EventCounts, atMs: number): EventTotals {
  const { calendar, slices, missingData, periodMs } = slo;
  const fills = missingData === "good" || missingData === "bad";
  if (slices === undefined && !fills)
    return calendar === undefined
      ? counts.totals(periodMs, atMs)
      : counts.between(calendarSpan(calendar, atMs).startMs, atMs);
  const windowMs = calendar === undefined ? periodMs : atMs - calendarSpan(calendar, atMs).startMs;
  const { seen, bad, expected } = counts.slices(windowMs, atMs) ?? { seen: 0, bad: 0, expected: 0 };
  const total = fills ? expected : seen;
  return { good: total - bad - (missingData === "bad" ? expected - seen : 0), total };
}

function forecast(
  slo: Objective,
  counts: EventCounts,
  nowMs: number,
  { spent, total, allowed, left, endMs }: Pick<ErrorBudget, "spent" | "total" | "allowed" | "left"> & TimeSpan,
  recentMs: number,
): number | undefined {
  if (total > 0 && left <= 0) return nowMs;
  if (slo.slices !== undefined || total === 0) return undefined;
  const recent = counts.totals(recentMs, nowMs);
  const badPerMs = (recent.total - recent.good) / recentMs;
  // A rolling period loses its old errors as fast as they came, and a calendar one grows.
  const netPerMs =
    slo.calendar === undefined
      ? badPerMs - spent / slo.periodMs
      : badPerMs - (recent.total / recentMs) * allowedRatio(slo.objective);
  if (!(netPerMs > 0)) return undefined;
  const atMs = nowMs + (allowed - spent) / netPerMs;
  return slo.calendar !== undefined && atMs >= endMs ? undefined : atMs;
}
