import type { EventCounts, EventTotals } from "./event-counts.ts";

/** One try of a request that may be tried again. */
export interface Attempt {
  /** What tells that two tries are of one request: its idempotency key, or the request id that a client keeps over its tries. */
  readonly key: string;
  readonly timeMs: number;
  readonly ok: boolean;
}

export interface RetryCountsOptions {
  /** Takes every try. Default: only sums are kept. */
  readonly attempts?: EventCounts | undefined;
  /** Takes requests as their callers saw them. Default: only sums are kept. */
  readonly logical?: EventCounts | undefined;
  /** So long after its last try a request that never succeeded counts as failed. Default: 60,000. */
  readonly settleMs?: number | undefined;
  /** Most requests that are remembered; beyond, the oldest is settled at once. Default: 100,000. */
  readonly maxOpen?: number | undefined;
}

export interface RetryTotals {
  /** Every try. */
  readonly attempts: EventTotals;
  /** Requests as their callers saw them: good where any try was, failed where none was and none came for `settleMs`. */
  readonly logical: EventTotals;
  /** Requests that have not succeeded, and not settled. */
  readonly open: number;
  /** Share of the tries that failed; NaN without any. */
  readonly attemptErrorRatio: number;
  /** Share of the settled requests that failed; NaN without any. */
  readonly logicalErrorRatio: number;
}

/** Counts tries and requests apart, so that retries neither hide errors nor make many of one. */
export interface RetryCounts {
  attempt(attempt: Attempt): void;
  /** Settles what waited long enough. */
  settle(nowMs: number): void;
  totals(): RetryTotals;
}

interface Request {
  readonly firstMs: number;
  lastMs: number;
  outcome: "open" | "good" | "failed";
}

export function createRetryCounts({
  attempts,
  logical,
  settleMs = 60_000,
  maxOpen = 100_000,
}: RetryCountsOptions = {}): RetryCounts {
  if (!(settleMs >= 0)) throw new RangeError(`Requests settle after at least 0 ms, not ${String(settleMs)}.`);
  if (!(maxOpen >= 1)) throw new RangeError(`At least one request must be remembered, not ${String(maxOpen)}.`);
  // The one heard of last stands last.
  const requests = new Map<string, Request>();
  const sums = { tries: 0, goodTries: 0, requests: 0, goodRequests: 0, open: 0 };
  const decide = (request: Request, outcome: "good" | "failed"): void => {
    const isNew = request.outcome === "open";
    if (isNew) sums.open -= 1;
    const good = outcome === "good" ? 1 : 0;
    const added = isNew ? 1 : 0;
    sums.requests += added;
    sums.goodRequests += good;
    // A request that was given up and succeeds after all turns good where it stands.
    logical?.add(request.firstMs, good, added);
    request.outcome = outcome;
  };
  const forget = (key: string, request: Request): void => {
    if (request.outcome === "open") decide(request, "failed");
    requests.delete(key);
  };
  return {
    attempt({ key, timeMs, ok }) {
      if (typeof key !== "string" || !Number.isFinite(timeMs)) throw new TypeError("A try has a key and a time.");
      sums.tries += 1;
      if (ok) sums.goodTries += 1;
      attempts?.add(timeMs, ok ? 1 : 0, 1);
      let request = requests.get(key);
      if (request === undefined) {
        request = { firstMs: timeMs, lastMs: timeMs, outcome: "open" };
        sums.open += 1;
      }
      requests.delete(key);
      requests.set(key, request);
      request.lastMs = Math.max(request.lastMs, timeMs);
      if (ok && request.outcome !== "good") decide(request, "good");
      for (const [oldest, each] of requests) {
        if (requests.size <= maxOpen) break;
        forget(oldest, each);
      }
    },
    settle(nowMs) {
      for (const [key, request] of requests) {
        if (request.lastMs + settleMs > nowMs) continue;
        if (request.outcome === "open") decide(request, "failed");
        // What was given up is remembered as long again, for a try that succeeds after all.
        if (request.outcome === "good" || request.lastMs + 2 * settleMs <= nowMs) requests.delete(key);
      }
    },
    totals: () => ({
      attempts: { good: sums.goodTries, total: sums.tries },
      logical: { good: sums.goodRequests, total: sums.requests },
      open: sums.open,
      attemptErrorRatio: (sums.tries - sums.goodTries) / sums.tries,
      logicalErrorRatio: (sums.requests - sums.goodRequests) / sums.requests,
    }),
  };
}
