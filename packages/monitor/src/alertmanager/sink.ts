import {
  type AlertSource,
  type Clock,
  createRandom,
  hasCode,
  type Logger,
  type Random,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import {
  type AlertmanagerCallOptions,
  type AlertmanagerTarget,
  callAlertmanager,
  checkTarget,
  checkTimes,
} from "./api.ts";
import { postableAlert, type PostableOptions } from "./postable-alert.ts";
import { createSinkBook, type SinkBook, type SinkEntry } from "./sink-book.ts";

export interface AlertmanagerSinkOptions extends PostableOptions, AlertmanagerCallOptions {
  /** Whose alerts are told: a monitor. */
  readonly source: AlertSource;
  /** Each is told everything, as Alertmanagers that are a cluster ask for. */
  readonly alertmanagers: readonly AlertmanagerTarget[];
  /** Which alerts. Default: `endpoint`, which takes in all endpoints. */
  readonly subjects?: readonly string[] | undefined;
  /** How often what fires is told again; shorter than `resolveTimeoutMs`. Default: 60,000. */
  readonly resendMs?: number | undefined;
  /** How long after the last telling an alert counts as over: so it ends where this process does. Default: 300,000. */
  readonly resolveTimeoutMs?: number | undefined;
  /** Most alerts that are kept; beyond, those that ended give way first. Default: 10,000. */
  readonly maxAlerts?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Spreads tries after a failure. */
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
}

export interface AlertmanagerStatus {
  readonly url: string;
  /** Tries in a row that failed. */
  readonly failures: number;
  readonly lastError: string | undefined;
  /** When it was last told something. */
  readonly lastTellingMs: number | undefined;
  /** Alerts that it has not been told of as they stand. */
  readonly waiting: number;
}

export interface AlertmanagerSink extends AsyncDisposable {
  status(): readonly AlertmanagerStatus[];
  counts(): { readonly posted: number; readonly refused: number; readonly dropped: number };
}

/** Alertmanager is told no more at once than Prometheus tells it. */
const batchSize = 64;
/** As long as Prometheus goes on telling that an alert is over. */
const retainMs = 900_000;
const firstPauseMs = 1_000;

interface Target extends AlertmanagerTarget {
  readonly index: number;
  failures: number;
  lastError: string | undefined;
  lastTellingMs: number | undefined;
}

/**
 * Tells Alertmanagers what fires and what ended, again and again while it fires. Each is told at its own pace: one that is away is tried again after 1 s, 2 s, 4 s
 * up to `resendMs`, and then told how things stand, once. Disposal tries once more to tell what ended. Throws TypeError, RangeError for wrong options.
 */
export function openAlertmanagerSink(options: AlertmanagerSinkOptions): AlertmanagerSink {
  const { source, alertmanagers, subjects = ["endpoint"], clock = systemClock, logger = silentLogger } = options;
  const { resendMs = 60_000, resolveTimeoutMs = 300_000, maxAlerts = 10_000, timeoutMs = 10_000 } = options;
  if (!Array.isArray(alertmanagers) || alertmanagers.length === 0)
    throw new TypeError("Name at least one Alertmanager.");
  for (const target of alertmanagers) checkTarget(target);
  checkTimes({ resendMs, resolveTimeoutMs, timeoutMs });
  if (resendMs >= resolveTimeoutMs) throw new RangeError("`resendMs` must be shorter than `resolveTimeoutMs`.");
  if (!(maxAlerts >= 1)) throw new RangeError(`\`maxAlerts\` must be at least 1, not ${maxAlerts}.`);
  const book = createSinkBook({ targets: alertmanagers.length, resendMs, retainMs, maxAlerts });
  const targets = alertmanagers.map((target, index): Target => ({
    ...target,
    index,
    failures: 0,
    lastError: undefined,
    lastTellingMs: undefined,
  }));
  const stopped = new AbortController();
  const changed: Changes = { version: 0, wakers: new Set() };
  const wake = (): void => {
    changed.version += 1;
    for (const each of changed.wakers) each();
  };
  const counts = { posted: 0, refused: 0 };
  const site: Site = { ...options, book, clock, logger, timeoutMs, resendMs, resolveTimeoutMs, counts, changed };
  const random = options.random ?? createRandom(1);
  const work = [
    ...subjects.map((subject) => followSource(source, subject, site, wake, stopped.signal)),
    ...targets.map((target) => keepTold(target, site, random, stopped.signal)),
  ];
  return {
    status: () =>
      targets.map(({ url, index, failures, lastError, lastTellingMs }) => {
        const waiting = book.due(index, clock.nowMs()).length;
        return { url, failures, lastError, lastTellingMs, waiting };
      }),
    counts: () => ({ ...counts, dropped: book.dropped }),
    async [Symbol.asyncDispose]() {
      stopped.abort();
      wake();
      await Promise.all(work);
      await Promise.all(targets.map((target) => tellDue(target, site, undefined).catch(() => {})));
    },
  };
}

interface Site extends AlertmanagerSinkOptions {
  readonly book: SinkBook;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeoutMs: number;
  readonly resendMs: number;
  readonly resolveTimeoutMs: number;
  readonly counts: { posted: number; refused: number };
  readonly changed: Changes;
}

/** How often something changed, and who waits for it. */
interface Changes {
  version: number;
  readonly wakers: Set<() => void>;
}

/** Listens to the source; one that ends or fails is asked anew for what fires. */
async function followSource(
  source: AlertSource,
  subject: string,
  { book, clock, logger }: Site,
  wake: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      // Listening begins before the look at what fires now, so that nothing falls between the two.
      const changes = source.changes(subject, { signal })[Symbol.asyncIterator]();
      let next = changes.next();
      next.catch(() => {});
      book.replace(subject, await source.alerts(subject, { signal }), clock.nowMs());
      wake();
      for (let step = await next; step.done !== true; step = await next) {
        book.take(step.value, clock.nowMs());
        wake();
        next = changes.next();
      }
    } catch (error) {
      if (!signal.aborted)
        logger.warn({ subject, error: String(error) }, "Alerts cannot be listened to; trying again.");
    }
    await clock.sleep(firstPauseMs, { signal }).catch(() => {});
  }
}

/** Tells one Alertmanager what is due, until the signal aborts. */
async function keepTold(target: Target, site: Site, random: Random, signal: AbortSignal): Promise<void> {
  const { book, clock, resendMs, logger, changed } = site;
  while (!signal.aborted) {
    // What changes while something is told is told at once after it.
    const { version } = changed;
    try {
      await tellDue(target, site, signal);
      if (changed.version === version)
        await pause(Math.max(10, book.nextMs(target.index, clock.nowMs())), site, signal);
    } catch (error) {
      if (signal.aborted) return;
      target.failures += 1;
      target.lastError = error instanceof Error ? error.message : String(error);
      if (target.failures === 1)
        logger.warn({ url: target.url, error: target.lastError }, "An Alertmanager cannot be told.");
      const longest = Math.min(resendMs, firstPauseMs * 2 ** Math.min(20, target.failures - 1));
      await clock.sleep(longest * (0.5 + random.next() / 2), { signal }).catch(() => {});
    }
  }
}

/** Until something changes, or the time has passed. */
async function pause(durationMs: number, { clock, changed: { wakers } }: Site, signal: AbortSignal): Promise<void> {
  const early = new AbortController();
  const wake = (): void => early.abort();
  wakers.add(wake);
  signal.addEventListener("abort", wake, { once: true });
  await clock.sleep(durationMs, { signal: early.signal }).catch(() => {});
  signal.removeEventListener("abort", wake);
  wakers.delete(wake);
}

async function tellDue(target: Target, site: Site, signal: AbortSignal | undefined): Promise<void> {
  const due = site.book.due(target.index, site.clock.nowMs());
  for (let at = 0; at < due.length; at += batchSize) await tell(due.slice(at, at + batchSize), target, site, signal);
}

async function tell(
  entries: readonly SinkEntry[],
  target: Target,
  site: Site,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { clock, book, counts, logger, resolveTimeoutMs, fetch, timeoutMs } = site;
  const nowMs = clock.nowMs();
  // An alert may end while it is told that it fires: then it is due again.
  const told = entries.map((entry) => ({ entry, endedMs: entry.endedMs }));
  const body = told.map(({ entry, endedMs }) => postableAlert(entry.alert, endedMs ?? nowMs + resolveTimeoutMs, site));
  try {
    await callAlertmanager("alerts", target, { fetch, timeoutMs, signal, body });
  } catch (error) {
    const isRefused = hasCode(error, "MONITOR_ALERTMANAGER_UNREACHABLE") && error.category === "user";
    if (!isRefused) throw error;
    if (entries.length > 1) {
      for (const entry of entries) await tell([entry], target, site, signal);
      return;
    }
    counts.refused += 1;
    logger.error({ alert: entries[0]?.key, error: String(error) }, "Alertmanager refuses an alert; it is dropped.");
    for (const entry of entries) book.forget(entry);
    return;
  }
  counts.posted += entries.length;
  for (const { entry, endedMs } of told) if (entry.endedMs === endedMs) entry.toldMs.set(target.index, nowMs);
  Object.assign(target, { failures: 0, lastError: undefined, lastTellingMs: nowMs });
}
