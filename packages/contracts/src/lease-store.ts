import type { CallOptions } from "./call-options.ts";

/** Who may act now. */
export interface LeaseStore {
  /**
   * Takes the lease if it is free or has run out.
   * @param ttlMs How long it holds without renewal.
   * @returns `undefined` while somebody else holds it.
   */
  acquire(name: string, ttlMs: number, options?: CallOptions): Promise<Lease | undefined>;
}

export interface Lease {
  readonly name: string;
  /** Greater than that of every earlier holder: a resource that remembers the greatest it saw can refuse a holder that was slow. */
  readonly fence: number;
  /** Holds it for another `ttlMs` from now. Throws `PORT_LEASE_LOST` if it ran out and went to another. */
  renew(options?: CallOptions): Promise<void>;
  /** Frees it. Releasing a lost lease does nothing to its new holder. */
  release(options?: CallOptions): Promise<void>;
}
