import { type Clock, leaseLost, type LeaseStore, systemClock } from "@millwright/contracts";

export interface MemoryLeaseStoreOptions {
  /** What time leases run by. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** Leases among the callers of this process. */
export function openMemoryLeaseStore({ clock = systemClock }: MemoryLeaseStoreOptions = {}): LeaseStore {
  const leases = new Map<string, { fence: number; held: boolean; expiresMs: number }>();
  return {
    async acquire(name, ttlMs, { signal } = {}) {
      signal?.throwIfAborted();
      if (!(ttlMs > 0 && Number.isFinite(ttlMs))) throw new RangeError(`ttlMs must be more than 0, not ${ttlMs}.`);
      const now = clock.nowMs();
      const before = leases.get(name);
      if (before !== undefined && before.held && before.expiresMs > now) return undefined;
      const fence = (before?.fence ?? 0) + 1;
      leases.set(name, { fence, held: true, expiresMs: now + ttlMs });
      const own = () => {
        const lease = leases.get(name);
        return lease?.fence === fence && lease.held ? lease : undefined;
      };
      return {
        name,
        fence,
        async renew(options = {}) {
          options.signal?.throwIfAborted();
          const lease = own();
          if (lease === undefined) throw leaseLost(name, fence);
          lease.expiresMs = clock.nowMs() + ttlMs;
        },
        async release(options = {}) {
          options.signal?.throwIfAborted();
          const lease = own();
          if (lease !== undefined) lease.held = false;
        },
      };
    },
  };
}
