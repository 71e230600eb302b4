import type { CallOptions, EventDraft } from "@millwright/contracts";
import type { Database, Migration } from "@millwright/storage";
import type { AsyncOutcome, JobRow } from "./async-job.ts";

const table = "millwright_serving_async";
const workerTable = "millwright_serving_async_workers";

const migrations: readonly Migration[] = [
  {
    name: "001-queue",
    up: async (sql) => {
      await sql.schema
        .createTable(table)
        .addColumn("id", "text", (column) => column.primaryKey().notNull())
        .addColumn("endpoint", "text", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("priority", "integer", (column) => column.notNull())
        .addColumn("submitted_ms", "integer", (column) => column.notNull())
        .addColumn("available_ms", "integer", (column) => column.notNull())
        .addColumn("expires_ms", "integer", (column) => column.notNull())
        .addColumn("attempts", "integer", (column) => column.notNull())
        .addColumn("fence", "integer", (column) => column.notNull())
        .addColumn("lease_ms", "integer", (column) => column.notNull())
        .addColumn("fingerprint", "text", (column) => column.notNull())
        .addColumn("spec", "text", (column) => column.notNull())
        .addColumn("outcome", "text")
        .addColumn("started_ms", "integer")
        .addColumn("ended_ms", "integer")
        .addColumn("notification_id", "text")
        .addColumn("notified", "integer", (column) => column.notNull())
        .addColumn("notify_ms", "integer", (column) => column.notNull())
        .execute();
      await sql.schema
        .createIndex(`${table}_turn`)
        .on(table)
        .columns(["endpoint", "state", "priority", "submitted_ms"])
        .execute();
      await sql.schema
        .createTable(workerTable)
        .addColumn("worker", "text", (column) => column.notNull())
        .addColumn("endpoint", "text", (column) => column.notNull())
        .addColumn("until_ms", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint(`${workerTable}_key`, ["worker", "endpoint"])
        .execute();
    },
    down: async (sql) => {
      await sql.schema.dropTable(workerTable).execute();
      await sql.schema.dropTable(table).execute();
    },
  },
];

interface Tables {
  readonly millwright_serving_async: JobRow;
  readonly millwright_serving_async_workers: { worker: string; endpoint: string; until_ms: number };
}

/** Ready for whoever has time: it waits and its time has come, or whoever had it has been silent for too long. */
const ready = "((state = 'waiting' and available_ms <= ?1) or (state in ('running', 'publishing') and lease_ms <= ?1))";
// The condition stands outside as well: PostgreSQL looks at it again where another process was faster.
const claimSql = `update ${table} set fence = fence + 1, lease_ms = ?2, started_ms = coalesce(started_ms, ?1),
attempts = case when state = 'publishing' then attempts else attempts + 1 end,
state = case when state = 'publishing' then state else 'running' end
where ${ready} and id = (select id from ${table} where endpoint = ?3 and ${ready}
order by priority desc, submitted_ms, id limit 1) returning *`;
const renewSql = `update ${table} set lease_ms = ?1 where id = ?2 and fence = ?3 and state in ('running', 'publishing') returning id`;
const settleSql = `update ${table} set state = 'publishing', outcome = ?1, lease_ms = ?2
where id = ?3 and fence = ?4 and state = 'running' returning id`;
const returnSql = `update ${table} set state = 'waiting', available_ms = ?1, attempts = ?2, outcome = ?3
where id = ?4 and fence = ?5 and state = 'running' returning id`;
const beatSql = `insert into ${workerTable} (worker, endpoint, until_ms) values (?1, ?2, ?3)
on conflict (worker, endpoint) do update set until_ms = excluded.until_ms`;
const notifySql = `update ${table} set notify_ms = ?2 where notified = 0 and notify_ms <= ?1 and ended_ms is not null
and id = (select id from ${table} where notified = 0 and notify_ms <= ?1 and ended_ms is not null order by ended_ms, id limit 1) returning *`;

/** What a worker holds a row by. */
export interface Claim {
  readonly id: string;
  readonly fence: number;
}

export interface Backlog {
  readonly waiting: number;
  readonly oldestMs: number | undefined;
  readonly running: number;
  readonly instances: number;
}

/** The queue in its tables. Each change is one statement, or one transaction with its event. */
export interface JobTable {
  /** @returns the row there is, where the id is taken. */
  insert(row: JobRow, options?: CallOptions): Promise<JobRow | undefined>;
  find(id: string, options?: CallOptions): Promise<JobRow | undefined>;
  page(
    asked: {
      readonly endpoint?: string | undefined;
      readonly states?: readonly string[] | undefined;
      readonly after?: string | undefined;
      readonly limit: number;
    },
    options?: CallOptions,
  ): Promise<readonly JobRow[]>;
  /** Takes the next that is ready, for so long. */
  claim(endpoint: string, nowMs: number, leaseMs: number): Promise<JobRow | undefined>;
  /** @returns whether it is still held. */
  renew(claim: Claim, untilMs: number): Promise<boolean>;
  /** From here on nobody works at it again. @returns whether it was still held. */
  settle(claim: Claim, outcome: AsyncOutcome, untilMs: number): Promise<boolean>;
  /** Back into the queue. @returns whether it was still held. */
  giveBack(
    claim: Claim,
    next: { readonly availableMs: number; readonly attempts: number; readonly outcome: AsyncOutcome },
  ): Promise<boolean>;
  /** Ends it with an event. @param from The states it may be in. @param fence Default: whoever holds it. @returns `undefined` where it is in none. */
  end(
    id: string,
    change: {
      readonly state: JobRow["state"];
      readonly from: readonly JobRow["state"][];
      readonly fence?: number | undefined;
      readonly outcome: AsyncOutcome;
      readonly nowMs: number;
    },
    eventOf: (row: JobRow) => EventDraft,
    options?: CallOptions,
  ): Promise<JobRow | undefined>;
  /** Back into the queue as if it were new. @returns the row, where it was in one of the states. */
  redrive(
    id: string,
    from: readonly string[],
    times: { readonly nowMs: number; readonly expiresMs: number },
    options?: CallOptions,
  ): Promise<JobRow | undefined>;
  beat(worker: string, endpoint: string, untilMs: number): Promise<void>;
  leave(worker: string): Promise<void>;
  backlog(endpoint: string, nowMs: number, options?: CallOptions): Promise<Backlog>;
  /** The next whose end nobody was told of; it comes again at `againMs`. */
  nextToNotify(nowMs: number, againMs: number): Promise<JobRow | undefined>;
  notified(id: string, notificationId: string): Promise<void>;
  /** Nobody took it: it comes again then. */
  postpone(id: string, notificationId: string, untilMs: number): Promise<void>;
  /** Takes away what ended before, some at a time. @returns the rows. */
  forget(beforeMs: number): Promise<readonly JobRow[]>;
}

/** @param database Whose tables are made where they are not there. */
export async function openJobTable(database: Database, options: CallOptions = {}): Promise<JobTable> {
  await database.migrate("serving-async", migrations, options);
  const typed = database.typed<Tables>();
  const run: Run = async (sql, parameters) => {
    const { results } = await database.writeBatch([{ sql, parameters: [...parameters] as never }]);
    return (results[0]?.rows ?? []) as unknown as readonly JobRow[];
  };
  return { ...reading(typed), ...changing(typed), ...working(typed, run), ...telling(typed, run) };
}

type Run = (sql: string, parameters: readonly unknown[]) => Promise<readonly JobRow[]>;

function changing(typed: Database<Tables>): Pick<JobTable, "insert" | "end" | "redrive"> {
  return {
    insert: (row, given) =>
      typed.write(async ({ sql }) => {
        const there = await sql.selectFrom(table).selectAll().where("id", "=", row.id).executeTakeFirst();
        if (there !== undefined) return there;
        await sql.insertInto(table).values(row).execute();
        return undefined;
      }, given),
    end: (id, { state, from, fence, outcome, nowMs }, eventOf, given) =>
      typed.write(async ({ sql, emit }) => {
        const row = await sql.selectFrom(table).selectAll().where("id", "=", id).executeTakeFirst();
        if (row === undefined || !from.includes(row.state) || (fence !== undefined && row.fence !== fence))
          return undefined;
        const ended: JobRow = { ...row, state, outcome: JSON.stringify(outcome), ended_ms: nowMs, notified: 0 };
        const { event } = await emit(eventOf(ended));
        const values = { state, outcome: ended.outcome, ended_ms: nowMs, notified: 0, notify_ms: 0 };
        // The fence goes up where it is taken from whoever works at it.
        const changed = {
          ...values,
          notification_id: event.id as string,
          fence: row.fence + (fence === undefined ? 1 : 0),
        };
        await sql.updateTable(table).set(changed).where("id", "=", id).execute();
        return { ...ended, ...changed };
      }, given),
    redrive: (id, from, { nowMs, expiresMs }, given) =>
      typed.write(async ({ sql }) => {
        const row = await sql.selectFrom(table).selectAll().where("id", "=", id).executeTakeFirst();
        if (row === undefined || !from.includes(row.state)) return undefined;
        const changed = {
          state: "waiting" as const,
          attempts: 0,
          available_ms: nowMs,
          expires_ms: expiresMs,
          outcome: null,
          started_ms: null,
          ended_ms: null,
          notification_id: null,
          notified: 0,
          notify_ms: 0,
        };
        await sql.updateTable(table).set(changed).where("id", "=", id).execute();
        return { ...row, ...changed };
      }, given),
  };
}

function working(typed: Database<Tables>, run: Run): Pick<JobTable, "claim" | "renew" | "settle" | "giveBack"> {
  return {
    async claim(endpoint, nowMs, leaseMs) {
      const found = await typed.read
        .selectFrom(table)
        .select("id")
        .where("endpoint", "=", endpoint)
        .where((each) =>
          each.or([
            each.and([each("state", "=", "waiting"), each("available_ms", "<=", nowMs)]),
            each.and([each("state", "in", ["running", "publishing"]), each("lease_ms", "<=", nowMs)]),
          ]),
        )
        .limit(1)
        .executeTakeFirst();
      if (found === undefined) return undefined;
      return (await run(claimSql, [nowMs, nowMs + leaseMs, endpoint]))[0];
    },
    renew: async ({ id, fence }, untilMs) => (await run(renewSql, [untilMs, id, fence])).length > 0,
    settle: async ({ id, fence }, outcome, untilMs) =>
      (await run(settleSql, [JSON.stringify(outcome), untilMs, id, fence])).length > 0,
    giveBack: async ({ id, fence }, { availableMs, attempts, outcome }) =>
      (await run(returnSql, [availableMs, attempts, JSON.stringify(outcome), id, fence])).length > 0,
  };
}

function telling(
  typed: Database<Tables>,
  run: Run,
): Pick<JobTable, "beat" | "leave" | "nextToNotify" | "notified" | "postpone" | "forget"> {
  return {
    async beat(worker, endpoint, untilMs) {
      await run(beatSql, [worker, endpoint, untilMs]);
    },
    async leave(worker) {
      await run(`delete from ${workerTable} where worker = ?1`, [worker]);
    },
    async nextToNotify(nowMs, againMs) {
      const found = await typed.read
        .selectFrom(table)
        .select("id")
        .where("notified", "=", 0)
        .where("ended_ms", "is not", null)
        .where("notify_ms", "<=", nowMs)
        .limit(1)
        .executeTakeFirst();
      return found === undefined ? undefined : (await run(notifySql, [nowMs, againMs]))[0];
    },
    async notified(id, notificationId) {
      await run(`update ${table} set notified = 1 where id = ?1 and notification_id = ?2`, [id, notificationId]);
    },
    async postpone(id, notificationId, untilMs) {
      await run(`update ${table} set notify_ms = ?3 where id = ?1 and notification_id = ?2`, [
        id,
        notificationId,
        untilMs,
      ]);
    },
    forget: (beforeMs) =>
      run(`delete from ${table} where id in (select id from ${table} where ended_ms <= ?1 limit 100) returning *`, [
        beforeMs,
      ]),
  };
}

function reading(typed: Database<Tables>): Pick<JobTable, "find" | "page" | "backlog"> {
  return {
    async find(id, { signal } = {}) {
      signal?.throwIfAborted();
      return typed.read.selectFrom(table).selectAll().where("id", "=", id).executeTakeFirst();
    },
    async page({ endpoint, states, after, limit }, { signal } = {}) {
      signal?.throwIfAborted();
      let query = typed.read.selectFrom(table).selectAll().orderBy("id").limit(limit);
      if (endpoint !== undefined) query = query.where("endpoint", "=", endpoint);
      if (states !== undefined) query = query.where("state", "in", states as readonly JobRow["state"][]);
      if (after !== undefined) query = query.where("id", ">", after);
      return query.execute();
    },
    async backlog(endpoint, nowMs, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = await typed.read
        .selectFrom(table)
        .select(({ fn }) => ["state", fn.countAll().as("found"), fn.min("submitted_ms").as("oldest")])
        .where("endpoint", "=", endpoint)
        .where("state", "in", ["waiting", "running", "publishing"])
        .groupBy("state")
        .execute();
      const workers = await typed.read
        .selectFrom(workerTable)
        .select(({ fn }) => [fn.countAll().as("found")])
        .where("endpoint", "=", endpoint)
        .where("until_ms", ">", nowMs)
        .executeTakeFirst();
      const waiting = rows.find(({ state }) => state === "waiting");
      const running = rows
        .filter(({ state }) => state !== "waiting")
        .reduce((sum, { found }) => sum + Number(found), 0);
      return {
        waiting: Number(waiting?.found ?? 0),
        oldestMs: waiting === undefined ? undefined : Number(waiting.oldest),
        running,
        instances: Number(workers?.found ?? 0),
      };
    },
  };
}
