import type { Clock } from "@millwright/contracts";

export interface BreakerOptions {
  /** Share of failures, above 0 and at most 1, from which on a target is left alone. Default: 0.5. */
  readonly failureShare?: number | undefined;
  /** Fewer requests within the window tell nothing. Default: 10. */
  readonly minRequests?: number | undefined;
  /** Failures older than this are forgotten, milliseconds. Default: 10,000. */
  readonly windowMs?: number | undefined;
  /** How long a target is left alone before one request tries it again, milliseconds. Default: 30,000. */
  readonly openMs?: number | undefined;
}

/** Keeps requests from a target that fails (Nygard, "Release It!", 2007). */
export interface CircuitBreaker {
  readonly state: "closed" | "open" | "half-open";
  /** Whether the target may be asked now. In the state `half-open` one caller at a time may: whoever is let through must tell how it went. */
  admits(): boolean;
  succeeded(): void;
  failed(): void;
  /** The request told nothing of the target: its caller went away, or it was at fault. */
  abandoned(): void;
}

const slots = 10;

/** Throws a RangeError for options out of range. */
export function createCircuitBreaker(clock: Clock, options: BreakerOptions = {}): CircuitBreaker {
  const { failureShare = 0.5, minRequests = 10, windowMs = 10_000, openMs = 30_000 } = options;
  checkOptions({ failureShare, minRequests, windowMs, openMs });
  const slotMs = windowMs / slots;
  let counts = emptyCounts();
  let openedMs: number | undefined;
  let trying = false;
  const count = (failed: boolean): void => {
    const slot = Math.floor(clock.monotonicMs() / slotMs);
    const entry = counts[slot % slots];
    if (entry === undefined) return;
    if (entry.slot !== slot) Object.assign(entry, { slot, asked: 0, failed: 0 });
    entry.asked += 1;
    if (failed) entry.failed += 1;
  };
  const trips = (): boolean => {
    const oldest = Math.floor(clock.monotonicMs() / slotMs) - slots + 1;
    const recent = counts.filter(({ slot }) => slot >= oldest);
    const asked = recent.reduce((sum, entry) => sum + entry.asked, 0);
    const failed = recent.reduce((sum, entry) => sum + entry.failed, 0);
    return asked >= minRequests && failed / asked >= failureShare;
  };
  const state = (): CircuitBreaker["state"] => {
    if (openedMs === undefined) return "closed";
    return clock.monotonicMs() - openedMs >= openMs ? "half-open" : "open";
  };
  return {
    get state() {
      return state();
    },
    admits() {
      const now = state();
      if (now === "closed") return true;
      if (now === "open" || trying) return false;
      trying = true;
      return true;
    },
    succeeded() {
      if (openedMs !== undefined) {
        // What was asked before it opened, and comes now, says nothing of how it is.
        if (!trying) return;
        openedMs = undefined;
        counts = emptyCounts();
      }
      trying = false;
      count(false);
    },
    failed() {
      if (openedMs !== undefined) {
        if (trying) openedMs = clock.monotonicMs();
        trying = false;
        return;
      }
      count(true);
      if (trips()) openedMs = clock.monotonicMs();
    },
    abandoned() {
      trying = false;
    },
  };
}

const emptyCounts = (): { slot: number; asked: number; failed: number }[] =>
  Array.from({ length: slots }, () => ({ slot: -1, asked: 0, failed: 0 }));

function checkOptions(options: Required<Record<keyof BreakerOptions, number>>): void {
  const { failureShare, minRequests, windowMs, openMs } = options;
  if (!(failureShare > 0 && failureShare <= 1))
    throw new RangeError(`failureShare must be above 0 and at most 1, not ${failureShare}.`);
  if (!(minRequests >= 1)) throw new RangeError(`minRequests must be 1 or more, not ${minRequests}.`);
  for (const [name, ms] of Object.entries({ windowMs, openMs }))
    if (!(ms > 0 && Number.isFinite(ms))) throw new RangeError(`${name} must be above 0, not ${ms}.`);
}
