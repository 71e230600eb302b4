import type { Alert, AlertEvidence, EventDraft, EventId, EventLog, JsonObject, Logger } from "@millwright/contracts";
import type { AlertLabels, LabelMatcher } from "./alert-labels.ts";
import { type Acknowledgement, alertEventSource } from "./alert-history.ts";
import type { Silence } from "./silence.ts";
import type { DriftReport } from "../drift/compare.ts";
import { createNewestDeployments, type Deployment, deploymentSubjectOf } from "./deployment-subjects.ts";
import type { SloStatus } from "../slo/slo-status.ts";

/** An event on its way to the log. */
export interface Told {
  /** Its id once it is in the log. */
  readonly id: EventId | undefined;
  /** The last deployment of what the event is about, as the log knew it then. */
  readonly deployment: Deployment | undefined;
}

/** What an earlier process told. */
export const toldBefore = (id: EventId | undefined, deployment: Deployment | undefined): Told => ({ id, deployment });

/** Events on their way to the log: kept through failures of the log, in order, up to a limit. */
export interface EventOutbox {
  /**
   * Puts an event in line. An alert's says in its evidence which deployment was the last.
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
  deployment: Deployment | undefined;
}

const mostWaiting = 10_000;

export function createEventOutbox(log: EventLog | undefined, logger: Logger): EventOutbox {
  if (log === undefined) {
    const nothing: Told = { id: undefined, deployment: undefined };
    return { add: () => nothing, flush: async () => {}, dropped: 0 };
  }
  const waiting = new Set<Waiting>();
  const deployments = createNewestDeployments(log);
  let dropped = 0;
  let turn: Promise<void> = Promise.resolve();
  const deploymentOf = async ({ event, cause }: Waiting): Promise<Deployment | undefined> => {
    const { type, subject = "" } = event;
    if (type === "alert.silenced" || (cause?.id !== undefined && type !== "alert.firing")) return undefined;
    const deployed = deploymentSubjectOf(subject);
    return deployed === undefined ? undefined : deployments.find(deployed);
  };
  const flush = async (): Promise<void> => {
    try {
      // One after another: each may be the cause of a later one.
      for (const each of waiting) {
        each.deployment = await deploymentOf(each);
        const causationid = each.cause?.id ?? each.deployment?.eventId;
        const event = withDeployment(each.event, each.deployment);
        const [logged] = await log.append([causationid === undefined ? event : { ...event, causationid }]);
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
      const each: Waiting = { event, cause, id: undefined, deployment: undefined };
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

const source = alertEventSource;

/** JSON has no NaN. */
const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null;

export function alertEvent(alert: Alert, instance: string | undefined): EventDraft {
  const { state, name, subject, severity, summary, sinceMs, value, threshold, evidence } = alert;
  const type = state === "firing" ? "alert.firing" : "alert.resolved";
  const measured = { value: finite(value), threshold: finite(threshold), evidence: evidenceJson(evidence) };
  return { source, type, subject, data: { name, severity, summary, sinceMs, ...measured, ...named(instance) } };
}

const named = (instance: string | undefined) => (instance === undefined ? {} : { instance });

export const silenceEvent = (silence: Silence, instance: string | undefined): EventDraft => {
  const { id, owner, comment, fromMs, untilMs } = silence;
  const match = Array.isArray(silence.match) ? silence.match.map((each: LabelMatcher) => ({ ...each })) : silence.match;
  const { subject } = match as AlertLabels;
  const about = typeof subject === "string" ? { subject } : {};
  return {
    source,
    type: "alert.silenced",
    ...about,
    data: { id, match, owner, comment, fromMs, untilMs, ...named(instance) },
  };
};

export const acknowledgementEvent = (
  { name, subject, severity }: Alert,
  { by, comment }: Acknowledgement,
  instance: string | undefined,
): EventDraft => ({
  source,
  type: "alert.acknowledged",
  subject,
  data: { name, severity, by, comment, ...named(instance) },
});

function evidenceJson({ window, samples, model, deployment }: AlertEvidence = {}): JsonObject {
  return {
    window: window === undefined ? null : { fromMs: finite(window.fromMs), toMs: finite(window.toMs) },
    samples: finite(samples),
    model: model === undefined ? null : { name: model.name, version: finite(model.version), digest: model.digest },
    deployment: deployment === undefined ? null : { ...deployment },
  };
}

function withDeployment(event: EventDraft, deployment: Deployment | undefined): EventDraft {
  if (event.type !== "alert.firing" || deployment === undefined) return event;
  const { evidence, ...data } = event.data;
  return { ...event, data: { ...data, evidence: { ...(evidence as JsonObject), deployment } } };
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
