import type { Clock } from "@millwright/contracts";

/** Wakes those who wait for a trial to end. */
export interface Wake {
  now(): void;
  /** Aborts at the next `now`: to be taken before looking at what is waited for. */
  readonly next: AbortSignal;
}

export function createWake(): Wake {
  let waiting = new AbortController();
  return {
    now() {
      const before = waiting;
      waiting = new AbortController();
      before.abort();
    },
    get next() {
      return waiting.signal;
    },
  };
}

/** Resolves when one of the signals aborts, after `ms` at the latest. */
export async function sleepUntil(clock: Clock, ms: number, signals: AbortSignal[]): Promise<void> {
  await clock.sleep(ms, { signal: AbortSignal.any(signals) }).catch(() => {});
}
