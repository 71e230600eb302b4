import type { Alert, AlertSource, Clock, Logger } from "@millwright/contracts";

export interface AlertWatchOptions {
  /** Without a source, and without names, nothing is watched. */
  readonly alerts: AlertSource | undefined;
  readonly subject: string;
  /** The rules that matter. */
  readonly names: readonly string[];
  /** Alerts that have fired since before are of an earlier candidate and do not matter. */
  readonly firedFromMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

type Watch = AlertWatchOptions & { readonly alerts: AlertSource };

/** Waits until the time has passed, an alert fires or the signal aborts. @returns the alert, if it was one. */
export async function alertWithin(durationMs: number, options: AlertWatchOptions): Promise<Alert | undefined> {
  const { alerts, names, clock, signal } = options;
  const watch = new AbortController();
  const stop = (): void => watch.abort();
  if (signal.aborted) return undefined;
  signal.addEventListener("abort", stop, { once: true });
  try {
    const time = clock.sleep(durationMs, { signal: watch.signal }).then(
      () => undefined,
      () => undefined,
    );
    if (alerts === undefined || names.length === 0) return await time;
    return await Promise.race([time, firstAlert({ ...options, alerts, signal: watch.signal })]);
  } finally {
    signal.removeEventListener("abort", stop);
    watch.abort();
  }
}

/** Resolves with the first alert of these names that fires for the subject or below it, or fires already; `undefined` when the signal aborts. */
async function firstAlert(options: Watch): Promise<Alert | undefined> {
  const { signal, clock, logger, subject } = options;
  while (!signal.aborted) {
    try {
      const alert = await oneWatch(options);
      if (alert !== undefined) return alert;
    } catch (error) {
      if (!signal.aborted) logger.warn({ subject, error }, "the alerts of a candidate cannot be read; trying again");
    }
    // A source that ends or fails is asked again: a candidate that nobody watches would bake unguarded.
    if (!signal.aborted) await clock.sleep(1000, { signal }).catch(() => {});
  }
  return undefined;
}

async function oneWatch(options: Watch): Promise<Alert | undefined> {
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
