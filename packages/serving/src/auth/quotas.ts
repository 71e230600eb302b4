import { type Clock, systemClock } from "@millwright/contracts";
import { quotaExceeded } from "./auth-errors.ts";
import type { Authenticate, Identity } from "./authenticate.ts";

/** So many requests at once, and as many again in each period, evenly: a token bucket. */
export interface Quota {
  readonly requests: number;
  readonly perMs: number;
}

/** Buckets by key. */
export interface Quotas {
  /** Throws `SERVING_QUOTA_EXCEEDED`. */
  take(key: string, principal: string, quota: Quota): void;
}

/** Beyond these the longest unused are forgotten: their buckets are full again, or nearly. */
const maxBuckets = 100_000;

export function createQuotas(clock: Clock): Quotas {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take(key, principal, { requests, perMs }) {
      if (!(requests >= 1 && perMs > 0))
        throw new RangeError(`The quota of "${principal}" is ${requests} in ${perMs} ms.`);
      const nowMs = clock.monotonicMs();
      const kept = buckets.get(key) ?? { tokens: requests, atMs: nowMs };
      const tokens = Math.min(requests, kept.tokens + ((nowMs - kept.atMs) * requests) / perMs);
      buckets.delete(key);
      buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
      if (buckets.size > maxBuckets) buckets.delete(buckets.keys().next().value as string);
      if (tokens < 1) throw quotaExceeded(principal, requests, perMs, ((1 - tokens) * perMs) / requests);
    },
  };
}

export interface LimitRequestsOptions {
  /** The quota of who asks; `undefined` is no limit. */
  readonly quotaOf: (identity: Identity) => Quota | undefined;
  /** Whose requests count together. Default: those of a principal. */
  readonly keyOf?: ((identity: Identity) => string) | undefined;
  /** Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

/** Counts the requests of whoever was recognised. Throws `SERVING_QUOTA_EXCEEDED`: 429 with `Retry-After`. */
export function limitRequests(
  authenticate: Authenticate,
  { quotaOf, keyOf = ({ principal }) => principal, clock = systemClock }: LimitRequestsOptions,
): Authenticate {
  const quotas = createQuotas(clock);
  return async (request) => {
    const identity = await authenticate(request);
    const quota = identity === undefined ? undefined : quotaOf(identity);
    if (identity !== undefined && quota !== undefined) quotas.take(keyOf(identity), identity.principal, quota);
    return identity;
  };
}
