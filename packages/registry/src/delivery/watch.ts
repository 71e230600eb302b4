import type { Clock, Digest, Logger, ModelSource, ResolvedModel } from "@millwright/contracts";

export interface WatchOptions {
  readonly ref: string;
  readonly signal: AbortSignal | undefined;
  readonly resolve: ModelSource["resolve"];
  /** The digest of what `ref` means now. */
  readonly digestOf: (ref: string) => Promise<Digest>;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly logger: Logger;
}

/** Gives what the reference means now, then each other version it comes to mean, until the signal aborts. */
export async function* watchRef(options: WatchOptions): AsyncGenerator<ResolvedModel, void, undefined> {
  const { ref, signal, resolve } = options;
  if (signal?.aborted === true) return;
  let current: ResolvedModel | undefined;
  try {
    current = await resolve(ref, { signal });
  } catch (error) {
    if (isAborted(signal)) return;
    throw error;
  }
  while (current !== undefined) {
    yield current;
    current = await nextVersion(options, current);
  }
}

async function nextVersion(options: WatchOptions, current: ResolvedModel): Promise<ResolvedModel | undefined> {
  const { ref, signal, resolve, digestOf, clock, pollMs, logger } = options;
  for (;;) {
    await clock.sleep(pollMs, { signal }).catch(() => undefined);
    if (isAborted(signal)) return undefined;
    try {
      if ((await digestOf(ref)) !== current.digest) return await resolve(ref, { signal });
    } catch (error) {
      if (isAborted(signal)) return undefined;
      // Whatever fails now may work at the next look: the file is busy, a package is being copied.
      logger.warn({ error, ref }, "A watched model could not be looked up; trying again.");
    }
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;
