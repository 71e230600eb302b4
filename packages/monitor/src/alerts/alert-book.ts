import {
  type Alert,
  type AlertEvidence,
  type AlertSource,
  createBoundedQueue,
  type BoundedQueue,
  type EventId,
} from "@millwright/contracts";
import type { AlertMachine, AlertStep } from "./alert-machine.ts";
import { type AlertRecord, isBelow } from "./alert-record.ts";

export { type Finding, isBelow, type RuleFindings } from "./alert-record.ts";

/** What the log says of an alert: the event that told of its firing, and the last deployment before. */
export interface AlertOrigin {
  readonly eventId?: EventId | undefined;
  readonly deployment?: AlertEvidence["deployment"];
}

/** Alerts that fire now, and who wants to hear of changes. What is silenced or inhibited is not among them. */
export interface AlertBook extends AlertSource {
  /** Shows the changes of a step, with what the log knows of their pages; nothing of an alert that was dropped meanwhile. */
  show(step: AlertStep, originOf: (correlation: string) => AlertOrigin): void;
  /** What fires and was shown. */
  all(): readonly Alert[];
  /** Ends all walks over changes. */
  close(): void;
}

/** A reader that falls behind by more loses what comes then: current alerts can always be asked for. */
const mostUnread = 10_000;

export function createAlertBook(machine: AlertMachine): AlertBook {
  const feed = createAlertFeed();
  const shownAlerts = (): Alert[] =>
    machine
      .records()
      .filter(({ shown, muted }) => shown && muted === undefined)
      .map(({ alert }) => alert);
  const settle = (record: AlertRecord, originOf: (correlation: string) => AlertOrigin): void => {
    if (record.phase !== "firing" || !record.seen) return;
    record.shown = true;
    if (record.paged) record.alert = withOrigin(record.alert, originOf(record.correlation));
  };
  return {
    show({ changes }, originOf) {
      for (const record of machine.records()) settle(record, originOf);
      for (const change of changes) {
        const alert = change.state === "firing" ? machine.find(change)?.alert : change;
        if (alert !== undefined) feed.tell(alert);
      }
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

function withOrigin(alert: Alert, { eventId, deployment }: AlertOrigin): Alert {
  return {
    ...alert,
    ...(deployment === undefined ? {} : { evidence: { ...alert.evidence, deployment } }),
    ...(eventId === undefined ? {} : { eventId }),
  };
}
