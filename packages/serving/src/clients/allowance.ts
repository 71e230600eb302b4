/**
 * How many extra requests may be sent: a share of the requests that were offered, and a reserve for those who ask seldom. After
 * the retry budgets of Finagle and gRPC (A6): retries never become a flood of their own.
 */
export interface Allowance {
  /** A request was offered. */
  earn(): void;
  /** @returns whether an extra one may be sent; it is counted then. */
  take(): boolean;
}

export function createAllowance(share: number, reserve: number): Allowance {
  // A server that was well for long does not allow for more than a hundred requests' worth at once.
  const most = Math.max(reserve, share * 100, 1);
  let credit = reserve;
  return {
    earn() {
      credit = Math.min(most, credit + share);
    },
    take() {
      // Shares such as 0.1 do not add up to 1 exactly.
      if (credit < 1 - 1e-9) return false;
      credit -= 1;
      return true;
    },
  };
}

/** The last latencies, of which it knows the 95th percentile. */
export interface LatencyWindow {
  add(ms: number): void;
  /** The 95th percentile by the nearest rank; `undefined` before there are `least` of them. */
  p95(): number | undefined;
}

export function createLatencyWindow(size = 256, least = 20): LatencyWindow {
  const kept: number[] = [];
  let next = 0;
  let p95: number | undefined;
  return {
    add(ms) {
      kept[next] = ms;
      next = (next + 1) % size;
      p95 = undefined;
    },
    p95() {
      if (kept.length < least) return undefined;
      return (p95 ??= kept.toSorted((a, b) => a - b)[Math.ceil(kept.length * 0.95) - 1]);
    },
  };
}
