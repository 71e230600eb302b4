import type { Alert, Clock, Meter } from "@millwright/contracts";
import type { AlertBook, RuleFindings } from "./alert-book.ts";
import { alertEvent, driftEvent, driftLostEvent, type EventOutbox, type Told } from "./monitor-events.ts";

/** Tells changes of alerts: first the log, then who listens, and how many fire to the meter. */
export interface AlertTeller {
  /**
   * Resolves when the changes were shown: once they are in the log, the log has failed, or it has not answered for a second. Whoever takes a bad model
   * back must not wait for a log.
   * @param burnOf What told that the objective of a name burns: the cause of its alert.
   */
  tell(
    changes: readonly Alert[],
    all: readonly RuleFindings[],
    burnOf: (name: string) => Told | undefined,
  ): Promise<void>;
  /** Alerts that ended with their subject, and were shown already; the log is told with the next flush. */
  tellDropped(dropped: readonly Alert[]): void;
}

/** What was told of an alert that fires. */
interface Telling {
  readonly firing: Told;
  readonly drift: Told | undefined;
}

const keyOf = ({ name, subject, severity }: Alert): string => JSON.stringify([name, subject, severity]);

export interface AlertTellerOptions {
  readonly alerts: AlertBook;
  readonly outbox: EventOutbox;
  readonly meter: Meter;
  readonly clock: Clock;
}

const longestWaitMs = 1_000;

export function createAlertTeller({ alerts, outbox, meter, clock }: AlertTellerOptions): AlertTeller {
  const tellings = new Map<string, Telling>();
  const firing = meter.gauge("millwright_monitor_alerts", {
    help: "Alerts that fire, by severity.",
    labelNames: ["severity"],
  });
  const count = (): void => {
    const now = alerts.all();
    for (const severity of ["page", "ticket", "info"])
      firing.set(now.filter((alert) => alert.severity === severity).length, { severity });
  };
  const begin = (alert: Alert, all: readonly RuleFindings[], burn: Told | undefined): Telling => {
    const report = reportOf(alert, all);
    const drift = report === undefined ? undefined : outbox.add(driftEvent("drift.detected", alert.subject, report));
    const telling = { firing: outbox.add(alertEvent(alert), drift ?? burn), drift };
    tellings.set(keyOf(alert), telling);
    return telling;
  };
  const end = (alert: Alert, all: readonly RuleFindings[]): Telling | undefined => {
    const telling = tellings.get(keyOf(alert));
    tellings.delete(keyOf(alert));
    const report = reportOf(alert, all);
    if (report !== undefined) outbox.add(driftEvent("drift.ended", alert.subject, report), telling?.drift);
    else if (telling?.drift !== undefined) outbox.add(driftLostEvent(alert.subject, alert.summary), telling.drift);
    outbox.add(alertEvent(alert), telling?.firing);
    return telling;
  };
  return {
    async tell(changes, all, burnOf) {
      const told = changes.map((alert) => ({
        alert,
        telling: alert.state === "firing" ? begin(alert, all, burnOf(alert.name)) : end(alert, all),
      }));
      await within(longestWaitMs, outbox.flush(), clock);
      for (const { alert, telling } of told) {
        const { id: eventId, deployment } = telling?.firing ?? {};
        alerts.show(alert, { eventId, deployment });
      }
      count();
    },
    tellDropped(dropped) {
      for (const alert of dropped) end(alert, []);
      count();
    },
  };
}

const reportOf = (alert: Alert, all: readonly RuleFindings[]) =>
  all.find(({ rule }) => rule === alert.name)?.findings?.find(({ subject }) => subject === alert.subject)?.report;

/** Waits for the work, but no longer than this; the work goes on. */
async function within(durationMs: number, work: Promise<void>, clock: Clock): Promise<void> {
  const done = new AbortController();
  const late = clock.sleep(durationMs, { signal: done.signal }).catch(() => {});
  try {
    await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
