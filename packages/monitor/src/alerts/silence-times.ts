import type { Clock, Logger } from "@millwright/contracts";

/** Between two looks at the clock: it may have jumped. */
const longestSleepMs = 300_000;

export interface SilenceTimesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The first time after this at which a silence of something that fires begins or ends; undefined where there is none. */
  readonly nextAfter: (timeMs: number) => number | undefined;
  /** Looks anew at what is silenced, before it waits for anything. */
  readonly look: () => Promise<void>;
}

/** Sees to it that silences begin and end when their time comes, and not at the next evaluation. */
export interface SilenceTimes {
  /** What is silenced was looked at: the next begin or end is waited for. */
  looked(nowMs: number): void;
  /** Looks where the time of a silence has come and nobody has looked yet: done when it returns, and shown when it resolves. Never rejects. */
  catchUp(): Promise<void>;
  close(): void;
}

export function createSilenceTimes({ clock, logger, nextAfter, look }: SilenceTimesOptions): SilenceTimes {
  let nextMs: number | undefined;
  let waiting = new AbortController();
  let looking: Promise<void> = Promise.resolve();
  let closed = false;
  const catchUp = (): Promise<void> => {
    if (closed || nextMs === undefined || clock.nowMs() < nextMs) return looking;
    nextMs = undefined;
    looking = look().catch((error: unknown) =>
      logger.error({ error: String(error) }, "What is silenced could not be looked at; the next evaluation does."),
    );
    return looking;
  };
  const wait = async (untilMs: number, { signal }: AbortController): Promise<void> => {
    while (clock.nowMs() < untilMs) {
      try {
        await clock.sleep(Math.min(longestSleepMs, untilMs - clock.nowMs()), { signal });
      } catch {
        return;
      }
    }
    await catchUp();
  };
  return {
    catchUp,
    looked(nowMs) {
      const next = closed ? undefined : nextAfter(nowMs);
      if (next === nextMs) return;
      nextMs = next;
      waiting.abort();
      waiting = new AbortController();
      if (next !== undefined) void wait(next, waiting);
    },
    close() {
      closed = true;
      waiting.abort();
    },
  };
}
