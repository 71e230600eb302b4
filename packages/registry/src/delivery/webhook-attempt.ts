import type { Clock, LoggedEvent } from "@millwright/contracts";
import type { AttemptOutcome } from "./event-sender.ts";
import { retryAfterMs } from "./retry-after.ts";
import { signWebhook } from "./webhook-signature.ts";

/** Where events are sent, and which. */
export interface Webhook {
  /** Names it for ever: what it was sent is remembered by it. */
  readonly id: string;
  /** `https:`, or `http:` for receivers on this machine and in tests. */
  readonly url: string;
  /** One, or several while they are changed, the newest first. `whsec_` and base64 as Standard Webhooks has it, or any text. */
  readonly secrets: readonly string[];
  /** Types as `EventLog.read` takes them. Default: `["model.*"]`. */
  readonly types?: readonly string[] | undefined;
  /** Sent with every message beside its own: never secrets that logs may show. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The part of `fetch` that is used. */
export type WebhookFetch = (
  url: string,
  options: {
    readonly method: "POST";
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly redirect: "manual";
    readonly signal: AbortSignal;
  },
) => Promise<{ readonly status: number; readonly headers: { get(name: string): string | null } }>;

export interface AttemptOptions {
  readonly fetch: WebhookFetch;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Sends one event once. Never throws but when `signal` aborts. */
export async function attemptDelivery(
  hook: Webhook,
  { cursor, event }: LoggedEvent,
  { fetch, clock, timeoutMs, signal }: AttemptOptions,
): Promise<AttemptOutcome> {
  const body = JSON.stringify(event);
  const timestamp = Math.floor(clock.nowMs() / 1000);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const { status, headers } = await fetch(hook.url, {
      method: "POST",
      headers: {
        ...hook.headers,
        "content-type": "application/cloudevents+json",
        "millwright-cursor": String(cursor),
        ...signWebhook(hook.secrets, { id: event.id, timestamp, body }),
      },
      body,
      // A receiver that moved is told of in the configuration, not by whoever answers at the old place.
      redirect: "manual",
      signal: limit,
    });
    if (status >= 200 && status < 300) return { kind: "delivered" };
    if (status === 410) return { kind: "gone" };
    return {
      kind: "failed",
      problem: `it answered ${status}`,
      waitMs: retryAfterMs(headers.get("retry-after"), clock),
    };
  } catch (error) {
    signal.throwIfAborted();
    const problem = limit.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error);
    return { kind: "failed", problem, waitMs: undefined };
  }
}

/** What went wrong, with what was behind it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
