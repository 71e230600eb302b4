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
import { webhookUnknown } from "../errors.ts";
import { checkLabel } from "../names.ts";
import { type RegistryTables, migrations } from "../tables/tables.ts";
import { type Webhook, type WebhookFetch, attemptDelivery } from "./webhook-attempt.ts";
import {
  type DeliveryOutcome,
  type WebhookRecords,
  type WebhookState,
  createWebhookRecords,
} from "./webhook-records.ts";

export interface WebhooksOptions extends CallOptions {
  /** Keeps how far each webhook has come. */
  readonly database: Database;
  readonly webhooks: readonly Webhook[];
  /** Which of several processes sends. Default: the database's. */
  readonly leases?: LeaseStore | undefined;
  /** Default: Node's own. */
  readonly fetch?: WebhookFetch | undefined;
  /** How long a receiver may take. Default: 15000. */
  readonly timeoutMs?: number | undefined;
  /** The wait after the first failure; it doubles with each. Default: 1000. */
  readonly firstWaitMs?: number | undefined;
  /** The longest wait between attempts. Default: 300000. */
  readonly longestWaitMs?: number | undefined;
  /** Attempts at one event; then it is put aside as undelivered and the next is sent. Default: 1000 (over three days). */
  readonly attempts?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** Sends the events of a log to receivers: signed, each at least once, in the order of the log. */
export interface Webhooks extends AsyncDisposable {
  /** How far a webhook has come. Throws `REGISTRY_WEBHOOK_UNKNOWN`. */
  state(id: string, options?: CallOptions): Promise<WebhookState>;
  /** Sends again what came after a cursor (0: everything), and starts a webhook again that had ended. Throws `REGISTRY_WEBHOOK_UNKNOWN`. */
  replay(id: string, after: number, options?: CallOptions): Promise<void>;
}

/** How long a process that sends holds its lease; it renews it three times in that. */
const leaseMs = 30_000;

/** Begins to send. A webhook that was never sent anything begins with the next event; `replay` takes it further back. */
export async function openWebhooks(options: WebhooksOptions): Promise<Webhooks> {
  const { webhooks, signal } = options;
  for (const { id, url, secrets } of webhooks) {
    checkLabel("a webhook", id);
    if (!/^https?:$/.test(new URL(url).protocol))
      throw new RangeError(`The webhook "${id}" has no http(s) URL: ${url}.`);
    if (secrets.length === 0) throw new RangeError(`The webhook "${id}" has no secret to sign with.`);
  }
  if (new Set(webhooks.map(({ id }) => id)).size !== webhooks.length)
    throw new RangeError("Two webhooks have the same id.");
  await options.database.migrate("registry", migrations, { signal });
  const database = options.database.typed<RegistryTables>();
  const records = createWebhookRecords(database, options.clock ?? systemClock);
  for (const { id } of webhooks) await records.begin(id, { signal });
  const stop = new AbortController();
  const sending = webhooks.map((hook) => send(hook, records, options, stop.signal));
  const known = (id: string): void => {
    if (stop.signal.aborted) throw closed("The webhooks");
    if (!webhooks.some((hook) => hook.id === id))
      throw webhookUnknown(
        id,
        webhooks.map((hook) => hook.id),
      );
  };
  return {
    async state(id, { signal: aborted } = {}) {
      aborted?.throwIfAborted();
      known(id);
      return records.state(id);
    },
    async replay(id, after, { signal: aborted } = {}) {
      aborted?.throwIfAborted();
      known(id);
      if (!Number.isSafeInteger(after) || after < 0) throw new RangeError(`A cursor is 0 or more, not ${after}.`);
      await records.rewind(id, after, { signal: aborted });
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(sending);
    },
  };
}

/** Sends until it is told to stop: whatever goes wrong is tried again. */
async function send(
  hook: Webhook,
  records: WebhookRecords,
  options: WebhooksOptions,
  stop: AbortSignal,
): Promise<void> {
  const { clock = systemClock, logger = silentLogger, leases = openLeaseStore(options.database, { clock }) } = options;
  const pause = (ms: number): Promise<void> => clock.sleep(ms, { signal: stop }).catch(() => {});
  while (!stop.aborted) {
    try {
      const lease = await leases.acquire(`registry/webhooks/${hook.id}`, leaseMs, { signal: stop });
      if (lease === undefined) await pause(leaseMs / 6);
      else await sendWhileHeld(hook, records, options, { lease, clock, logger, stop });
    } catch (error) {
      if (stop.aborted) return;
      logger.warn({ error, webhook: hook.id }, "A webhook was interrupted; it goes on.");
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
  hook: Webhook,
  records: WebhookRecords,
  options: WebhooksOptions,
  { lease, clock, logger, stop }: Sending,
): Promise<void> {
  const lost = new AbortController();
  const held = AbortSignal.any([stop, lost.signal]);
  const renewing = keepLease(lease, clock, lost, held);
  try {
    while (!held.aborted) await sendFrom(hook, records, options, { clock, logger, held });
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

/** Sends what comes after the webhook's cursor, until it is rewound. */
async function sendFrom(
  hook: Webhook,
  records: WebhookRecords,
  options: WebhooksOptions,
  { clock, logger, held }: { readonly clock: Clock; readonly logger: Logger; readonly held: AbortSignal },
): Promise<void> {
  const { firstWaitMs = 1000 } = options;
  const log = openEventLog(options.database);
  const { cursor, rewinds, ended } = await records.state(hook.id);
  const turned = new AbortController();
  const reading = AbortSignal.any([held, turned.signal]);
  // A rewind is seen at the next look, while nothing is sent or between two attempts.
  const watching = watchRewinds(hook.id, records, rewinds, clock, firstWaitMs, turned, reading);
  try {
    if (ended) {
      await clock.sleep(leaseMs, { signal: reading }).catch(() => {});
      return;
    }
    for await (const logged of log.read({
      after: cursor,
      types: hook.types ?? ["model.*"],
      follow: true,
      signal: reading,
    })) {
      const outcome = await deliver(hook, logged, options, { clock, logger, signal: reading });
      const done = await records.advance(hook.id, rewinds, logged.cursor, outcome);
      if (!done || outcome === "gone") return;
    }
  } catch (error) {
    if (!turned.signal.aborted || held.aborted) throw error;
  } finally {
    turned.abort();
    await watching;
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
  hook: Webhook,
  logged: LoggedEvent,
  options: WebhooksOptions,
  { clock, logger, signal }: { readonly clock: Clock; readonly logger: Logger; readonly signal: AbortSignal },
): Promise<DeliveryOutcome> {
  const { timeoutMs = 15_000, firstWaitMs = 1000, longestWaitMs = 300_000, attempts = 1000 } = options;
  const fetch: WebhookFetch = options.fetch ?? globalThis.fetch;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await attemptDelivery(hook, logged, { fetch, clock, timeoutMs, signal });
    if (outcome.kind !== "failed") return outcome.kind;
    const { problem } = outcome;
    logger.warn(
      { webhook: hook.id, event: logged.event.id, attempt, problem },
      "A webhook's receiver did not take an event.",
    );
    if (attempt >= attempts) return "undelivered";
    const waitMs = outcome.waitMs ?? firstWaitMs * 2 ** Math.min(attempt - 1, 30);
    await clock.sleep(Math.min(waitMs, longestWaitMs), { signal });
  }
}
