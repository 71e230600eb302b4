import type { CallOptions } from "./call-options.ts";

/** Time, injected, so that tests and replays own it. */
export interface Clock {
  /** Wall time, UTC milliseconds since the epoch; may jump. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start that never run backwards, with fractions: for durations. */
  monotonicMs(): number;
  /** Resolves after `durationMs`; rejects with `signal.reason` on abort. */
  sleep(durationMs: number, options?: CallOptions): Promise<void>;
}

/** A timer that is set for longer fires at once: longer sleeps take several. */
const longestTimerMs = 2 ** 31 - 1;

/** The machine's own time. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (durationMs, { signal } = {}) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const wake = (leftMs: number): void => {
        if (leftMs > 0) {
          timer = arm(leftMs);
          return;
        }
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      const arm = (leftMs: number): ReturnType<typeof setTimeout> =>
        setTimeout(() => wake(leftMs - longestTimerMs), Math.min(leftMs, longestTimerMs));
      // Listened to first: what is no signal throws here, and not in a timer, which would end the process.
      signal?.addEventListener("abort", stop, { once: true });
      let timer = arm(durationMs);
    }),
};

/** A clock that moves only when told to. `advance` wakes the sleepers whose time has come, in order of their time; wait for it. */
export interface ManualClock extends Clock {
  advance(durationMs: number): Promise<void>;
}

export function createManualClock(startMs = 0): ManualClock {
  let now = startMs;
  const sleepers = new Set<{ readonly wakeMs: number; wake: () => void }>();
  return {
    nowMs: () => now,
    monotonicMs: () => now - startMs,
    sleep: (durationMs, { signal } = {}) =>
      new Promise<void>((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason as Error);
          return;
        }
        const stop = (): void => {
          sleepers.delete(sleeper);
          reject(signal?.reason as Error);
        };
        const sleeper = {
          wakeMs: now + durationMs,
          wake: () => {
            signal?.removeEventListener("abort", stop);
            resolve();
          },
        };
        signal?.addEventListener("abort", stop, { once: true });
        sleepers.add(sleeper);
      }),
    async advance(durationMs) {
      // Whoever is about to go to sleep does so at the time before.
      await new Promise<void>((resolve) => setImmediate(resolve));
      const endMs = now + durationMs;
      for (;;) {
        const next = [...sleepers]
          .filter((sleeper) => sleeper.wakeMs <= endMs)
          .toSorted((a, b) => a.wakeMs - b.wakeMs)[0];
        if (next === undefined) break;
        sleepers.delete(next);
        now = Math.max(now, next.wakeMs);
        next.wake();
        // Whoever was woken runs, and may go to sleep again within this advance.
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      now = endMs;
    },
  };
}
