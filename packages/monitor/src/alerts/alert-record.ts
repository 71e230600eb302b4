import type { Alert, AlertEvidence } from "@millwright/contracts";
import type { DriftReport } from "../drift/compare.ts";
import type { AlertLabels } from "./alert-labels.ts";

/** What a rule found out about one subject. */
export interface Finding {
  /** `endpoint/late/variant/candidate`. */
  readonly subject: string;
  /** `unknown`: too little is known to say; what fires goes on firing, and nothing begins to. */
  readonly state: "firing" | "ok" | "unknown";
  readonly severity: Alert["severity"];
  /** For people: what was measured, and what the limit is. */
  readonly summary: string;
  readonly value?: number | undefined;
  readonly threshold?: number | undefined;
  /**
   * What it rests on, `evidenceOf` as a rule. The monitor adds the model that answers for the subject, where the rule names none, and the last deployment.
   */
  readonly evidence?: Omit<AlertEvidence, "deployment"> | undefined;
  /** What a drift rule found, for the event. */
  readonly report?: DriftReport | undefined;
}

/** The findings of one rule. */
export interface RuleFindings {
  readonly rule: string;
  /** Undefined where the rule failed: what it fired goes on firing. */
  readonly findings: readonly Finding[] | undefined;
}

/** Why an alert is not told, though it fires. */
export interface Muted {
  readonly by: "silence" | "inhibition";
  /** Of the silence; or the name and subject of the alert that inhibits it. */
  readonly id: string;
}

/** What the machine knows of one rule's finding about one subject. */
export interface AlertRecord {
  readonly key: string;
  readonly rule: string;
  alert: Alert;
  labels: AlertLabels;
  phase: "pending" | "firing";
  /** Which alerts are one to people; known once it fires. */
  correlation: string;
  /** When it was first found, and last known to hold or not. */
  pendingMs: number;
  knownMs: number;
  /** Since when the rule says that it is right again, and what it said last. */
  okMs: number | undefined;
  ok: Finding | undefined;
  muted: Muted | undefined;
  /** Fires unmuted, or did. */
  seen: boolean;
  /** Told to those who listen. */
  shown: boolean;
  /** Part of the page of its correlation. */
  paged: boolean;
  /** Told by an earlier process, and not looked at since. */
  restored: boolean;
}

export const keyOf = (rule: string, { subject, severity }: Pick<Alert, "subject" | "severity">): string =>
  JSON.stringify([rule, subject, severity]);

/** Whether a subject is another, or part of it. */
export const isBelow = (subject: string, above: string): boolean =>
  subject === above || subject.startsWith(`${above}/`);

export function alertOf(name: string, finding: Finding, nowMs: number): Alert {
  const { subject, severity, summary } = finding;
  return { name, subject, severity, summary, ...measuredBy(finding), state: "firing", sinceMs: nowMs };
}

function measuredBy({ value, threshold, evidence }: Finding): Pick<Alert, "value" | "threshold" | "evidence"> {
  return {
    ...(value === undefined ? {} : { value }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(evidence === undefined ? {} : { evidence }),
  };
}

/** The alert as it ends: by what its rule found, or for a reason of another kind. */
export function resolvedBy(alert: Alert, ok: Finding | undefined, why: string): Alert {
  if (ok === undefined) return { ...alert, state: "resolved", summary: `${why} Last: ${alert.summary}` };
  const { name, subject, severity, sinceMs, eventId } = alert;
  const { deployment } = alert.evidence ?? {};
  const measured = measuredBy(ok);
  return {
    name,
    subject,
    severity,
    summary: ok.summary,
    ...measured,
    ...(deployment === undefined ? {} : { evidence: { ...measured.evidence, deployment } }),
    state: "resolved",
    sinceMs,
    ...(eventId === undefined ? {} : { eventId }),
  };
}

/** A clock that jumped back would keep what waits waiting. */
export function rewind(record: AlertRecord, nowMs: number): void {
  record.pendingMs = Math.min(record.pendingMs, nowMs);
  record.knownMs = Math.min(record.knownMs, nowMs);
  if (record.okMs !== undefined) record.okMs = Math.min(record.okMs, nowMs);
}

export const newRecord = (key: string, alert: Alert, labels: AlertLabels, nowMs: number): AlertRecord => ({
  key,
  rule: alert.name,
  alert,
  labels,
  phase: "pending",
  correlation: "",
  pendingMs: nowMs,
  knownMs: nowMs,
  okMs: undefined,
  ok: undefined,
  muted: undefined,
  seen: false,
  shown: false,
  paged: false,
  restored: false,
});

/** Alerts with the same values of these labels are one to people. Where the model is not known, each subject is for itself. */
export function correlationOf(labels: AlertLabels, correlateBy: readonly string[]): string {
  const names = labels["model"] === undefined ? [...correlateBy, "subject"] : correlateBy;
  return JSON.stringify(names.map((name) => labels[name] ?? ""));
}
