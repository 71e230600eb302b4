import {
  type CallOptions,
  type Clock,
  type Lease,
  leaseLost,
  type LeaseStore,
  systemClock,
} from "@millwright/contracts";
import type { Database, StatementResult } from "./database.ts";

export interface LeaseStoreOptions {
  /** What time leases run by; all processes that share them must agree on it within a fraction of their time to live. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

// Each of these is one statement, so that no two processes can both see the lease free.
const acquireSql = `insert into millwright_leases (name, fence, held, expires_ms) values (?1, 1, 1, ?3)
on conflict (name) do update set fence = millwright_leases.fence + 1, held = 1, expires_ms = excluded.expires_ms
where millwright_leases.held = 0 or millwright_leases.expires_ms <= ?2 returning fence`;
const renewSql =
  "update millwright_leases set expires_ms = ? where name = ? and fence = ? and held = 1 returning fence";
const releaseSql = "update millwright_leases set held = 0 where name = ? and fence = ?";

/** Leases in a database: among all processes that open it. Fences of a name grow for ever, over releases and restarts. */
export function openLeaseStore<Tables>(
  database: Database<Tables>,
  { clock = systemClock }: LeaseStoreOptions = {},
): LeaseStore {
  const run = async (sql: string, parameters: readonly unknown[], options?: CallOptions): Promise<StatementResult> => {
    const { results } = await database.writeBatch([{ sql, parameters }], options);
    return results[0] as StatementResult;
  };
  return {
    async acquire(name, ttlMs, options) {
      if (!(ttlMs > 0 && Number.isFinite(ttlMs))) throw new RangeError(`ttlMs must be more than 0, not ${ttlMs}.`);
      const ttl = Math.ceil(ttlMs);
      const nowMs = Math.floor(clock.nowMs());
      const { rows } = await run(acquireSql, [name, nowMs, nowMs + ttl], options);
      const [row] = rows;
      if (row === undefined) return undefined;
      const fence = Number(row["fence"]);
      const lease: Lease = {
        name,
        fence,
        async renew(renewOptions) {
          const renewed = await run(renewSql, [Math.floor(clock.nowMs()) + ttl, name, fence], renewOptions);
          if (renewed.rows.length === 0) throw leaseLost(name, fence);
        },
        async release(releaseOptions) {
          await run(releaseSql, [name, fence], releaseOptions);
        },
      };
      return lease;
    },
  };
}
