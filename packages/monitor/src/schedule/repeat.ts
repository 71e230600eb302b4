import type { Clock, Logger } from "@millwright/contracts";

export interface RepeatSite {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** What the log says where the work fails; it is done again the next time. */
  readonly failed: string;
}

/** Does the work every so often, one time after the other, until the signal aborts. */
export async function repeat(
  everyMs: number,
  work: () => Promise<unknown>,
  { clock, logger, signal, failed }: RepeatSite,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(everyMs, { signal });
    } catch {
      return;
    }
    await work().catch((error: unknown) => {
      if (!signal.aborted) logger.error({ error: String(error) }, failed);
    });
  }
}
