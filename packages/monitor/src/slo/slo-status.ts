import { readBudget } from "./error-budget.ts";
import { isSure, readLongWindow, readWindow } from "./error-ratio.ts";
import { createEventCounts, type EventCounts, type EventCountsState } from "./event-counts.ts";
import { type BurnRateRow, thresholdOf } from "./profiles.ts";
import type { Objective, Slo } from "./slo.ts";
import { missingAfter } from "./slo-policy.ts";

/** One row of the table as it stands now. */
export interface BurnRateReading extends BurnRateRow {
  /** Error ratio over the allowed one, in each window; NaN without events. */
  readonly longBurnRate: number;
  readonly shortBurnRate: number;
  /** `unknown`: no event in the short window, or too few in the long one; what fired goes on firing, and nothing begins to. */
  readonly state: "firing" | "ok" | "unknown";
}

export interface ObjectiveStatus {
  readonly name: string;
  /**
   * `no-data`: no event in the shortest window. That is not `ok`: silence proves nothing. `absent`: with `missingData: "alarm"`, nothing was seen for
   * `missingAfterMs`, or ever.
   */
  readonly state: "ok" | "burning" | "exhausted" | "no-data" | "absent";
  readonly rows: readonly BurnRateReading[];
  /** Events of the period, and how many of them may be bad; slices of time where those are budgeted. */
  readonly good: number;
  readonly total: number;
  readonly budget: number;
  /** Share of the budget that is left; negative when overspent, 1 without events. */
  readonly budgetLeft: number;
}

export interface SloStatus extends ObjectiveStatus {
  readonly subject: string;
}

const minute = 60_000;

/** Reads the state of an objective off its counts. Pure but for the counts. */
export function readObjective(slo: Objective, counts: EventCounts, nowMs: number): ObjectiveStatus {
  const rows = slo.profile.map((each) => readRow(slo, each, counts, nowMs));
  const { good, total, allowed: budget, left: budgetLeft } = readBudget(slo, counts, nowMs);
  const burning = rows.some(({ state }) => state === "firing");
  const state = isAbsent(slo, counts, nowMs)
    ? "absent"
    : isSilent(slo, counts, nowMs)
      ? "no-data"
      : burning
        ? "burning"
        : budgetLeft <= 0
          ? "exhausted"
          : "ok";
  return { name: slo.name, state, rows, good, total, budget, budgetLeft };
}

/** Reads the objective's state off its counts. Pure but for the counts. */
export const readSlo = (slo: Slo, counts: EventCounts, nowMs: number): SloStatus => ({
  ...readObjective(slo, counts, nowMs),
  subject: slo.sli.subject,
});

/** Counts as an objective needs them. `bucketMs` by default 10,000. */
export function createSloCounts(
  slo: Objective,
  options: { readonly bucketMs?: number | undefined; readonly state?: EventCountsState | undefined } = {},
): EventCounts {
  const { bucketMs = 10_000, state } = options;
  const { slices, missingData = "ignore" } = slo;
  const needsSlices = missingData === "good" || missingData === "bad";
  const minuteSlices = { lengthMs: Math.max(minute, bucketMs), target: slo.objective };
  const longest = Math.max(...slo.profile.map(({ longMs, forMs = 0 }) => longMs + forMs));
  return createEventCounts({
    periodMs: slo.periodMs,
    bucketMs,
    // Windows are read at the time of the last event too, which may be a while ago.
    fineMs: Math.min(slo.periodMs, longest + 60 * minute),
    slices: slices ?? (needsSlices ? minuteSlices : undefined),
    state,
  });
}

const isAbsent = (slo: Objective, counts: EventCounts, nowMs: number): boolean =>
  slo.missingData === "alarm" && counts.totals(missingAfter(slo), nowMs).total === 0;

function isSilent(slo: Objective, counts: EventCounts, nowMs: number): boolean {
  let shortest = Number.POSITIVE_INFINITY;
  for (const { shortMs } of slo.profile) shortest = Math.min(shortest, shortMs);
  return counts.totals(shortest, nowMs).total === 0 && !countsSilence(slo, counts);
}

/** True where time without events is good or bad, and something was seen before. */
const countsSilence = ({ missingData }: Objective, counts: EventCounts): boolean =>
  (missingData === "good" || missingData === "bad") && counts.firstMs !== undefined;

function readRow(slo: Objective, each: BurnRateRow, counts: EventCounts, nowMs: number): BurnRateReading {
  const reading = readRowAt(slo, each, counts, nowMs);
  const { forMs = 0 } = each;
  if (forMs === 0 || reading.state !== "firing") return reading;
  for (let backMs = minute; backMs <= forMs; backMs += minute)
    if (readRowAt(slo, each, counts, nowMs - backMs).state !== "firing") return { ...reading, state: "ok" };
  return reading;
}

function readRowAt(slo: Objective, each: BurnRateRow, counts: EventCounts, nowMs: number): BurnRateReading {
  const long = readLongWindow(slo, counts, each.longMs, nowMs);
  const short = each.shortMs === each.longMs ? long : readWindow(slo, counts, each.shortMs, nowMs);
  const threshold = thresholdOf(slo.objective, each);
  const allowed = 1 - slo.objective;
  const [longBurnRate, shortBurnRate] = [long.ratio / allowed, short.ratio / allowed];
  const silence = countsSilence(slo, counts);
  const state =
    Number.isNaN(short.ratio) || (short.events === 0 && !silence)
      ? "unknown"
      : !(long.ratio >= threshold && short.ratio >= threshold)
        ? "ok"
        : (long.events < slo.minimumEvents && slo.missingData !== "bad") || !isSure(slo, long, threshold)
          ? "unknown"
          : "firing";
  return {
    severity: each.severity,
    longMs: each.longMs,
    shortMs: each.shortMs,
    burnRate: each.burnRate,
    ...(each.forMs === undefined ? {} : { forMs: each.forMs }),
    longBurnRate,
    shortBurnRate,
    state,
  };
}
