import {
  type CallOptions,
  type Clock,
  type Lease,
  type LeaseStore,
  type Logger,
  deploymentRunning,
} from "@millwright/contracts";

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

export interface AcquireLeaseOptions {
  /** Absent where this process is alone. */
  readonly leases: LeaseStore | undefined;
  readonly clock: Clock;
  readonly leaseTtlMs: number;
}

/** The lease of an endpoint, once whoever died with it has been silent for its time. Throws `PORT_DEPLOYMENT_RUNNING` where it is held for longer. */
export async function acquireLease(
  endpoint: string,
  { leases, clock, leaseTtlMs }: AcquireLeaseOptions,
  { signal }: CallOptions,
): Promise<Lease | undefined> {
  if (leases === undefined) return undefined;
  const deadlineMs = clock.monotonicMs() + leaseTtlMs;
  for (;;) {
    const lease = await leases.acquire(`serving/${endpoint}`, leaseTtlMs, { signal });
    if (lease !== undefined) return lease;
    if (clock.monotonicMs() > deadlineMs) throw deploymentRunning(endpoint, "of another process");
    await clock.sleep(leaseTtlMs / 20, { signal });
  }
}
