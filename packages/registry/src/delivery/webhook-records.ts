import type { CallOptions, Clock } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";

type Scope = WriteScope<RegistryTables>;

/** How far a webhook has come. */
export interface WebhookState {
  /** The last event that is done with; it goes on after it. */
  readonly cursor: number;
  /** Events its receiver took. */
  readonly delivered: number;
  /** Cursors of events that no attempt could deliver, in order. */
  readonly undelivered: readonly number[];
  /** The receiver answered 410: nothing is sent until `replay`. */
  readonly ended: boolean;
  /** How often it was rewound. */
  readonly rewinds: number;
}

/** How an event was done with. `gone`: its receiver wants no more. `undelivered`: every attempt failed. `skipped`: it is none for the receiver. */
export type DeliveryOutcome = "delivered" | "undelivered" | "gone" | "skipped";

/** How far a webhook has come with one event, or with several that were delivered or skipped. */
export interface DeliveryStep {
  /** Of the last event. */
  readonly cursor: number;
  /** Of the last event. */
  readonly outcome: DeliveryOutcome;
  /** Events that were delivered since the step before. */
  readonly delivered: number;
}

export interface WebhookRecords {
  /** Begins at the first event or at the end of the log, where the webhook is new. */
  begin(id: string, at: "first" | "end", options?: CallOptions): Promise<void>;
  state(id: string): Promise<WebhookState>;
  /** @returns false where the webhook was rewound meanwhile: then nothing changed. */
  advance(id: string, rewinds: number, step: DeliveryStep): Promise<boolean>;
  rewind(id: string, cursor: number, options?: CallOptions): Promise<void>;
}

export function createWebhookRecords(database: Database<RegistryTables>, clock: Clock): WebhookRecords {
  return {
    begin: (id, at, options) => begin(database, { id, at, nowMs: clock.nowMs() }, options),
    state: (id) => readState(database, id),
    advance: (id, rewinds, step) =>
      database.write((scope) => advance(scope, { ...step, id, rewinds, nowMs: clock.nowMs() })),
    rewind: (id, cursor, { signal } = {}) =>
      database.write((scope) => rewind(scope, id, cursor, clock.nowMs()), { signal }),
  };
}

async function begin(
  database: Database<RegistryTables>,
  { id, at, nowMs }: { readonly id: string; readonly at: "first" | "end"; readonly nowMs: number },
  { signal }: CallOptions = {},
): Promise<void> {
  await database.write(
    async ({ sql }) => {
      const there = sql.selectFrom("registry_webhooks").select("id").where("id", "=", id);
      if ((await there.executeTakeFirst()) !== undefined) return;
      const last = await sql
        .selectFrom("millwright_events")
        .select(({ fn }) => fn.max("cursor").as("cursor"))
        .executeTakeFirst();
      const row = {
        id,
        cursor: at === "end" ? (last?.cursor ?? 0) : 0,
        delivered: 0,
        ended: 0,
        rewinds: 0,
        updated_ms: nowMs,
      };
      await sql.insertInto("registry_webhooks").values(row).execute();
    },
    { signal },
  );
}

async function readState({ read }: Database<RegistryTables>, id: string): Promise<WebhookState> {
  const row = await read.selectFrom("registry_webhooks").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  const undelivered = await read
    .selectFrom("registry_undelivered")
    .select("cursor")
    .where("webhook", "=", id)
    .orderBy("cursor")
    .execute();
  const { cursor, delivered, ended, rewinds } = row;
  return { cursor, delivered, ended: ended === 1, rewinds, undelivered: undelivered.map((each) => each.cursor) };
}

interface Step extends DeliveryStep {
  readonly id: string;
  readonly rewinds: number;
  readonly nowMs: number;
}

async function advance({ sql }: Scope, { id, rewinds, cursor, outcome, delivered, nowMs }: Step): Promise<boolean> {
  const changed = await sql
    .updateTable("registry_webhooks")
    .set(({ eb }) => ({
      // What its receiver is gone for is sent again when it comes back.
      ...(outcome === "gone" ? { ended: 1 } : { cursor }),
      delivered: eb("delivered", "+", delivered),
      updated_ms: nowMs,
    }))
    .where("id", "=", id)
    .where("rewinds", "=", rewinds)
    .executeTakeFirst();
  if (changed.numUpdatedRows === 0n) return false;
  if (outcome === "undelivered")
    await sql.insertInto("registry_undelivered").values({ webhook: id, cursor, time_ms: nowMs }).execute();
  return true;
}

async function rewind({ sql }: Scope, id: string, cursor: number, nowMs: number): Promise<void> {
  await sql
    .updateTable("registry_webhooks")
    .set(({ eb }) => ({ cursor, ended: 0, rewinds: eb("rewinds", "+", 1), updated_ms: nowMs }))
    .where("id", "=", id)
    .execute();
  await sql.deleteFrom("registry_undelivered").where("webhook", "=", id).where("cursor", ">", cursor).execute();
}
