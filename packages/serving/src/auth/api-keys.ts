import { createHash, timingSafeEqual } from "node:crypto";
import { type Clock, systemClock } from "@millwright/contracts";
import { unauthenticated } from "./auth-errors.ts";
import type { Authenticate, Identity } from "./authenticate.ts";
import { type Quota, createQuotas } from "./quotas.ts";

/** A key as it may be kept: not the key itself. */
export interface ApiKey extends Identity {
  /** `hashApiKey(key)`: SHA-256 in hexadecimal digits. Keys must be random, of 128 bits or more. */
  readonly sha256: string;
  /** From when on it is refused, UTC milliseconds. Default: never. */
  readonly expiresMs?: number | undefined;
  /** How much may be asked with it. Default: no limit. */
  readonly quota?: Quota | undefined;
}

export interface ApiKeysOptions {
  /** Asked for each request: keys may come and go. */
  readonly keys: readonly ApiKey[] | (() => readonly ApiKey[]);
  /** Where the key stands. Default: `"x-api-key"`; `"authorization"` reads `Bearer <key>` and `ApiKey <key>`. */
  readonly header?: string | undefined;
  /** Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

const digestOf = (key: string): Buffer => createHash("sha256").update(key).digest();

/** What `ApiKey.sha256` holds of a key. */
export const hashApiKey = (key: string): string => {
  if (typeof key !== "string" || key.length < 16) throw new RangeError("A key is a text of at least 16 characters.");
  return digestOf(key).toString("hex");
};

/** Knows callers by keys. The hash of what is sent is compared with that of every key, in a time that does not tell how much of it fits. */
export function apiKeys({ keys, header = "x-api-key", clock = systemClock }: ApiKeysOptions): Authenticate {
  const kept = new Map<ApiKey, Buffer>();
  const hashOf = (key: ApiKey): Buffer => {
    const found = kept.get(key) ?? hashBytes(key);
    kept.set(key, found);
    return found;
  };
  if (typeof keys !== "function") for (const key of keys) hashOf(key);
  const quotas = createQuotas(clock);
  const name = header.toLowerCase();
  return ({ headers }) => {
    const sent =
      name === "authorization" ? /^(?:bearer|apikey) +(\S+)$/i.exec(headers[name] ?? "")?.[1] : headers[name];
    if (sent === undefined) return undefined;
    const digest = digestOf(sent);
    let found: ApiKey | undefined;
    for (const key of typeof keys === "function" ? keys() : keys) if (timingSafeEqual(digest, hashOf(key))) found = key;
    if (kept.size > 100_000) kept.clear();
    if (found === undefined) throw unauthenticated("its key is unknown");
    const { sha256, expiresMs, quota, ...identity } = found;
    if (expiresMs !== undefined && clock.nowMs() >= expiresMs) throw unauthenticated("its key has expired");
    if (quota !== undefined) quotas.take(sha256, identity.principal, quota);
    return identity;
  };
}

function hashBytes({ sha256, principal }: ApiKey): Buffer {
  if (!/^[0-9a-f]{64}$/i.test(sha256))
    throw new RangeError(`The key of "${principal}" has no SHA-256 of 64 hexadecimal digits.`);
  return Buffer.from(sha256, "hex");
}
