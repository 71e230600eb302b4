import { type Alert, type AlertSource, type Clock, type EventId, systemClock } from "@millwright/contracts";

/** Alerts in memory, fired by hand. */
export function createAlerts(clock: Clock = systemClock): {
  readonly source: AlertSource;
  /** @param sinceMs Default: now. */
  fire(name: string, subject: string, sinceMs?: number, eventId?: EventId): void;
  readonly listeners: number;
} {
  const firing = new Map<string, Alert>();
  const listeners = new Set<(alert: Alert) => void>();
  const covers = (subject: string, alert: Alert): boolean =>
    alert.subject === subject || alert.subject.startsWith(`${subject}/`);
  return {
    get listeners() {
      return listeners.size;
    },
    fire(name, subject, sinceMs = clock.nowMs(), eventId) {
      const alert: Alert = {
        name,
        subject,
        severity: "page",
        state: "firing",
        sinceMs,
        summary: `${name} is too high`,
        eventId,
      };
      firing.set(`${name} ${subject}`, alert);
      for (const listener of listeners) listener(alert);
    },
    source: {
      async alerts(subject, { signal } = {}) {
        signal?.throwIfAborted();
        return [...firing.values()].filter((alert) => covers(subject, alert));
      },
      async *changes(subject, { signal } = {}) {
        const seen: Alert[] = [];
        let wake: (() => void) | undefined;
        const listener = (alert: Alert): void => {
          if (covers(subject, alert)) seen.push(alert);
          wake?.();
        };
        const stop = (): void => wake?.();
        listeners.add(listener);
        signal?.addEventListener("abort", stop);
        try {
          while (signal?.aborted !== true) {
            const alert = seen.shift();
            if (alert !== undefined) yield alert;
            else
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
          }
        } finally {
          listeners.delete(listener);
          signal?.removeEventListener("abort", stop);
        }
      },
    },
  };
}
