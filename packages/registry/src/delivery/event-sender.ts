import {
  type CallOptions,
  type Clock,
  type Lease,
  type LeaseStore,
  type LoggedEvent,
  type Logger,
  closed,
  hasCode,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import { type Database, openEventLog, openLeaseStore } from "@millwright/storage";
import { type RegistryTables, migrations } from "../tables/tables.ts";
import { createProgress } from "./delivery-progress.ts";
import {
  type DeliveryOutcome,
  type WebhookRecords,
  type WebhookState,
  createWebhookRecords,
} from "./webhook-records.ts";

/** How one attempt at an event went. */
export type AttemptOutcome =
  | { readonly kind: "delivered" }
  /** `waitMs`: how long the receiver asks to wait. */
  | { readonly kind: "failed"; readonly problem: string; readonly waitMs?: number | undefined }
  /** The event is none for the receiver: nothing was sent. */
  | { readonly kind: "skipped" }
  /** The receiver will never take this event. */
  | { readonly kind: "refused"; readonly problem: string }
  /** The receiver says that it is gone for good. */
  | { readonly kind: "gone" };

/** Whom events are sent to. */
export interface EventTarget {
  /** What callers know it by. */
  readonly id: string;
  /** What its row is called: no other sender's. */
  readonly key: string;
  /** What holds others back while one process sends to it. */
  readonly lease: string;
  /** As `EventLog.read` takes them; undefined: all. */
  readonly types: readonly string[] | undefined;
  /** Where one that is new begins. */
  readonly begins: "first" | "end";
  /** Throws only when `signal` aborts; whatever else it throws is a failed attempt of all. */
  attempt(logged: LoggedEvent, signal: AbortSignal): Promise<AttemptOutcome>;
}

export interface SendingOptions extends CallOptions {
  /** Keeps how far each receiver has come. */
  readonly database: Database;
  /** Which of several processes sends. Default: the database's. */
  readonly leases?: LeaseStore | undefined;
  /** The wait after the first failure; it doubles with each. Default: 1000. */
  readonly firstWaitMs?: number | undefined;
  /** The longest wait between attempts. Default: 300000. */
  readonly longestWaitMs?: number | undefined;
  /** Attempts at one event; then it is put aside as undelivered and the next is sent. Default: 1000 (over three days). */
  readonly attempts?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** Sends the events of a log to receivers, each at least once, in the order of the log. */
export interface EventSending extends AsyncDisposable {
  state(id: string, options?: CallOptions): Promise<WebhookState>;
  replay(id: string, after: number, options?: CallOptions): Promise<void>;
}

/** How a kind of senders is called. */
export interface SenderWords {
  /** For `PORT_CLOSED`. */
  readonly name: string;
  readonly unknown: (id: string, known: readonly string[]) => Error;
}

/** How long a process that sends holds its lease; it renews it three times in that. */
const leaseMs = 30_000;

/** Begins to send. */
export async function openSending(
  targets: readonly EventTarget[],
  options: SendingOptions,
  words: SenderWords,
): Promise<EventSending> {
  const { signal } = options;
  await options.database.migrate("registry", migrations, { signal });
  const database = options.database.typed<RegistryTables>();
  const records = createWebhookRecords(database, options.clock ?? systemClock);
  for (const { key, begins } of targets) await records.begin(key, begins, { signal });
  const stop = new AbortController();
  const sending = targets.map((target) => send(target, records, options, stop.signal));
  const keyOf = (id: string): string => {
    if (stop.signal.aborted) throw closed(words.name);
    const target = targets.find((each) => each.id === id);
    if (target !== undefined) return target.key;
    throw words.unknown(
      id,
      targets.map((each) => each.id),
    );
  };
  return {
    async state(id, { signal: aborted } = {}) {
      aborted?.throwIfAborted();
      return records.state(keyOf(id));
    },
    async replay(id, after, { signal: aborted } = {}) {
      aborted?.throwIfAborted();
      const key = keyOf(id);
      if (!Number.isSafeInteger(after) || after < 0) throw new RangeError(`A cursor is 0 or more, not ${after}.`);
      await records.rewind(key, after, { signal: aborted });
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(sending);
    },
  };
}

/** Sends until it is told to stop: whatever goes wrong is tried again. */
async function send(
  target: EventTarget,
  records: WebhookRecords,
  options: SendingOptions,
  stop: AbortSignal,
): Promise<void> {
  const { clock = systemClock, logger = silentLogger, leases = openLeaseStore(options.database, { clock }) } = options;
  const pause = (ms: number): Promise<void> => clock.sleep(ms, { signal: stop }).catch(() => {});
  while (!stop.aborted) {
    try {
      const lease = await leases.acquire(target.lease, leaseMs, { signal: stop });
      if (lease === undefined) await pause(leaseMs / 6);
      else await sendWhileHeld(target, records, options, { lease, clock, logger, stop });
    } catch (error) {
      if (stop.aborted) return;
      logger.warn({ error, receiver: target.id }, "Sending was interrupted; it goes on.");
      await pause(options.firstWaitMs ?? 1000);
    }
  }
}

interface Sending {
  readonly lease: Lease;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stop: AbortSignal;
}

async function sendWhileHeld(
  target: EventTarget,
  records: WebhookRecords,
  options: SendingOptions,
  { lease, clock, logger, stop }: Sending,
): Promise<void> {
  const lost = new AbortController();
  const held = AbortSignal.any([stop, lost.signal]);
  const renewing = keepLease(lease, clock, lost, held);
  try {
    while (!held.aborted) await sendFrom(target, records, options, { clock, logger, held });
  } catch (error) {
    if (!held.aborted) throw error;
  } finally {
    lost.abort();
    await renewing;
    await lease.release();
  }
}

async function keepLease(lease: Lease, clock: Clock, lost: AbortController, held: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(leaseMs / 3, { signal: held });
      await lease.renew();
    }
  } catch {
    // Stopped, or somebody else has it: either way nothing more is sent under it.
    lost.abort();
  }
}

/** Sends what comes after the cursor, until it is rewound. */
async function sendFrom(
  target: EventTarget,
  records: WebhookRecords,
  options: SendingOptions,
  { clock, logger, held }: { readonly clock: Clock; readonly logger: Logger; readonly held: AbortSignal },
): Promise<void> {
  const { firstWaitMs = 1000 } = options;
  const log = openEventLog(options.database);
  const { cursor, rewinds, ended } = await records.state(target.key);
  const progress = createProgress((step) => records.advance(target.key, rewinds, step));
  const turned = new AbortController();
  const reading = AbortSignal.any([held, turned.signal]);
  // A rewind is seen at the next look, while nothing is sent or between two attempts.
  const watching = watchRewinds(target.key, records, rewinds, clock, firstWaitMs, turned, reading);
  try {
    if (ended) {
      await clock.sleep(leaseMs, { signal: reading }).catch(() => {});
      return;
    }
    for await (const logged of log.read({
      after: cursor,
      types: target.types,
      follow: true,
      signal: reading,
    })) {
      const outcome = await deliver(target, logged, options, { clock, logger, signal: reading });
      if (!(await progress.take(logged.cursor, outcome))) return;
    }
  } catch (error) {
    if (!turned.signal.aborted || held.aborted) throw error;
  } finally {
    turned.abort();
    await watching;
    await progress.settle();
  }
}

async function watchRewinds(
  id: string,
  records: WebhookRecords,
  rewinds: number,
  clock: Clock,
  everyMs: number,
  turned: AbortController,
  reading: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(everyMs, { signal: reading });
      const now = await records.state(id);
      if (now.rewinds !== rewinds) turned.abort();
    }
  } catch (error) {
    if (!reading.aborted && !hasCode(error, "PORT_CLOSED")) turned.abort();
  }
}

async function deliver(
  target: EventTarget,
  logged: LoggedEvent,
  options: SendingOptions,
  { clock, logger, signal }: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal },
): Promise<DeliveryOutcome> {
  const { firstWaitMs = 1000, longestWaitMs = 300_000, attempts = 1000 } = options;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await target.attempt(logged, signal);
    if (outcome.kind !== "failed" && outcome.kind !== "refused") return outcome.kind;
    const { problem } = outcome;
    logger.warn({ receiver: target.id, event: logged.event.id, attempt, problem }, "A receiver did not take an event.");
    if (outcome.kind === "refused" || attempt >= attempts) return "undelivered";
    const waitMs = outcome.waitMs ?? firstWaitMs * 2 ** Math.min(attempt - 1, 30);
    await clock.sleep(Math.min(waitMs, longestWaitMs), { signal });
  }
}
