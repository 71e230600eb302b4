import type { Alert, AlertSource, Clock, DeploymentPlan, Logger } from "@millwright/contracts";

export interface AlertWatchOptions {
  /** Without a source, and without names, nothing is watched. */
  readonly alerts: AlertSource | undefined;
  readonly subject: string;
  /** The rules that matter. */
  readonly names: readonly string[];
  /** What holds while alerts cannot be read. */
  readonly missing: NonNullable<DeploymentPlan["missingAlerts"]>;
  /** With `"hold"`: how much longer than its time a watch goes on for alerts to be read. */
  readonly holdMs: number;
  /** Alerts that have fired since before are of an earlier candidate and do not matter. */
  readonly firedFromMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** How a watch ended; `quiet` also where its signal aborted. */
export type AlertOutcome =
  | { readonly kind: "quiet" }
  | { readonly kind: "alert"; readonly alert: Alert }
  | { readonly kind: "unreadable"; readonly problem: string };

type Watch = AlertWatchOptions & { readonly alerts: AlertSource };

/** How the reading of a source stands: known from one look at what fires until listening fails. */
interface Reading {
  current: boolean;
  failures: number;
}

const quiet: AlertOutcome = { kind: "quiet" };
const retryMs = 1000;
const failuresToMiss = 3;

/** Waits until the time has passed, an alert fires, alerts are missing in the sense of the policy, or the signal aborts. */
export async function alertWithin(durationMs: number, options: AlertWatchOptions): Promise<AlertOutcome> {
  const { alerts, names, signal } = options;
  const watch = new AbortController();
  const stop = (): void => watch.abort();
  if (signal.aborted) return quiet;
  signal.addEventListener("abort", stop, { once: true });
  const reading: Reading = { current: false, failures: 0 };
  try {
    const watched = { ...options, signal: watch.signal };
    if (alerts === undefined || names.length === 0) return await timePassed(durationMs, undefined, watched);
    return await Promise.race([timePassed(durationMs, reading, watched), firstAlert({ ...watched, alerts }, reading)]);
  } finally {
    signal.removeEventListener("abort", stop);
    watch.abort();
  }
}

/** Resolves when the time has passed, and, where the policy is to hold, the alerts could be read at its end. */
async function timePassed(
  durationMs: number,
  reading: Reading | undefined,
  { clock, signal, missing, holdMs }: AlertWatchOptions,
): Promise<AlertOutcome> {
  await clock.sleep(durationMs, { signal }).catch(() => {});
  if (reading === undefined || missing !== "hold") return quiet;
  for (let heldMs = 0; !reading.current && !signal.aborted; heldMs += retryMs) {
    if (heldMs >= holdMs)
      return { kind: "unreadable", problem: "its alerts could not be read before its time was over" };
    await clock.sleep(Math.min(retryMs, holdMs - heldMs), { signal }).catch(() => {});
  }
  return quiet;
}

/** Resolves with the first alert of these names that fires for the subject or below it, or fires already. */
async function firstAlert(options: Watch, reading: Reading): Promise<AlertOutcome> {
  const { signal, clock, logger, subject, missing } = options;
  while (!signal.aborted) {
    try {
      const alert = await oneWatch(options, reading);
      if (alert !== undefined) return { kind: "alert", alert };
    } catch (error) {
      reading.failures += 1;
      if (!signal.aborted) logger.warn({ subject, error }, "the alerts of a candidate cannot be read; trying again");
      if (missing === "rollback" && reading.failures >= failuresToMiss)
        return {
          kind: "unreadable",
          problem: `its alerts could not be read: ${error instanceof Error ? error.message : String(error)}`,
        };
    }
    reading.current = false;
    // A source that ends or fails is asked again: a candidate that nobody watches would bake unguarded.
    if (!signal.aborted) await clock.sleep(retryMs, { signal }).catch(() => {});
  }
  return quiet;
}

async function oneWatch(options: Watch, reading: Reading): Promise<Alert | undefined> {
  const { alerts, subject, names, firedFromMs, logger, signal } = options;
  const watch = new AbortController();
  const stop = (): void => watch.abort();
  signal.addEventListener("abort", stop, { once: true });
  // Listening begins before the look at what fires now, so that nothing falls between the two.
  const changes = alerts.changes(subject, { signal: watch.signal })[Symbol.asyncIterator]();
  try {
    const matters = ({ name, state, sinceMs }: Alert): boolean => {
      if (state !== "firing" || !names.includes(name)) return false;
      if (sinceMs < firedFromMs)
        logger.warn(
          { subject, name, sinceMs },
          "an alert fires since before the deployment; it is ignored until it fires anew",
        );
      return sinceMs >= firedFromMs;
    };
    let next = changes.next();
    next.catch(() => {});
    const firing = (await alerts.alerts(subject, { signal })).find(matters);
    if (firing !== undefined) return firing;
    reading.current = true;
    reading.failures = 0;
    for (;;) {
      const step = await next;
      if (step.done === true) return undefined;
      if (matters(step.value)) return step.value;
      next = changes.next();
    }
  } finally {
    signal.removeEventListener("abort", stop);
    watch.abort();
    void changes.return?.().catch(() => {});
  }
}
