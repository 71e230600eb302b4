import { type Alert, type AlertSource, createBoundedQueue, type BoundedQueue } from "@millwright/contracts";
import type { DriftReport } from "./compare.ts";

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
  /** What a drift rule found, for the event. */
  readonly report?: DriftReport | undefined;
}

/** The findings of one rule. */
export interface RuleFindings {
  readonly rule: string;
  /** Undefined where the rule failed: what it fired goes on firing. */
  readonly findings: readonly Finding[] | undefined;
}

/** Alerts that fire now, and who wants to hear of changes. */
export interface AlertBook extends AlertSource {
  /**
   * Takes the findings of all rules. What fired and is spoken of no more resolves, since its subject is gone; so does what was unknown for `holdMs`, and
   * its summary says that nothing proved it right. @returns what began to fire or resolved.
   */
  apply(all: readonly RuleFindings[], nowMs: number): readonly Alert[];
  /** Resolves what fires for the subject and below. @returns what resolved. */
  drop(subject: string, reason: string): readonly Alert[];
  all(): readonly Alert[];
  /** Ends all walks over changes. */
  close(): void;
}

/** A reader that falls behind by more loses what comes then: current alerts can always be asked for. */
const mostUnread = 10_000;

interface Firing {
  readonly rule: string;
  readonly alert: Alert;
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
  return {
    apply(all, nowMs) {
      const changed: Alert[] = [];
      const spokenOf = new Set<string>();
      for (const { rule, findings = [] } of all) {
        for (const finding of findings) {
          const key = JSON.stringify([rule, finding.subject, finding.severity]);
          spokenOf.add(key);
          const known = firing.get(key);
          if (known !== undefined && finding.state !== "unknown") known.knownMs = nowMs;
          const change = changeOf(known?.alert, rule, finding, nowMs);
          if (change === undefined) continue;
          if (change.state === "firing") firing.set(key, { rule, alert: change, knownMs: nowMs });
          else firing.delete(key);
          changed.push(change);
        }
      }
      const failed = new Set(all.filter(({ findings }) => findings === undefined).map(({ rule }) => rule));
      for (const [key, each] of firing) {
        if (failed.has(each.rule)) continue;
        if (!spokenOf.has(key)) changed.push(end(key, each, "The subject is known no more."));
        else if (nowMs - each.knownMs >= holdMs)
          changed.push(
            end(
              key,
              each,
              `Nothing was heard for ${Math.round(holdMs / 60_000)} min; whether it is right again is unknown.`,
            ),
          );
      }
      for (const alert of changed) feed.tell(alert);
      return changed;
    },
    drop(subject, reason) {
      const dropped = [...firing]
        .filter(([, { alert }]) => isBelow(alert.subject, subject))
        .map(([key, each]) => end(key, each, reason));
      for (const alert of dropped) feed.tell(alert);
      return dropped;
    },
    all: () => Array.from(firing.values(), ({ alert }) => alert),
    async alerts(subject, { signal } = {}) {
      signal?.throwIfAborted();
      return Array.from(firing.values(), ({ alert }) => alert).filter((alert) => isBelow(alert.subject, subject));
    },
    changes: feed.changes,
    close: feed.close,
  };
}

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

const isBelow = (subject: string, above: string): boolean => subject === above || subject.startsWith(`${above}/`);

function changeOf(
  known: Alert | undefined,
  name: string,
  { subject, state, severity, summary, value, threshold }: Finding,
  nowMs: number,
): Alert | undefined {
  if (state === "unknown" || (state === "firing") === (known !== undefined)) return undefined;
  const measured = { ...(value === undefined ? {} : { value }), ...(threshold === undefined ? {} : { threshold }) };
  return {
    name,
    subject,
    severity,
    summary,
    ...measured,
    state: state === "firing" ? "firing" : "resolved",
    sinceMs: known?.sinceMs ?? nowMs,
  };
}
