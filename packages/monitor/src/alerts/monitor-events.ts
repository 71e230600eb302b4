import {
  type Alert,
  createNewestEvents,
  type EventDraft,
  type EventId,
  type EventLog,
  type Logger,
} from "@millwright/contracts";
import type { DriftReport } from "../drift/compare.ts";
import { deploymentSubjectOf, deploymentSubjectsOf } from "./deployment-subjects.ts";
import type { SloStatus } from "../slo/slo.ts";

/** An event on its way to the log. */
export interface Told {
  /** Its id once it is in the log. */
  readonly id: EventId | undefined;
}

/** Events on their way to the log: kept through failures of the log, in order, up to a limit. */
export interface EventOutbox {
  /**
   * Puts an event in line.
   * @param cause What was told before and is the cause. Default: the newest event of the deployment that the subject speaks of.
   */
  add(event: EventDraft, cause?: Told): Told;
  /** Appends what waits. A log that fails is tried again the next time. */
  flush(): Promise<void>;
  readonly dropped: number;
}

interface Waiting extends Told {
  readonly event: EventDraft;
  readonly cause: Told | undefined;
  id: EventId | undefined;
}

const mostWaiting = 10_000;

export function createEventOutbox(log: EventLog | undefined, logger: Logger): EventOutbox {
  if (log === undefined) {
    const nothing: Told = { id: undefined };
    return { add: () => nothing, flush: async () => {}, dropped: 0 };
  }
  const waiting = new Set<Waiting>();
  const deployments = createNewestEvents(log, { types: ["deployment.*"], subjectsOf: deploymentSubjectsOf });
  let dropped = 0;
  let turn: Promise<void> = Promise.resolve();
  const causeOf = async ({ cause, event: { subject = "" } }: Waiting): Promise<EventId | undefined> => {
    if (cause?.id !== undefined) return cause.id;
    const deployed = deploymentSubjectOf(subject);
    return deployed === undefined ? undefined : deployments.find(deployed);
  };
  const flush = async (): Promise<void> => {
    try {
      // One after another: each may be the cause of a later one.
      for (const each of waiting) {
        const causationid = await causeOf(each);
        const [logged] = await log.append([causationid === undefined ? each.event : { ...each.event, causationid }]);
        waiting.delete(each);
        each.id = logged?.event.id;
      }
    } catch (error) {
      logger.warn(
        { events: waiting.size, error: String(error) },
        "Monitoring events could not be logged; they are kept.",
      );
    }
  };
  return {
    add(event, cause) {
      const each: Waiting = { event, cause, id: undefined };
      if (waiting.size >= mostWaiting) dropped += 1;
      else waiting.add(each);
      return each;
    },
    flush: () => (turn = turn.then(flush)),
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

/** The end of a drift that could not be compared again: its subject is gone, or nothing was heard of it. */
export const driftLostEvent = (subject: string, reason: string): EventDraft => ({
  source,
  type: "drift.ended",
  subject,
  data: { verdict: "unknown", driftedShare: null, reasons: [reason], columns: [] },
});

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
