import type { Alert, AlertSource, Clock, EventId, JsonValue, Logger } from "@millwright/contracts";
import { type AlertOutcome, alertWithin } from "./alert-watch.ts";
import type { Verdict } from "../canary/judge.ts";
import { type TrafficStep, trafficSteps } from "./deployment-plan.ts";
import type { DeploymentRecord } from "./deployment-record.ts";

/** Why a candidate is taken back. */
export interface RollbackCause {
  readonly reason: string;
  readonly evidence?: JsonValue | undefined;
  /** The event that caused it. */
  readonly eventId?: EventId | undefined;
}

/** What a bake asks of the counting of a canary. */
export interface CanaryGuard {
  /** @returns `undefined` where nothing is counted. */
  verdict(): Promise<Verdict | undefined>;
  /** Resolves with a verdict that failed; with `undefined` when the signal aborts. */
  failure(signal: AbortSignal): Promise<Verdict | undefined>;
}

/** How a step ended. */
type StepEnd =
  | { readonly cause: RollbackCause }
  | { readonly cause?: undefined; readonly evidence: JsonValue | undefined };

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
  /** Judges the candidate against the baseline, where the plan asks for it. */
  readonly guard: CanaryGuard;
  /** To the next step, or, without one, to the end. */
  advance(next: TrafficStep | undefined, evidence: JsonValue | undefined): Promise<void>;
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
    const end = await bakeStep(host, step, signal);
    if (signal.aborted) return;
    const decided = await host.decide(signal, () =>
      end.cause === undefined ? host.advance(steps[first + at + 1], end.evidence) : host.rollBack(end.cause),
    );
    if (!decided || end.cause !== undefined) return;
  }
}

/** A step with its verdict; one that is inconclusive is baked again where the plan holds it. */
async function bakeStep(host: BakeHost, step: TrafficStep, signal: AbortSignal): Promise<StepEnd> {
  for (;;) {
    const cause = await bakeOnce(host, step, signal);
    if (cause !== undefined || signal.aborted) return { cause: cause ?? { reason: "it was stopped" } };
    // While the candidate has all traffic there is no baseline to judge it by.
    const { verdict: plan } = host.record().plan;
    const verdict = step.share === 1 || plan === undefined ? undefined : await judged(host, signal);
    if (verdict === undefined || verdict.verdict === "pass") return { evidence: evidenceOf(verdict) };
    if (verdict.verdict === "fail") return { cause: causeOfVerdict(verdict) };
    const { inconclusive = "rollback" } = plan ?? {};
    if (inconclusive === "proceed") return { evidence: evidenceOf(verdict) };
    if (inconclusive === "rollback") return { cause: causeOfVerdict(verdict) };
    // A step without a bake would spin.
    if (step.bakeMs < retryMs) await host.clock.sleep(retryMs, { signal }).catch(() => {});
  }
}

const retryMs = 1000;

/** The verdict at the end of a step, as soon as there can be one. */
async function judged(host: BakeHost, signal: AbortSignal): Promise<Verdict | undefined> {
  while (!signal.aborted) {
    try {
      return await host.guard.verdict();
    } catch (error) {
      host.logger.warn({ endpoint: host.endpoint, error }, "a canary could not be judged; trying again");
      await host.clock.sleep(retryMs, { signal }).catch(() => {});
    }
  }
  return undefined;
}

const evidenceOf = (verdict: Verdict | undefined): JsonValue | undefined => verdict as JsonValue | undefined;

const causeOfVerdict = (verdict: Verdict): RollbackCause => ({
  reason:
    verdict.verdict === "fail"
      ? `the canary was judged worse than the baseline: ${verdict.reason}`
      : `the canary's verdict is inconclusive: ${verdict.reason}`,
  evidence: evidenceOf(verdict),
});

/** @returns why the candidate is to be taken back, if it is. */
async function bakeOnce(
  host: BakeHost,
  { bakeMs, share }: TrafficStep,
  signal: AbortSignal,
): Promise<RollbackCause | undefined> {
  const { alerts, clock, logger, endpoint, guard } = host;
  const { plan, startedMs } = host.record();
  const { rollbackOn: names = [], missingAlerts: missing = "hold", timeoutMs = Number.POSITIVE_INFINITY } = plan;
  const leftMs = Math.max(0, startedMs + timeoutMs - clock.nowMs());
  const watch = new AbortController();
  const stop = (): void => watch.abort();
  signal.addEventListener("abort", stop, { once: true });
  const quiet = alertWithin(Math.min(bakeMs, leftMs), {
    alerts,
    names,
    missing,
    holdMs: Math.max(0, leftMs - bakeMs),
    subject: `endpoint/${endpoint}/variant/candidate`,
    firedFromMs: startedMs,
    clock,
    logger,
    signal,
  }).then(causeOf);
  const failed = async (): Promise<RollbackCause | undefined> => {
    const verdict = await guard.failure(watch.signal);
    return verdict === undefined ? quiet : causeOfVerdict(verdict);
  };
  try {
    const cause = await Promise.race(plan.verdict === undefined || share === 1 ? [quiet] : [quiet, failed()]);
    if (cause !== undefined || leftMs > bakeMs) return cause;
    return { reason: `it was not complete within its \`timeoutMs\` of ${timeoutMs}` };
  } finally {
    signal.removeEventListener("abort", stop);
    watch.abort();
  }
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
