import {
  type Alert,
  type AlertEvidence,
  type AlertSource,
  createBoundedQueue,
  type BoundedQueue,
  type EventId,
} from "@millwright/contracts";
import type { DriftReport } from "../drift/compare.ts";

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

/** What the log says of an alert: the event that told of its firing, and the last deployment before. */
export interface AlertOrigin {
  readonly eventId?: EventId | undefined;
  readonly deployment?: AlertEvidence["deployment"];
}

/** Alerts that fire now, and who wants to hear of changes. */
export interface AlertBook extends AlertSource {
  /**
   * Takes the findings of all rules. What fired and is spoken of no more resolves, since its subject is gone; so does what was unknown for `holdMs`, and
   * its summary says that nothing proved it right. Nobody hears of it before `show`. @returns what began to fire or resolved.
   */
  apply(all: readonly RuleFindings[], nowMs: number): readonly Alert[];
  /** Shows a change that `apply` gave, with what the log knew of it; nothing of an alert that was dropped meanwhile. */
  show(change: Alert, known: AlertOrigin): void;
  /** Resolves what fires for the subject and below, and shows it. @returns what resolved. */
  drop(subject: string, reason: string): readonly Alert[];
  /** What fires and was shown. */
  all(): readonly Alert[];
  /** Ends all walks over changes. */
  close(): void;
}

/** A reader that falls behind by more loses what comes then: current alerts can always be asked for. */
const mostUnread = 10_000;

interface Firing {
  readonly rule: string;
  alert: Alert;
  shown: boolean;
  /** When it was last known to hold. */
  knownMs: number;
}

/** @param holdMs How long an alert outlives the data that it rests on. */
export function createAlertBook(holdMs: number): AlertBook {
  const firing = new Map<string, Firing>();
  const feed = createAlertFeed();
  const end = (key: string, { alert }: Firing, why: string): Alert => {
    firing.delete(key);
    return { ...alert, state: "resolved", summary: `${why} Last: ${alert.summary}` };
  };
  const shownAlerts = (): Alert[] => [...firing.values()].filter(({ shown }) => shown).map(({ alert }) => alert);
  return {
    apply(all, nowMs) {
      const changed: Alert[] = [];
      const spokenOf = new Set<string>();
      for (const { rule, findings = [] } of all) {
        for (const finding of findings) {
          const key = keyOf(rule, finding);
          spokenOf.add(key);
          const known = firing.get(key);
          if (known !== undefined && finding.state !== "unknown") known.knownMs = nowMs;
          const change = changeOf(known?.alert, rule, finding, nowMs);
          if (change === undefined) continue;
          if (change.state === "firing") firing.set(key, { rule, alert: change, shown: false, knownMs: nowMs });
          else firing.delete(key);
          changed.push(change);
        }
      }
      const failed = new Set(all.filter(({ findings }) => findings === undefined).map(({ rule }) => rule));
      for (const [key, each] of firing) {
        if (failed.has(each.rule)) continue;
        const why = spokenOf.has(key) ? silenceOf(each, nowMs, holdMs) : "The subject is known no more.";
        if (why !== undefined) changed.push(end(key, each, why));
      }
      return changed;
    },
    show(change, origin) {
      const alert = withOrigin(change, origin);
      if (alert.state === "firing") {
        const each = firing.get(keyOf(alert.name, alert));
        if (each === undefined) return;
        Object.assign(each, { alert, shown: true });
      }
      feed.tell(alert);
    },
    drop(subject, reason) {
      return [...firing]
        .filter(([, { alert }]) => isBelow(alert.subject, subject))
        .map(([key, each]) => {
          const alert = end(key, each, reason);
          if (each.shown) feed.tell(alert);
          return alert;
        });
    },
    all: shownAlerts,
    async alerts(subject, { signal } = {}) {
      signal?.throwIfAborted();
      return shownAlerts().filter((alert) => isBelow(alert.subject, subject));
    },
    changes: feed.changes,
    close: feed.close,
  };
}

/** Why an alert that nothing is known about any more ends; `undefined` while it is held. */
const silenceOf = ({ knownMs }: Firing, nowMs: number, holdMs: number): string | undefined =>
  nowMs - knownMs < holdMs
    ? undefined
    : `Nothing was heard for ${Math.round(holdMs / 60_000)} min; whether it is right again is unknown.`;

interface AlertFeed extends Pick<AlertSource, "changes"> {
  tell(alert: Alert): void;
  close(): void;
}

function createAlertFeed(): AlertFeed {
  const readers = new Set<{ readonly subject: string; readonly queue: BoundedQueue<Alert> }>();
  return {
    tell(alert) {
      for (const { subject, queue } of readers) if (isBelow(alert.subject, subject)) queue.tryPut(alert);
    },
    async *changes(subject, { signal } = {}) {
      if (signal?.aborted === true) return;
      const reader = { subject, queue: createBoundedQueue<Alert>(mostUnread) };
      const stop = (): void => reader.queue.close();
      signal?.addEventListener("abort", stop, { once: true });
      readers.add(reader);
      try {
        yield* reader.queue;
      } finally {
        readers.delete(reader);
        signal?.removeEventListener("abort", stop);
      }
    },
    close() {
      for (const { queue } of readers) queue.close();
      readers.clear();
    },
  };
}

const keyOf = (rule: string, { subject, severity }: Pick<Alert, "subject" | "severity">): string =>
  JSON.stringify([rule, subject, severity]);

/** Whether a subject is another, or part of it. */
export const isBelow = (subject: string, above: string): boolean =>
  subject === above || subject.startsWith(`${above}/`);

export function withOrigin(alert: Alert, { eventId, deployment }: AlertOrigin): Alert {
  return {
    ...alert,
    ...(deployment === undefined ? {} : { evidence: { ...alert.evidence, deployment } }),
    ...(eventId === undefined ? {} : { eventId }),
  };
}

function changeOf(
  known: Alert | undefined,
  name: string,
  { subject, state, severity, summary, value, threshold, evidence }: Finding,
  nowMs: number,
): Alert | undefined {
  if (state === "unknown" || (state === "firing") === (known !== undefined)) return undefined;
  const { deployment } = known?.evidence ?? {};
  const rests = { ...evidence, ...(deployment === undefined ? {} : { deployment }) };
  const measured = {
    ...(value === undefined ? {} : { value }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(Object.keys(rests).length === 0 ? {} : { evidence: rests }),
  };
  return {
    name,
    subject,
    severity,
    summary,
    ...measured,
    state: state === "firing" ? "firing" : "resolved",
    sinceMs: known?.sinceMs ?? nowMs,
    ...(known?.eventId === undefined ? {} : { eventId: known.eventId }),
  };
}
