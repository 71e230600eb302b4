import type { Alert, EventDraft, EventLog, Logger } from "@millwright/contracts";
import type { DriftReport } from "./compare.ts";
import type { SloStatus } from "./slo.ts";

/** Events on their way to the log: kept through failures of the log, in order, up to a limit. */
export interface EventOutbox {
  add(event: EventDraft): void;
  /** Appends what waits. A log that fails is tried again the next time. */
  flush(): Promise<void>;
  readonly dropped: number;
}

const mostWaiting = 10_000;

export function createEventOutbox(log: EventLog | undefined, logger: Logger): EventOutbox {
  let waiting: EventDraft[] = [];
  let dropped = 0;
  return {
    add(event) {
      if (log === undefined) return;
      if (waiting.length >= mostWaiting) dropped += 1;
      else waiting.push(event);
    },
    async flush() {
      if (log === undefined || waiting.length === 0) return;
      const events = waiting;
      waiting = [];
      try {
        await log.append(events);
      } catch (error) {
        waiting = [...events, ...waiting];
        logger.warn(
          { events: events.length, error: String(error) },
          "Monitoring events could not be logged; they are kept.",
        );
      }
    },
    get dropped() {
      return dropped;
    },
  };
}

const source = "millwright/monitor";

/** JSON has no NaN. */
const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null;

export function alertEvent({ state, name, subject, severity, summary, sinceMs, value, threshold }: Alert): EventDraft {
  const type = state === "firing" ? "alert.firing" : "alert.resolved";
  return {
    source,
    type,
    subject,
    data: { name, severity, summary, sinceMs, value: finite(value), threshold: finite(threshold) },
  };
}

export function sloEvent(type: "slo.burning" | "slo.recovered" | "slo.exhausted", status: SloStatus): EventDraft {
  const { name, subject, good, total, budgetLeft } = status;
  const rows = status.rows.map(({ severity, longMs, shortMs, burnRate, longBurnRate, shortBurnRate, state }) => ({
    severity,
    longMs,
    shortMs,
    burnRate,
    longBurnRate: finite(longBurnRate),
    shortBurnRate: finite(shortBurnRate),
    state,
  }));
  return { source, type, subject, data: { name, good, total, budgetLeft: finite(budgetLeft), rows } };
}

export function driftEvent(
  type: "drift.checked" | "drift.detected" | "drift.ended",
  subject: string,
  report: DriftReport,
): EventDraft {
  const columns = report.columns.map(({ name, verdict, reasons }) => ({ name, verdict, reasons }));
  return {
    source,
    type,
    subject,
    data: { verdict: report.verdict, driftedShare: report.driftedShare, reasons: report.reasons, columns },
  };
}
