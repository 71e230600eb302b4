import type { CallOptions } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";

/** How long one version took from its registration into service. Times are UTC milliseconds. */
export interface RegistryLatency {
  readonly name: string;
  readonly version: number;
  readonly endpoint: string;
  readonly environment: string;
  readonly registeredMs: number;
  /** When it was approved last before it served. */
  readonly approvedMs: number;
  /** When it had a share of the traffic first. */
  readonly inServiceMs: number;
  /** What the objective is about: from approval to service. */
  readonly latencyMs: number;
  /** What people took: from registration to approval. */
  readonly manualMs: number;
  /** Of the latency what passed until the deployment began, and what it took from there. */
  readonly waitingMs: number;
  readonly deployingMs: number;
  /** Whether the latency is beyond the objective. */
  readonly late: boolean;
}

export interface RegistryLatencyQuery extends CallOptions {
  readonly name?: string | undefined;
  /** Only what came into service from then on. Default: all. */
  readonly sinceMs?: number | undefined;
  /** The longest that is not late. Default: `approvalToServiceMs` of `openRegistry`, which is 30 minutes where it is not set. */
  readonly objectiveMs?: number | undefined;
}

/** The service level indicator of the registry, read off the ledger. */
export interface RegistryLatencies {
  /** One for each endpoint and version that came into service after an approval, in that order. Throws nothing but what the database throws. */
  registryLatency(query?: RegistryLatencyQuery): Promise<readonly RegistryLatency[]>;
}

/** @param approvalToServiceMs The longest that is not late, where a question does not say. */
export function createRegistryLatencies(
  { read }: Database<RegistryTables>,
  approvalToServiceMs: number,
): RegistryLatencies {
  return {
    async registryLatency({ name, sinceMs = -Infinity, objectiveMs = approvalToServiceMs, signal } = {}) {
      signal?.throwIfAborted();
      const first = await firstServices(read, name);
      const latencies: RegistryLatency[] = [];
      for (const service of first) {
        if (service.inServiceMs < sinceMs) continue;
        const approvedMs = await approvedBefore(read, service);
        if (approvedMs === undefined) continue;
        const { startedMs, inServiceMs, registeredMs, ...about } = service;
        const latencyMs = inServiceMs - approvedMs;
        const beganMs = Math.max(approvedMs, Math.min(startedMs, inServiceMs));
        latencies.push({
          ...about,
          registeredMs,
          approvedMs,
          inServiceMs,
          latencyMs,
          manualMs: approvedMs - registeredMs,
          waitingMs: beganMs - approvedMs,
          deployingMs: inServiceMs - beganMs,
          late: latencyMs > objectiveMs,
        });
      }
      return latencies;
    },
  };
}

interface Service {
  readonly name: string;
  readonly version: number;
  readonly endpoint: string;
  readonly environment: string;
  readonly registeredMs: number;
  /** When its deployment was first told of. */
  readonly startedMs: number;
  /** When it first had traffic for good. */
  readonly inServiceMs: number;
}

async function firstServices(read: Database<RegistryTables>["read"], name: string | undefined): Promise<Service[]> {
  let query = read
    .selectFrom("registry_deployments as traffic")
    .innerJoin("registry_versions as version", (join) =>
      join.onRef("version.model", "=", "traffic.model").onRef("version.version", "=", "traffic.version"),
    )
    .select(["traffic.model", "traffic.version", "traffic.endpoint", "traffic.environment", "version.created_ms"])
    .select(["traffic.outcome", "traffic.time_ms"]);
  if (name !== undefined) query = query.where("traffic.model", "=", name);
  const services = new Map<string, { -readonly [Key in keyof Service]: Service[Key] }>();
  for (const row of await query.orderBy("traffic.time_ms").orderBy("traffic.change").execute()) {
    const key = JSON.stringify([row.environment, row.endpoint, row.model, row.version]);
    const known = services.get(key);
    if (known === undefined) {
      services.set(key, {
        name: row.model,
        version: row.version,
        endpoint: row.endpoint,
        environment: row.environment,
        registeredMs: row.created_ms,
        startedMs: row.time_ms,
        inServiceMs: row.outcome === "completed" ? row.time_ms : Number.NaN,
      });
    } else if (Number.isNaN(known.inServiceMs) && row.outcome === "completed") known.inServiceMs = row.time_ms;
  }
  return [...services.values()].filter(({ inServiceMs }) => !Number.isNaN(inServiceMs));
}

async function approvedBefore(
  read: Database<RegistryTables>["read"],
  { name, version, inServiceMs }: Service,
): Promise<number | undefined> {
  const row = await read
    .selectFrom("registry_approvals")
    .select(["time_ms"])
    .where("model", "=", name)
    .where("version", "=", version)
    .where("status", "=", "approved")
    .where("time_ms", "<=", inServiceMs)
    .orderBy("decision", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.time_ms;
}
