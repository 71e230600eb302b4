import type { Alert, Clock, Meter } from "@millwright/contracts";
import type { AlertBook } from "./alert-book.ts";
import type { AlertHistory } from "./alert-history.ts";
import type { AlertStep } from "./alert-machine.ts";
import type { PageChange } from "./alert-pages.ts";
import type { RuleFindings } from "./alert-record.ts";
import { alertEvent, driftEvent, driftLostEvent, type EventOutbox, type Told, toldBefore } from "./monitor-events.ts";

/** Tells changes of alerts: first the log, then who listens, and how many fire to the meter. */
export interface AlertTeller {
  /**
   * Resolves when the changes were shown: once they are in the log, the log has failed, or it has not answered for a second. Whoever takes a bad model
   * back must not wait for a log.
   * @param burnOf What told that the objective of a name burns: the cause of its alert.
   */
  tell(step: AlertStep, all: readonly RuleFindings[], burnOf: (name: string) => Told | undefined): Promise<void>;
  /** Alerts that ended with their subject, and were shown already; the log is told with the next flush. */
  tellDropped(step: AlertStep): void;
  /** What told of the page that an alert is part of. */
  pageOf(correlation: string): Told | undefined;
  /** Takes up the pages of an earlier process. */
  restore(open: AlertHistory["open"], correlationOf: (alert: Alert) => string | undefined): void;
}

/** What was told of an alert that fires. */
interface Telling {
  readonly firing: Told;
  readonly drift: Told | undefined;
}

export interface AlertTellerOptions {
  readonly alerts: AlertBook;
  readonly outbox: EventOutbox;
  readonly meter: Meter;
  readonly clock: Clock;
  /** Named in events, where several monitors tell one log. */
  readonly instance: string | undefined;
}

const longestWaitMs = 1_000;
const severities = ["page", "ticket", "info"] as const;

export function createAlertTeller({ alerts, outbox, meter, clock, instance }: AlertTellerOptions): AlertTeller {
  const tellings = new Map<string, Telling>();
  const count = createAlertCounts(alerts, meter);
  const begin = ({ correlation, alert }: PageChange, all: readonly RuleFindings[], burn: Told | undefined): void => {
    const report = reportOf(alert, all);
    const drift = report === undefined ? undefined : outbox.add(driftEvent("drift.detected", alert.subject, report));
    tellings.set(correlation, { firing: outbox.add(alertEvent(alert, instance), drift ?? burn), drift });
  };
  const end = ({ correlation, alert }: PageChange, all: readonly RuleFindings[]): void => {
    const telling = tellings.get(correlation);
    tellings.delete(correlation);
    const report = reportOf(alert, all);
    if (report !== undefined) outbox.add(driftEvent("drift.ended", alert.subject, report), telling?.drift);
    else if (telling?.drift !== undefined) outbox.add(driftLostEvent(alert.subject, alert.summary), telling.drift);
    outbox.add(alertEvent(alert, instance), telling?.firing);
  };
  const put = (change: PageChange, all: readonly RuleFindings[], burnOf: (name: string) => Told | undefined): void => {
    if (change.alert.state === "firing") begin(change, all, burnOf(change.alert.name));
    else end(change, all);
    count.page(change);
  };
  const originOf = (correlation: string) => {
    const { id: eventId, deployment } = tellings.get(correlation)?.firing ?? {};
    return { eventId, deployment };
  };
  return {
    async tell(step, all, burnOf) {
      for (const change of step.pages) put(change, all, burnOf);
      await within(longestWaitMs, outbox.flush(), clock);
      alerts.show(step, originOf);
      count.firing();
    },
    tellDropped(step) {
      for (const change of step.pages) put(change, [], () => undefined);
      alerts.show(step, originOf);
      count.firing();
    },
    pageOf: (correlation) => tellings.get(correlation)?.firing,
    restore(open, correlationOf) {
      for (const { alert, driftId } of open) {
        const correlation = correlationOf(alert);
        if (correlation === undefined) continue;
        const firing = toldBefore(alert.eventId, alert.evidence?.deployment);
        const drift = driftId === undefined ? undefined : toldBefore(driftId, undefined);
        tellings.set(correlation, { firing, drift });
      }
    },
  };
}

function createAlertCounts(alerts: AlertBook, meter: Meter): { firing(): void; page(change: PageChange): void } {
  const labelNames = ["severity"];
  const firing = meter.gauge("millwright_monitor_alerts", { help: "Alerts that fire, by severity.", labelNames });
  const begun = meter.counter("millwright_monitor_alerts_fired_total", {
    help: "Alerts that people were told of, by severity.",
    labelNames,
  });
  return {
    firing() {
      const now = alerts.all();
      for (const severity of severities)
        firing.set(now.filter((alert) => alert.severity === severity).length, { severity });
    },
    page: ({ alert: { state, severity } }) => (state === "firing" ? begun.add(1, { severity }) : undefined),
  };
}

const reportOf = (alert: Alert, all: readonly RuleFindings[]) =>
  all.find(({ rule }) => rule === alert.name)?.findings?.find(({ subject }) => subject === alert.subject)?.report;

/** Waits for the work, but no longer than this; the work goes on. @returns whether it was done. */
export async function within(durationMs: number, work: Promise<unknown>, clock: Clock): Promise<boolean> {
  const done = new AbortController();
  const late = clock.sleep(durationMs, { signal: done.signal }).then(
    () => false,
    () => false,
  );
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    done.abort();
  }
}
