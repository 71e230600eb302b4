import { createHmac, timingSafeEqual } from "node:crypto";
import { webhookRefused } from "../errors.ts";

/** What a signature covers: the message's id, its time and its bytes. */
export interface SignedMessage {
  /** The event's id: the same at every attempt, so that a receiver knows what it has. */
  readonly id: string;
  /** Seconds since the epoch; of the attempt. */
  readonly timestamp: number;
  readonly body: string;
}

/** The headers of Standard Webhooks. */
export type WebhookHeaders = Readonly<Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string>>;

/**
 * Signs a message by the rules of Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, one signature per secret.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * @param secrets `whsec_` and base64, or any text; the newest first: while they are changed a message carries one signature for each.
 */
export function signWebhook(secrets: readonly string[], message: SignedMessage): WebhookHeaders {
  return {
    "webhook-id": message.id,
    "webhook-timestamp": String(message.timestamp),
    "webhook-signature": secrets.map((secret) => `v1,${macOf(secret, message).toString("base64")}`).join(" "),
  };
}

export interface VerifyWebhookOptions {
  /** UTC, milliseconds. */
  readonly nowMs: number;
  /** How far a message's time may be from now, before and after: an older one may be a replay. Default: 300000. */
  readonly toleranceMs?: number | undefined;
}

/**
 * For receivers: throws `REGISTRY_WEBHOOK_REFUSED` unless one of the message's signatures is by `secret` and its time is near.
 * @param headers By lower-case name, as Node gives them.
 * @param body The bytes as they came, before any parsing.
 */
export function verifyWebhook(
  secret: string,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  body: string,
  { nowMs, toleranceMs = 300_000 }: VerifyWebhookOptions,
): void {
  const header = (name: keyof WebhookHeaders): string => {
    const value = headers[name];
    if (typeof value !== "string") throw webhookRefused(`the header ${name} is missing`);
    return value;
  };
  const id = header("webhook-id");
  const timestamp = Number(header("webhook-timestamp"));
  if (!Number.isInteger(timestamp)) throw webhookRefused("its time is no number");
  if (Math.abs(nowMs - timestamp * 1000) > toleranceMs) throw webhookRefused("its time is too far from now");
  const expected = macOf(secret, { id, timestamp, body });
  const isKnown = header("webhook-signature")
    .split(" ")
    .some((each) => each.startsWith("v1,") && isEqual(Buffer.from(each.slice(3), "base64"), expected));
  if (!isKnown) throw webhookRefused("no signature of it is by the secret");
}

const macOf = (secret: string, { id, timestamp, body }: SignedMessage): Buffer =>
  createHmac("sha256", keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest();

const keyOf = (secret: string): Buffer =>
  secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : Buffer.from(secret);

const isEqual = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);
