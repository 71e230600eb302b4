import type { Clock, Logger } from "@millwright/contracts";

const longestMs = 60_000;

export interface FollowingSetting {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pollMs: number;
}

/** Looks again and again for what other processes applied, ever less often while that fails. */
export class Following {
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor({ clock, logger, pollMs }: FollowingSetting, look: (signal: AbortSignal) => Promise<void>) {
    const { signal } = this.#stop;
    this.#done = (async () => {
      let waitMs = pollMs;
      while (!signal.aborted) {
        await clock.sleep(waitMs, { signal }).catch(() => {});
        if (signal.aborted) return;
        waitMs = await look(signal).then(
          () => pollMs,
          (error: unknown) => {
            if (!signal.aborted) logger.warn({ error }, "a configuration of another process is not served yet");
            return Math.min(Math.max(longestMs, pollMs), waitMs * 2);
          },
        );
      }
    })();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
