import type { Alert, AlertSource } from "@millwright/contracts";

/** Alerts in memory, fired by hand. */
export function createAlerts(): {
  readonly source: AlertSource;
  fire(name: string, subject: string): void;
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
    fire(name, subject) {
      const alert: Alert = {
        name,
        subject,
        severity: "page",
        state: "firing",
        sinceMs: 0,
        summary: `${name} is too high`,
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
