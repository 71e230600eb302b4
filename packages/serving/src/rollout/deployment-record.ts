import type {
  CallOptions,
  DeploymentState,
  DeploymentStatus,
  EventDraft,
  EventId,
  EventLog,
  JsonValue,
  MillwrightEvent,
} from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import type { ServingDeploymentPlan } from "../canary/verdict-plan.ts";
import { deploymentNewer } from "../errors.ts";

/** The last deployment of an endpoint, as it is kept. */
export interface DeploymentRecord {
  readonly formatVersion: 1;
  readonly endpoint: string;
  readonly deploymentId: string;
  readonly plan: ServingDeploymentPlan;
  readonly state: DeploymentState;
  /** Share of the traffic the candidate has, in [0, 1]. */
  readonly share: number;
  /** The variant that is replaced, and the model it had before this deployment. */
  readonly variant: string;
  readonly before: string;
  /** The model the configuration named then: another one in the configuration makes this record obsolete. */
  readonly configured: string;
  /** Digest of the candidate: an alias that moves meanwhile is not what was asked for. */
  readonly digest?: string | undefined;
  readonly reason?: string | undefined;
  /** What the reason rests on. */
  readonly evidence?: JsonValue | undefined;
  /** When the deployment began. */
  readonly startedMs: number;
  /** When it came into this state and share. */
  readonly sinceMs: number;
  /** The event that told of this state: the cause of the next. */
  readonly eventId?: EventId | undefined;
}

/** Counted up by every change: whoever decides on an old one is refused. */
export interface KeptRecord {
  readonly revision: number;
  readonly record: DeploymentRecord;
}

/** Keeps the last deployment of each endpoint, and tells of each change in the event log. */
export interface DeploymentStore {
  read(endpoint: string, options?: CallOptions): Promise<KeptRecord | undefined>;
  /** @param revision The revision it was decided on; 0 for none. @returns `undefined` where there is a newer one. */
  write(revision: number, record: DeploymentRecord, event: EventDraft): Promise<KeptRecord | undefined>;
  /** Tells of an endpoint the first time that it is opened: once for the store, whichever process opens it. */
  create(endpoint: string, event: EventDraft): Promise<void>;
  /** Tells of the end of an endpoint, where it does not outlive the server. */
  remove(endpoint: string): Promise<void>;
}

/** Keeps them as long as the process lives. */
export function memoryDeploymentStore(events: EventLog | undefined): DeploymentStore {
  const kept = new Map<string, KeptRecord>();
  const created = new Map<string, EventId>();
  return {
    async read(endpoint, { signal } = {}) {
      signal?.throwIfAborted();
      return kept.get(endpoint);
    },
    async write(revision, record, event) {
      if ((kept.get(record.endpoint)?.revision ?? 0) !== revision) return undefined;
      const next: KeptRecord = { revision: revision + 1, record };
      kept.set(record.endpoint, next);
      const [logged] = (await events?.append([event])) ?? [];
      if (logged === undefined) return next;
      const told = { revision: next.revision, record: { ...record, eventId: logged.event.id } };
      if (kept.get(record.endpoint) === next) kept.set(record.endpoint, told);
      return told;
    },
    async create(endpoint, event) {
      const [logged] = (await events?.append([event])) ?? [];
      if (logged !== undefined) created.set(endpoint, logged.event.id);
    },
    async remove(endpoint) {
      const causationid = kept.get(endpoint)?.record.eventId ?? created.get(endpoint);
      if (created.delete(endpoint)) await events?.append([endpointDeleted(endpoint, causationid)]);
    },
  };
}

const table = "millwright_serving_deployments";

const migrations: readonly Migration[] = [
  {
    name: "001-deployments",
    up: async (sql) => {
      await sql.schema
        .createTable(table)
        .addColumn("endpoint", "text", (column) => column.primaryKey().notNull())
        .addColumn("revision", "integer", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(table).execute();
    },
  },
  {
    name: "002-endpoints",
    up: async (sql) => {
      await sql.schema
        .createTable(endpointTable)
        .addColumn("endpoint", "text", (column) => column.primaryKey().notNull())
        .execute();
      // Endpoints that were deployed to before are not new.
      await sql
        .insertInto(endpointTable)
        .columns(["endpoint"])
        .expression(sql.selectFrom(table).select("endpoint"))
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(endpointTable).execute();
    },
  },
];

const endpointTable = "millwright_serving_endpoints";

interface Tables {
  readonly millwright_serving_endpoints: { endpoint: string };
  readonly millwright_serving_deployments: { endpoint: string; revision: number; body: string };
}

/** Keeps them in a database, each change in one transaction with its event. */
export async function openDatabaseDeploymentStore(
  database: Database,
  options: CallOptions = {},
): Promise<DeploymentStore> {
  await database.migrate("serving", migrations, options);
  const typed = database.typed<Tables>();
  return {
    async read(endpoint, { signal } = {}) {
      signal?.throwIfAborted();
      const row = await typed.read.selectFrom(table).selectAll().where("endpoint", "=", endpoint).executeTakeFirst();
      return row === undefined ? undefined : { revision: row.revision, record: parseRecord(endpoint, row.body) };
    },
    write: (revision, record, event) =>
      typed.write(async ({ sql, emit }) => {
        const row = await sql
          .selectFrom(table)
          .select("revision")
          .where("endpoint", "=", record.endpoint)
          .executeTakeFirst();
        if ((row?.revision ?? 0) !== revision) return undefined;
        const logged: { readonly event: MillwrightEvent } = await emit(event);
        const told: DeploymentRecord = { ...record, eventId: logged.event.id };
        const values = { endpoint: record.endpoint, revision: revision + 1, body: JSON.stringify(told) };
        await sql
          .insertInto(table)
          .values(values)
          .onConflict((conflict) =>
            conflict.column("endpoint").doUpdateSet({ revision: values.revision, body: values.body }),
          )
          .execute();
        return { revision: values.revision, record: told };
      }),
    create: (endpoint, event) =>
      typed.write(async ({ sql, emit }) => {
        const known = sql.selectFrom(endpointTable).select("endpoint").where("endpoint", "=", endpoint);
        if ((await known.executeTakeFirst()) !== undefined) return;
        await sql.insertInto(endpointTable).values({ endpoint }).execute();
        await emit(event);
      }),
    // It is the database's: another server may open it.
    remove: async () => {},
  };
}

/** Throws `SERVING_DEPLOYMENT_NEWER`. */
function parseRecord(endpoint: string, body: string): DeploymentRecord {
  const record = JSON.parse(body) as DeploymentRecord;
  const version: number = record.formatVersion;
  if (version !== 1) throw deploymentNewer(endpoint, version);
  return record;
}

export const isRunning = ({ state }: DeploymentRecord): boolean =>
  state === "deploying" || state === "baking" || state === "rolling-back";

/** The record as the port tells it. */
export function statusOf(record: DeploymentRecord): DeploymentStatus {
  const { endpoint, deploymentId, state, variant, before, plan, share, reason, evidence, sinceMs } = record;
  const old = { name: variant, model: before, weight: 1 - share };
  const candidate = { name: "candidate", model: plan.model, weight: share };
  const variants =
    state === "completed"
      ? [{ name: variant, model: plan.model, weight: 1 }]
      : isRunning(record)
        ? [old, candidate]
        : [{ ...old, weight: 1 }];
  return {
    endpoint,
    deploymentId,
    state,
    variants,
    ...(reason === undefined ? {} : { reason }),
    ...(evidence === undefined ? {} : { evidence }),
    ...(isUnguarded(plan) ? { unguarded: true } : {}),
    sinceMs,
  };
}

/** Whether nothing would roll a deployment back by itself. */
export const isUnguarded = ({ rollbackOn = [], verdict }: ServingDeploymentPlan): boolean =>
  rollbackOn.length === 0 && verdict === undefined;

const source = "millwright/serving";

const causedBy = (causationid: EventId | undefined): Pick<EventDraft, "causationid"> =>
  causationid === undefined ? {} : { causationid };

/** A variant as the event of a new endpoint tells it. */
export interface ToldVariant {
  readonly name: string;
  readonly model: string;
  readonly digest: string;
  readonly weight: number;
}

/** @param cause What made the model of its first variant one to be served. */
export function endpointCreated(
  endpoint: string,
  variants: readonly ToldVariant[],
  cause: EventId | undefined,
): EventDraft {
  return {
    source,
    type: "deployment.endpoint-created",
    subject: endpoint,
    ...causedBy(cause),
    data: {
      variants: variants.map(({ name, model, weight }) => ({ name, model, weight })),
      made: [{ kind: "endpoint", id: endpoint }],
      from: variants.map(({ model, digest }) => ({ kind: "model", id: digest, name: model })),
    },
  };
}

const endpointDeleted = (endpoint: string, cause: EventId | undefined): EventDraft => ({
  source,
  type: "deployment.endpoint-deleted",
  subject: endpoint,
  ...causedBy(cause),
  data: {},
});

/**
 * What the log is told of a record.
 * @param cause Default: the event of the state before.
 */
export function eventOf(
  record: DeploymentRecord,
  type: "started" | "baking" | "completed" | "rolled-back" | "failed",
  cause: EventId | undefined = record.eventId,
): EventDraft {
  const { endpoint, deploymentId, plan, share, reason, evidence, before, digest, variant } = record;
  return {
    source,
    type: `deployment.${type}`,
    subject: endpoint,
    ...causedBy(cause),
    data: {
      deploymentId,
      variant,
      share,
      traffic: plan.traffic,
      before,
      ...(reason === undefined ? {} : { reason }),
      ...(evidence === undefined ? {} : { evidence }),
      ...(isUnguarded(plan) ? { unguarded: true } : {}),
      made: [{ kind: "endpoint", id: endpoint }],
      model: plan.model,
      // By digest or not at all: a reference may mean another model tomorrow.
      from: digest === undefined ? [] : [{ kind: "model", id: digest, name: plan.model }],
    },
  };
}
