import type { EventLog, MillwrightEvent } from "@millwright/contracts";
import type { AlertPolicy } from "./alert-policy.ts";
import type { Finding } from "./alert-record.ts";
import { type AlertRule, checkRule, shown, shownPercent } from "./alert-rule.ts";
import { alertSeverities } from "./severities.ts";

export interface EventAlertOptions {
  /** Unique in a monitor; the name of its alerts. */
  readonly name: string;
  readonly events: Pick<EventLog, "read">;
  /** Types of events after which it fires, and after which it is right again: `pipeline.failed`, `pipeline.completed`. */
  readonly firing: readonly string[];
  readonly resolved: readonly string[];
  /** What an event is about; undefined for those that do not matter. Must not throw. */
  readonly subjectOf: (event: MillwrightEvent) => string | undefined;
  readonly severity?: Finding["severity"] | undefined;
  readonly alerting?: AlertPolicy | undefined;
}

interface Course {
  failures: number;
  firstMs: number;
  last: MillwrightEvent;
}

/**
 * Fires for a subject when the newest of its events is one of `firing`, and resolves when it is one of `resolved`: read from the log, so that it holds after a
 * restart. Its value is how often it failed in a row. Default severity: `ticket`.
 */
export function eventAlert(options: EventAlertOptions): AlertRule {
  const { name, events, firing, resolved, subjectOf, severity = alertSeverities.warning, alerting } = options;
  const courses = new Map<string, Course>();
  let after = 0;
  const take = (event: MillwrightEvent): void => {
    const subject = subjectOf(event);
    if (subject === undefined) return;
    const fails = firing.includes(event.type);
    const before = courses.get(subject);
    const failures = fails ? (before?.failures ?? 0) + 1 : 0;
    const firstMs = failures > 1 ? (before as Course).firstMs : Date.parse(event.time);
    courses.set(subject, { failures, firstMs, last: event });
  };
  return {
    name,
    alerting,
    async prepare({ signal }) {
      for await (const { cursor, event } of events.read({ after, types: [...firing, ...resolved], signal })) {
        take(event);
        after = cursor;
      }
    },
    evaluate: ({ nowMs }) =>
      Array.from(courses, ([subject, { failures, firstMs, last }]): Finding => ({
        subject,
        severity,
        state: failures > 0 ? "firing" : "ok",
        value: failures,
        threshold: 1,
        evidence: { window: { fromMs: firstMs, toMs: nowMs }, samples: Math.max(1, failures) },
        summary:
          failures > 0
            ? `${last.type} of ${last.subject ?? subject}, ${failures} in a row; the last at ${last.time}.`
            : `${last.type} of ${last.subject ?? subject} at ${last.time}.`,
      })),
  };
}

export interface TrainingFailureOptions {
  readonly events: Pick<EventLog, "read">;
  /** The production pipeline that an event is of, as the alert's subject; undefined for runs that nobody must be woken for. */
  readonly pipelineOf: (event: MillwrightEvent) => string | undefined;
  /** Default: `training-failed`. */
  readonly name?: string | undefined;
  /** Default: `page`. */
  readonly severity?: Finding["severity"] | undefined;
  readonly alerting?: AlertPolicy | undefined;
}

/** Fires while the newest training run of a production pipeline has failed or was killed. */
export const trainingFailureAlert = (options: TrainingFailureOptions): AlertRule =>
  eventAlert({
    name: options.name ?? "training-failed",
    events: options.events,
    firing: ["run.failed", "run.killed", "pipeline.failed"],
    resolved: ["run.finished", "pipeline.completed"],
    subjectOf: options.pipelineOf,
    severity: options.severity ?? alertSeverities["training-failed"],
    alerting: options.alerting,
  });

export interface CostForecastOptions {
  /** What is paid for: `project/pricing`. */
  readonly subject: string;
  /** What may be spent in the period. */
  readonly budget: number;
  /** The period, UTC milliseconds. */
  readonly period: { readonly fromMs: number; readonly toMs: number };
  /** What was spent from its beginning until now, and on how many records that rests. Must be quick. */
  readonly spent: (window: { readonly fromMs: number; readonly toMs: number }) => {
    readonly amount: number;
    readonly records: number;
  };
  /** Share of the period that must have passed for a forecast, in (0, 1). Default: 0.05. */
  readonly minimumShare?: number | undefined;
  /** Default: `cost-forecast`. */
  readonly name?: string | undefined;
  /** Default: `ticket`. */
  readonly severity?: Finding["severity"] | undefined;
  readonly alerting?: AlertPolicy | undefined;
}

/** Fires when what was spent so far, at the same pace until the period's end, comes to more than the budget. */
export function costForecastAlert(options: CostForecastOptions): AlertRule {
  const { name = "cost-forecast", subject, budget, period, spent, minimumShare = 0.05 } = options;
  const { severity = alertSeverities["cost-forecast"], alerting } = options;
  const { fromMs, toMs } = period;
  checkRule(name, {
    budget: { value: budget, above: 0 },
    minimumShare: { value: minimumShare, above: 0, to: 1 },
    period: { value: toMs - fromMs, above: 0 },
  });
  return {
    name,
    alerting,
    evaluate({ nowMs }) {
      const window = { fromMs, toMs: Math.min(nowMs, toMs) };
      const share = (window.toMs - fromMs) / (toMs - fromMs);
      const { amount, records } = spent(window);
      const value = amount / share;
      const known = share >= minimumShare && records > 0;
      const state = known ? (value > budget ? "firing" : "ok") : amount > budget ? "firing" : "unknown";
      const summary = `${shown(amount)} is spent after ${shownPercent(share)} of the period, which comes to ${shown(value)}; the budget is ${shown(budget)}.`;
      return [{ subject, severity, state, value, threshold: budget, evidence: { window, samples: records }, summary }];
    },
  };
}
