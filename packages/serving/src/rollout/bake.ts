import type { Alert, AlertSource, Clock, EventId, JsonValue, Logger } from "@millwright/contracts";
import { type AlertOutcome, alertWithin } from "./alert-watch.ts";
import { type TrafficStep, trafficSteps } from "./deployment-plan.ts";
import type { DeploymentRecord } from "./deployment-record.ts";

/** Why a candidate is taken back. */
export interface RollbackCause {
  readonly reason: string;
  readonly evidence?: JsonValue | undefined;
  /** The event that caused it. */
  readonly eventId?: EventId | undefined;
}

/** What the baking of a deployment reads and decides; each decision is durable when it resolves. */
export interface BakeHost {
  readonly endpoint: string;
  readonly alerts: AlertSource | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The deployment as it stands. */
  record(): DeploymentRecord;
  /** Gives a loaded candidate its first share, or everything. */
  enter(steps: readonly TrafficStep[]): Promise<void>;
  /** To the next step, or, without one, to the end. */
  advance(next: TrafficStep | undefined): Promise<void>;
  rollBack(cause: RollbackCause): Promise<void>;
  /** One decision at a time, tried until it is written down. @returns false where the signal aborted first. */
  decide(signal: AbortSignal, work: () => Promise<void>): Promise<boolean>;
}

/** Step by step until the candidate has all traffic or something takes it back. A step that was interrupted bakes anew: nobody watched it. */
export async function bake(host: BakeHost, signal: AbortSignal): Promise<void> {
  const { plan, state } = host.record();
  const steps = trafficSteps(host.endpoint, plan);
  // Whoever began it died before the candidate had any traffic.
  if (state === "deploying" && !(await host.decide(signal, () => host.enter(steps)))) return;
  const { share } = host.record();
  const first = Math.max(
    0,
    steps.findIndex((step) => step.share === share),
  );
  for (const [at, step] of steps.slice(first).entries()) {
    const cause = await bakeStep(host, step, signal);
    if (signal.aborted) return;
    const decided = await host.decide(signal, () =>
      cause === undefined ? host.advance(steps[first + at + 1]) : host.rollBack(cause),
    );
    if (!decided || cause !== undefined) return;
  }
}

/** @returns why the candidate is to be taken back, if it is. */
async function bakeStep(
  host: BakeHost,
  { bakeMs }: TrafficStep,
  signal: AbortSignal,
): Promise<RollbackCause | undefined> {
  const { alerts, clock, logger, endpoint } = host;
  const { plan, startedMs } = host.record();
  const { rollbackOn: names = [], missingAlerts: missing = "hold", timeoutMs = Number.POSITIVE_INFINITY } = plan;
  const leftMs = Math.max(0, startedMs + timeoutMs - clock.nowMs());
  const outcome = await alertWithin(Math.min(bakeMs, leftMs), {
    alerts,
    names,
    missing,
    holdMs: Math.max(0, leftMs - bakeMs),
    subject: `endpoint/${endpoint}/variant/candidate`,
    firedFromMs: startedMs,
    clock,
    logger,
    signal,
  });
  const cause = causeOf(outcome);
  if (cause !== undefined || leftMs > bakeMs) return cause;
  return { reason: `it was not complete within its \`timeoutMs\` of ${timeoutMs}` };
}

function causeOf(outcome: AlertOutcome): RollbackCause | undefined {
  switch (outcome.kind) {
    case "quiet":
      return undefined;
    case "unreadable":
      return { reason: outcome.problem };
    case "alert":
      return causeOfAlert(outcome.alert);
  }
}

function causeOfAlert({ name, subject, severity, sinceMs, summary, value, threshold, eventId }: Alert): RollbackCause {
  return {
    reason: `the alert "${name}" fired: ${summary}`,
    evidence: {
      alert: name,
      subject,
      severity,
      sinceMs,
      ...(value === undefined ? {} : { value }),
      ...(threshold === undefined ? {} : { threshold }),
    },
    eventId,
  };
}
