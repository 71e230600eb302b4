import { type CallOptions, systemClock } from "@millwright/contracts";
import { webhookUnknown } from "../errors.ts";
import { checkLabel } from "../names.ts";
import { type EventTarget, type SendingOptions, openSending } from "./event-sender.ts";
import { type Webhook, type WebhookFetch, attemptDelivery } from "./webhook-attempt.ts";
import type { WebhookState } from "./webhook-records.ts";

export interface WebhooksOptions extends SendingOptions {
  readonly webhooks: readonly Webhook[];
  /** Default: Node's own. */
  readonly fetch?: WebhookFetch | undefined;
  /** How long a receiver may take. Default: 15000. */
  readonly timeoutMs?: number | undefined;
}

/** Sends the events of a log to receivers: signed, each at least once, in the order of the log. */
export interface Webhooks extends AsyncDisposable {
  /** How far a webhook has come. Throws `REGISTRY_WEBHOOK_UNKNOWN`. */
  state(id: string, options?: CallOptions): Promise<WebhookState>;
  /** Sends again what came after a cursor (0: everything), and starts a webhook again that had ended. Throws `REGISTRY_WEBHOOK_UNKNOWN`. */
  replay(id: string, after: number, options?: CallOptions): Promise<void>;
}

/** Begins to send. A webhook that was never sent anything begins with the next event; `replay` takes it further back. */
export async function openWebhooks(options: WebhooksOptions): Promise<Webhooks> {
  const { webhooks, clock = systemClock, timeoutMs = 15_000 } = options;
  for (const { id, url, secrets } of webhooks) {
    checkLabel("a webhook", id);
    if (!/^https?:$/.test(new URL(url).protocol))
      throw new RangeError(`The webhook "${id}" has no http(s) URL: ${url}.`);
    if (secrets.length === 0) throw new RangeError(`The webhook "${id}" has no secret to sign with.`);
  }
  if (new Set(webhooks.map(({ id }) => id)).size !== webhooks.length)
    throw new RangeError("Two webhooks have the same id.");
  const fetch: WebhookFetch = options.fetch ?? globalThis.fetch;
  const targets = webhooks.map((hook): EventTarget => ({
    id: hook.id,
    key: hook.id,
    lease: `registry/webhooks/${hook.id}`,
    types: hook.types ?? ["model.*"],
    begins: "end",
    attempt: (logged, signal) => attemptDelivery(hook, logged, { fetch, clock, timeoutMs, signal }),
  }));
  return openSending(targets, options, { name: "The webhooks", unknown: webhookUnknown });
}
