import { type CallOptions, type Clock, modelUnknown } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { deploymentInvalid } from "../errors.ts";
import { checkLabel } from "../names.ts";
import type { RegistryTables } from "../tables/tables.ts";

/** A variant's part of an endpoint's traffic. */
export interface TrafficShare {
  /** The variant's name, such as `main` or `canary`. */
  readonly variant: string;
  readonly name: string;
  readonly version: number;
  /** In (0, 1]. */
  readonly share: number;
}

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

/** An endpoint's traffic from a time until the next change. */
export interface TrafficRecord {
  readonly endpoint: string;
  readonly environment: string;
  /** Counts the changes of the endpoint. */
  readonly change: number;
  readonly shares: readonly TrafficShare[];
  readonly by: string;
  readonly reason?: string | undefined;
  readonly outcome: string;
  /** UTC, milliseconds. */
  readonly timeMs: number;
}

export interface TrafficQuery extends CallOptions {
  readonly endpoint?: string | undefined;
  readonly environment?: string | undefined;
  /** Only changes that a version of the model has a share in, or had until then. */
  readonly name?: string | undefined;
}

/** Where versions serve, and served. */
export interface DeploymentHistory {
  /** Keeps that an endpoint's traffic has changed. Throws `PORT_MODEL_UNKNOWN`, `REGISTRY_DEPLOYMENT_INVALID`. */
  recordTraffic(change: TrafficChange): Promise<TrafficRecord>;
  /** In the order they were made. */
  trafficHistory(query?: TrafficQuery): Promise<readonly TrafficRecord[]>;
  /** What each endpoint served at a time; now, where none is given. UTC, milliseconds. */
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
      return history(database.read, query);
    },
    async trafficAt(timeMs = clock.nowMs(), { signal, ...query } = {}) {
      signal?.throwIfAborted();
      const newest = new Map<string, TrafficRecord>();
      for (const record of await history(database.read, { ...query, name: undefined }))
        if (record.timeMs <= timeMs) newest.set(`${record.environment}\n${record.endpoint}`, record);
      const serving = [...newest.values()].filter(({ shares }) => shares.length > 0);
      return query.name === undefined
        ? serving
        : serving.filter(({ shares }) => shares.some(({ name }) => name === query.name));
    },
  };
}

/** Where a version has a share of the traffic now, as `environment/endpoint`. */
export async function placesOf(read: Registry["read"], name: string, version: number): Promise<readonly string[]> {
  const newest = new Map<string, TrafficRecord>();
  for (const record of await history(read, {})) newest.set(`${record.environment}/${record.endpoint}`, record);
  return [...newest]
    .filter(([, { shares }]) => shares.some((share) => share.name === name && share.version === version))
    .map(([place]) => place);
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

/** The variant of the row that says that nothing is served. */
const nothing = "";

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
  // A clock that went back must not bring the changes out of order.
  const ordered = Math.max(timeMs, last?.time_ms ?? timeMs);
  const rows = shares.length > 0 ? shares : [{ variant: nothing, name: nothing, version: 0, share: 0 }];
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

async function history(
  read: Registry["read"],
  { endpoint, environment, name }: TrafficQuery,
): Promise<TrafficRecord[]> {
  let query = read.selectFrom("registry_deployments").selectAll();
  if (endpoint !== undefined) query = query.where("endpoint", "=", endpoint);
  if (environment !== undefined) query = query.where("environment", "=", environment);
  const ordered = query
    .orderBy("time_ms")
    .orderBy("environment")
    .orderBy("endpoint")
    .orderBy("change")
    .orderBy("variant");
  const records: TrafficRecord[] = [];
  for (const row of await ordered.execute()) {
    const share = { variant: row.variant, name: row.model, version: row.version, share: row.share };
    const last = records.at(-1);
    const isSame =
      last?.endpoint === row.endpoint && last.environment === row.environment && last.change === row.change;
    if (isSame) {
      records[records.length - 1] = { ...last, shares: [...last.shares, share] };
      continue;
    }
    records.push({
      endpoint: row.endpoint,
      environment: row.environment,
      change: row.change,
      shares: row.variant === nothing ? [] : [share],
      by: row.changed_by,
      reason: row.reason ?? undefined,
      outcome: row.outcome,
      timeMs: row.time_ms,
    });
  }
  return name === undefined ? records : records.filter((record, index) => concerns(records, index, record, name));
}

/** A change concerns a model where it has a share in it, or had one until then. */
function concerns(records: readonly TrafficRecord[], index: number, record: TrafficRecord, model: string): boolean {
  const has = ({ shares }: TrafficRecord): boolean => shares.some(({ name }) => name === model);
  if (has(record)) return true;
  const before = records
    .slice(0, index)
    .findLast((each) => each.endpoint === record.endpoint && each.environment === record.environment);
  return before !== undefined && has(before);
}
