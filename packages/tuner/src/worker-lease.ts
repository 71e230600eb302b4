import { type CallOptions, type Clock, type Lease, type LeaseStore, hasCode, systemClock } from "@millwright/contracts";

export interface WorkerLeaseOptions extends CallOptions {
  readonly study: string;
  readonly worker: string;
  /** Absent where the study lives in this process alone: then no other worker can be dead. */
  readonly leases: LeaseStore | undefined;
  readonly leaseMs: number;
  readonly clock: Clock;
}

/** Says to other processes that this worker lives, and tells which of them do not. */
export interface WorkerLease extends AsyncDisposable {
  /** True when the worker's lease has run out, or was given back. */
  isDead(worker: string): Promise<boolean>;
}

export async function openWorkerLease({
  study,
  worker,
  leases,
  leaseMs,
  clock,
  signal,
}: WorkerLeaseOptions): Promise<WorkerLease> {
  if (leases === undefined) return { isDead: async (other) => other !== worker, [Symbol.asyncDispose]: async () => {} };
  const nameOf = (who: string): string => `tuner/${study}/worker/${who}`;
  let lease: Lease | undefined = await leases.acquire(nameOf(worker), leaseMs, { signal });
  const renew = async (): Promise<void> => {
    try {
      if (lease === undefined) lease = await leases.acquire(nameOf(worker), leaseMs);
      else await lease.renew();
    } catch (error) {
      // Lost (this process was stopped for long): take it anew. Anything else is tried again at the next beat.
      if (hasCode(error, "PORT_LEASE_LOST")) lease = undefined;
    }
  };
  const stopBeating = startBeating(clock, leaseMs / 3, renew);
  /** Workers that were seen to live, and until when that is taken for granted: asking takes a write. */
  const living = new Map<string, number>();
  return {
    async isDead(other) {
      if (other === worker || (living.get(other) ?? 0) > clock.nowMs()) return false;
      const taken = await leases.acquire(nameOf(other), leaseMs);
      await taken?.release();
      if (taken === undefined) living.set(other, clock.nowMs() + leaseMs / 3);
      return taken !== undefined;
    },
    async [Symbol.asyncDispose]() {
      stopBeating();
      await lease?.release();
    },
  };
}

/** @returns what stops it. */
function startBeating(clock: Clock, everyMs: number, beat: () => Promise<void>): () => void {
  if (clock === systemClock) {
    // A sleep would hold the process, and a study that nobody closed must not.
    const timer = setInterval(() => void beat(), everyMs);
    timer.unref();
    return () => clearInterval(timer);
  }
  const stopped = new AbortController();
  const { signal } = stopped;
  const run = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(everyMs, { signal });
      await beat();
    }
  };
  run().catch(() => {});
  return () => stopped.abort();
}
