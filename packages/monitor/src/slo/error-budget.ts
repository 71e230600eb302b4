import { calendarSpan, type TimeSpan } from "./calendar-period.ts";
import type { EventCounts } from "./event-counts.ts";
import type { Objective } from "./slo.ts";
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
  const { lastMs } = counts;
  const silentMs = lastMs === undefined ? Number.POSITIVE_INFINITY : nowMs - lastMs;
  const frozen = slo.missingData === "alarm" && silentMs > missingAfter(slo);
  const atMs = frozen && lastMs !== undefined ? lastMs : nowMs;
  const span =
    slo.calendar === undefined ? { startMs: atMs - slo.periodMs, endMs: atMs } : calendarSpan(slo.calendar, atMs);
  const { spent, total } = countSpan(slo, counts, atMs, span);
  const allowed = total * allowedShare(slo.objective);
  const left = total === 0 ? 1 : 1 - spent / allowed;
  const known = { ...span, good: total - spent, total, allowed, spent, left, frozen };
  return { ...known, exhaustedAtMs: frozen ? undefined : forecast(slo, counts, nowMs, known, recentMs) };
}

/** 1 − objective, in the decimal digits it was meant in: 0.001, and not 0.0010000000000000009. */
const allowedShare = (objective: number): number => Number((1 - objective).toPrecision(12));

function countSpan(
  slo: Objective,
  counts: EventCounts,
  atMs: number,
  { startMs }: TimeSpan,
): { readonly spent: number; readonly total: number } {
  const windowMs = slo.calendar === undefined ? slo.periodMs : undefined;
  const missing = slo.missingData ?? "ignore";
  const fills = missing === "good" || missing === "bad";
  if (slo.slices === undefined && !fills) {
    const { good, total } = windowMs === undefined ? counts.between(startMs, atMs) : counts.totals(windowMs, atMs);
    return { spent: total - good, total };
  }
  const { seen, bad, expected } = counts.slices(windowMs ?? atMs - startMs, atMs) ?? { seen: 0, bad: 0, expected: 0 };
  const spentSlices = bad + (missing === "bad" ? expected - seen : 0);
  return { spent: spentSlices, total: fills ? expected : seen };
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
      : badPerMs - (recent.total / recentMs) * allowedShare(slo.objective);
  if (!(netPerMs > 0)) return undefined;
  const atMs = nowMs + (allowed - spent) / netPerMs;
  return slo.calendar !== undefined && atMs >= endMs ? undefined : atMs;
}
