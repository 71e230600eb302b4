import { type CallOptions, type Clock, modelUnknown } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { deploymentInvalid } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";
import {
  type TrafficQuery,
  type TrafficRecord,
  type TrafficShare,
  nothingServed,
  readTraffic,
  trafficOf,
} from "./traffic-records.ts";

export interface TrafficChange extends CallOptions {
  readonly endpoint: string;
  /** Default: `production`. */
  readonly environment?: string | undefined;
  /** All of the endpoint's traffic from now on; they add up to 1. None: nothing is served any more. */
  readonly shares: readonly TrafficShare[];
  readonly by: string;
  readonly reason?: string | undefined;
  /** What the change is of a deployment: `started` and `shifted` on its way, `completed`, `rolled-back` or `failed` at its end. Default: `completed`. */
  readonly outcome?: "started" | "shifted" | "completed" | "rolled-back" | "failed" | undefined;
}

/** Where versions serve, and served. */
export interface DeploymentHistory {
  /** Keeps that an endpoint's traffic has changed. Throws `PORT_MODEL_UNKNOWN`, `REGISTRY_DEPLOYMENT_INVALID`. */
  recordTraffic(change: TrafficChange): Promise<TrafficRecord>;
  /** In the order they were made. */
  trafficHistory(query?: TrafficQuery): Promise<readonly TrafficRecord[]>;
  /** What each endpoint served at a time, by environment and endpoint; now, where none is given. UTC, milliseconds. Of a history however long only what held then is read. */
  trafficAt(timeMs?: number, query?: TrafficQuery): Promise<readonly TrafficRecord[]>;
}

type Registry = Database<RegistryTables>;

/** How far the sum of shares may be from 1. */
const slack = 1e-6;

export function createDeploymentHistory(database: Registry, clock: Clock): DeploymentHistory {
  return {
    async recordTraffic({ signal, ...change }) {
      signal?.throwIfAborted();
      checkChange(change);
      return database.write((scope) => insertChange(scope, change, clock.nowMs()), { signal });
    },
    async trafficHistory({ signal, ...query } = {}) {
      signal?.throwIfAborted();
      return readTraffic(database.read, query);
    },
    async trafficAt(timeMs = clock.nowMs(), { signal, ...query } = {}) {
      signal?.throwIfAborted();
      return trafficOf(database.read, timeMs, query);
    },
  };
}

function checkChange({ endpoint, environment = "production", shares, by }: TrafficChange): void {
  checkLabel("an endpoint", endpoint);
  checkLabel("an environment", environment);
  checkLabel("a person", by);
  const wrong = shares.find(({ share }) => !(share > 0 && share <= 1));
  if (wrong !== undefined) throw deploymentInvalid(endpoint, `the share of "${wrong.variant}" is ${wrong.share}`);
  const sum = shares.reduce((total, { share }) => total + share, 0);
  if (shares.length > 0 && Math.abs(sum - 1) > slack)
    throw deploymentInvalid(endpoint, `its shares add up to ${Number(sum.toPrecision(6))}`);
  if (new Set(shares.map(({ variant }) => variant)).size !== shares.length)
    throw deploymentInvalid(endpoint, "two of its variants have one name");
}

export async function insertChange(
  scope: WriteScope<RegistryTables>,
  { endpoint, environment = "production", shares, by, reason, outcome = "completed" }: TrafficChange,
  timeMs: number,
): Promise<TrafficRecord> {
  const { sql } = scope;
  for (const { name, version } of shares) {
    const row = sql.selectFrom("registry_versions").select("digest").where("model", "=", name);
    const found = await row.where("version", "=", version).where("deleted_ms", "is", null).executeTakeFirst();
    if (found === undefined) throw modelUnknown(`${name}/${version}`, []);
  }
  const last = await sql
    .selectFrom("registry_deployments")
    .select(({ fn }) => [fn.max("change").as("change"), fn.max("time_ms").as("time_ms")])
    .where("endpoint", "=", endpoint)
    .where("environment", "=", environment)
    .executeTakeFirst();
  const change = (last?.change ?? 0) + 1;
  if (change === 1) await sql.insertInto("registry_endpoints").values({ environment, endpoint }).execute();
  // A clock that went back must not bring the changes out of order.
  const ordered = Math.max(timeMs, last?.time_ms ?? timeMs);
  const rows = shares.length > 0 ? shares : [{ variant: nothingServed, name: "", version: 0, share: 0 }];
  for (const { variant, name, version, share } of rows) {
    await sql
      .insertInto("registry_deployments")
      .values({
        endpoint,
        environment,
        change,
        variant,
        model: name,
        version,
        share,
        changed_by: by,
        reason: reason ?? null,
        outcome,
        time_ms: ordered,
      })
      .execute();
  }
  await emitAbout(scope, endpoint, {
    type: `deployment.${outcome}`,
    causationid: await newestEvent(scope, endpoint),
    data: {
      endpoint,
      environment,
      by,
      shares: shares.map(({ variant, name, version, share }) => ({ variant, model: `${name}/${version}`, share })),
      ...(reason === undefined ? {} : { reason }),
      made: [{ kind: "endpoint", id: endpoint, name: `${environment}/${endpoint}` }],
      from: await modelsOf(scope, shares),
    },
  });
  return { endpoint, environment, change, shares: [...shares], by, reason, outcome, timeMs: ordered };
}

async function modelsOf({ sql }: WriteScope<RegistryTables>, shares: readonly TrafficShare[]) {
  const from: { readonly kind: "model"; readonly id: string; readonly name: string }[] = [];
  for (const { name, version } of shares) {
    const { digest } = await sql
      .selectFrom("registry_versions")
      .select("digest")
      .where("model", "=", name)
      .where("version", "=", version)
      .executeTakeFirstOrThrow();
    from.push({ kind: "model", id: digest, name: `${name}/${version}` });
  }
  return from;
}
