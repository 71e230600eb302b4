import type { CallOptions, Clock, JsonObject } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type RegistryLatencies, createRegistryLatencies } from "./registry-latency.ts";
import { trafficOf } from "./traffic-records.ts";

/** A version that took longer from its approval into service than it should, or still takes. */
export interface LateService {
  readonly name: string;
  readonly version: number;
  /** `waiting`: it was approved, and serves nowhere yet. */
  readonly state: "in-service" | "waiting";
  /** Where it came into service; absent while it waits. */
  readonly endpoint?: string | undefined;
  readonly environment?: string | undefined;
  /** UTC, milliseconds. */
  readonly approvedMs: number;
  readonly inServiceMs?: number | undefined;
  /** From the approval into service, or until now. */
  readonly latencyMs: number;
  /** The longest that is not late. */
  readonly objectiveMs: number;
}

export interface LateServiceQuery extends CallOptions {
  readonly name?: string | undefined;
  /** The longest that is not late. Default: `approvalToServiceMs` of `openRegistry`, which is 30 minutes where it is not set. */
  readonly objectiveMs?: number | undefined;
  /** Only approvals from then on, UTC milliseconds: what was late long ago is no alert. Default: 7 days ago. */
  readonly sinceMs?: number | undefined;
}

/** The alert of the registry's service level indicator. */
export interface LateServices {
  /**
   * Emits an event `model.approval-to-service-late` for each approved version that came into service late, and for each that is late and in service nowhere: the newest approved one of a model that endpoints serve. Of
   * one approval and endpoint it is told once, by whichever process comes first, and no more once it was told that the version waits. Call it now and then. @returns those told of now.
   * Throws a RangeError for an objective that is no length of time.
   */
  sweepLateServices(query?: LateServiceQuery): Promise<readonly LateService[]>;
}

export interface LateServiceOptions {
  readonly database: Database<RegistryTables>;
  readonly clock: Clock;
  readonly approvalToServiceMs: number;
}

const aWeekMs = 7 * 24 * 60 * 60 * 1000;

export function createLateServices({ database, clock, approvalToServiceMs }: LateServiceOptions): LateServices {
  const { registryLatency } = createRegistryLatencies(database, approvalToServiceMs);
  return {
    async sweepLateServices({ name, objectiveMs = approvalToServiceMs, sinceMs, signal } = {}) {
      signal?.throwIfAborted();
      if (!(objectiveMs >= 0)) throw new RangeError(`\`objectiveMs\` is ${objectiveMs}; it is 0 or more.`);
      const nowMs = clock.nowMs();
      const query = { name, objectiveMs, sinceMs: sinceMs ?? nowMs - aWeekMs, nowMs, signal };
      const late = [...(await lateInService(registryLatency, query)), ...(await lateWaiting(database.read, query))];
      const told: LateService[] = [];
      for (const each of late) if (await tellOnce(database, each, nowMs, signal)) told.push(each);
      return told;
    },
  };
}

interface Sweep {
  readonly name: string | undefined;
  readonly objectiveMs: number;
  readonly sinceMs: number;
  readonly nowMs: number;
  readonly signal: AbortSignal | undefined;
}

async function lateInService(
  registryLatency: RegistryLatencies["registryLatency"],
  { name, objectiveMs, sinceMs, signal }: Sweep,
): Promise<readonly LateService[]> {
  // Nothing is in service before it was approved.
  const latencies = await registryLatency({ name, objectiveMs, sinceMs, signal });
  return latencies
    .filter(({ late, approvedMs }) => late && approvedMs >= sinceMs)
    .map(({ name: model, version, endpoint, environment, approvedMs, inServiceMs, latencyMs }) => ({
      name: model,
      version,
      state: "in-service",
      endpoint,
      environment,
      approvedMs,
      inServiceMs,
      latencyMs,
      objectiveMs,
    }));
}

/** The newest approved version of each model that endpoints serve, where it serves nowhere for good. */
async function lateWaiting(
  read: Database<RegistryTables>["read"],
  { name, objectiveMs, sinceMs, nowMs }: Sweep,
): Promise<readonly LateService[]> {
  const serving = await trafficOf(read, undefined, { name });
  const models = new Set(serving.flatMap(({ shares }) => shares.map((share) => share.name)));
  const waiting: LateService[] = [];
  for (const model of models) {
    if (name !== undefined && model !== name) continue;
    const newest = await read
      .selectFrom("registry_versions")
      .select("version")
      .where("model", "=", model)
      .where("approval", "=", "approved")
      .where("deleted_ms", "is", null)
      .orderBy("version", "desc")
      .limit(1)
      .executeTakeFirst();
    if (newest === undefined) continue;
    const { version } = newest;
    const served = await read
      .selectFrom("registry_deployments")
      .select("change")
      .where("model", "=", model)
      .where("version", "=", version)
      .where("outcome", "=", "completed")
      .limit(1)
      .executeTakeFirst();
    const approval = await read
      .selectFrom("registry_approvals")
      .select("time_ms")
      .where("model", "=", model)
      .where("version", "=", version)
      .orderBy("decision", "desc")
      .limit(1)
      .executeTakeFirst();
    if (served !== undefined || approval === undefined || approval.time_ms < sinceMs) continue;
    const latencyMs = nowMs - approval.time_ms;
    if (latencyMs > objectiveMs)
      waiting.push({ name: model, version, state: "waiting", approvedMs: approval.time_ms, latencyMs, objectiveMs });
  }
  return waiting;
}

/** @returns whether nobody had told of it. */
function tellOnce(
  database: Database<RegistryTables>,
  late: LateService,
  nowMs: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { name, version, approvedMs, environment = "", endpoint = "" } = late;
  return database.write(
    async (scope) => {
      const { sql } = scope;
      const told = await sql
        .selectFrom("registry_late_services")
        .select(["environment", "endpoint"])
        .where("model", "=", name)
        .where("version", "=", version)
        .where("approved_ms", "=", approvedMs)
        .execute();
      const isKnown = told.some(
        (each) => each.endpoint === "" || (each.endpoint === endpoint && each.environment === environment),
      );
      if (isKnown) return false;
      await sql
        .insertInto("registry_late_services")
        .values({ model: name, version, approved_ms: approvedMs, environment, endpoint, told_ms: nowMs })
        .execute();
      const subject = `${name}/${version}`;
      await emitAbout(scope, subject, {
        type: "model.approval-to-service-late",
        causationid: await newestEvent(scope, subject),
        data: { ...(JSON.parse(JSON.stringify(late)) as JsonObject), by: "sweep" },
      });
      return true;
    },
    { signal },
  );
}
