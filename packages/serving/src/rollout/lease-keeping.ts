import type { Clock, Lease, Logger } from "@millwright/contracts";

export interface KeepLeaseOptions {
  /** Ends the keeping; aborted here when the lease is lost. */
  readonly stop: AbortController;
  readonly clock: Clock;
  readonly leaseTtlMs: number;
  readonly logger: Logger;
  readonly endpoint: string;
}

/** Renews the lease while it is needed, three times in its time to live; whoever loses it stops deciding. */
export async function keepLease(lease: Lease | undefined, options: KeepLeaseOptions): Promise<void> {
  const { stop, clock, leaseTtlMs, logger, endpoint } = options;
  while (lease !== undefined && !stop.signal.aborted) {
    await clock.sleep(leaseTtlMs / 3, { signal: stop.signal }).catch(() => {});
    if (stop.signal.aborted) return;
    await lease.renew().catch((error: unknown) => {
      logger.warn({ endpoint, error }, "the lease of a deployment is lost");
      stop.abort();
    });
  }
}
