import { budgetTime, spendingOf } from "./error-budget.ts";
import { isSure, readLongWindow, readWindow, type WindowReading } from "./error-ratio.ts";
import { createEventCounts, type EventCounts, type EventCountsState } from "./event-counts.ts";
import { allowedRatio, type BurnRateRow, thresholdOf } from "./profiles.ts";
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
  const rows: BurnRateReading[] = [];
  let burning = false;
  let shortestMs = Number.POSITIVE_INFINITY;
  let silent = true;
  for (const each of slo.profile) {
    const row = readRow(slo, each, counts, nowMs);
    rows.push(row.reading);
    if (row.reading.state === "firing") burning = true;
    if (each.shortMs >= shortestMs) continue;
    shortestMs = each.shortMs;
    silent = row.shortEvents === 0;
  }
  const { good, total, allowed, left } = spendingOf(slo, counts, budgetTime(slo, counts, nowMs));
  const state = isAbsent(slo, counts, nowMs)
    ? "absent"
    : silent && !countsSilence(slo, counts)
      ? "no-data"
      : burning
        ? "burning"
        : left <= 0
          ? "exhausted"
          : "ok";
  return { name: slo.name, state, rows, good, total, budget: allowed, budgetLeft: left };
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

/** True where time without events is good or bad, and something was seen before. */
const countsSilence = ({ missingData }: Objective, counts: EventCounts): boolean =>
  (missingData === "good" || missingData === "bad") && counts.firstMs !== undefined;

interface RowReading {
  readonly reading: BurnRateReading;
  readonly shortEvents: number;
}

function readRow(slo: Objective, each: BurnRateRow, counts: EventCounts, nowMs: number): RowReading {
  const now = readRowAt(slo, each, counts, nowMs);
  const { forMs = 0 } = each;
  if (forMs === 0 || now.reading.state !== "firing") return now;
  for (let backMs = minute; backMs <= forMs; backMs += minute)
    if (readRowAt(slo, each, counts, nowMs - backMs).reading.state !== "firing")
      return { ...now, reading: { ...now.reading, state: "ok" } };
  return now;
}

function readRowAt(slo: Objective, each: BurnRateRow, counts: EventCounts, nowMs: number): RowReading {
  const { severity, longMs, shortMs, burnRate, forMs } = each;
  const long = readLongWindow(slo, counts, longMs, nowMs);
  const short = shortMs === longMs ? long : readWindow(slo, counts, shortMs, nowMs);
  const allowed = allowedRatio(slo.objective);
  const longBurnRate = long.ratio / allowed;
  const shortBurnRate = short.ratio / allowed;
  const state = rowState(slo, long, short, thresholdOf(slo.objective, each), countsSilence(slo, counts));
  const reading: BurnRateReading =
    forMs === undefined
      ? { severity, longMs, shortMs, burnRate, longBurnRate, shortBurnRate, state }
      : { severity, longMs, shortMs, burnRate, forMs, longBurnRate, shortBurnRate, state };
  return { reading, shortEvents: short.events };
}

function rowState(
  slo: Objective,
  long: WindowReading,
  short: WindowReading,
  threshold: number,
  silenceCounts: boolean,
): BurnRateReading["state"] {
  if (Number.isNaN(short.ratio) || (short.events === 0 && !silenceCounts)) return "unknown";
  if (!(long.ratio >= threshold && short.ratio >= threshold)) return "ok";
  if (long.events < slo.minimumEvents && slo.missingData !== "bad") return "unknown";
  return isSure(slo, long, threshold) ? "firing" : "unknown";
}
