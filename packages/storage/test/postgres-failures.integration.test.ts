import { readFile } from "node:fs/promises";
import { createManualClock } from "@millwright/contracts";
import { openEventLog, openLeaseStore, openPostgres, openRecordStore, type PostgresPool } from "@millwright/storage";
import pg from "pg";
import { afterAll, beforeAll, expect } from "vitest";
import { postgresEngine } from "./engines.ts";
import { nextSchema, notes, openNotes, upsert } from "./postgres-notes.ts";

// The server writes its log to the disk only when it is asked to.
const postgres = postgresEngine("fsync = off", "wal_writer_delay = 10s");

/** A pool that also outlives its connections: the server may end them before it has seen that they were closed. */
function openPool(config: pg.PoolConfig): pg.Pool {
  const made = new pg.Pool(config);
  made.on("error", () => {});
  return made;
}

let pool: pg.Pool;
beforeAll(() => {
  pool = openPool({ connectionString: postgres.server()?.url });
});
afterAll(() => pool.end());

postgres.test("a lock that another process holds for too long is a failure that may be tried again", async () => {
  const schema = nextSchema();
  await using holder = await openNotes(pool, schema);
  await using other = await openPostgres({ pool, schema, busyTimeoutMs: 50 });
  await using unlocked = await openPostgres({ pool, schema, busyTimeoutMs: 50 });
  const waiting = await holder.write(async ({ sql }) => {
    await sql.selectFrom("notes").selectAll().execute();
    return Promise.allSettled([
      other.write(async () => {}),
      openEventLog(other).append([{ source: "test", type: "run.logged", data: {} }]),
      // It needs no lock.
      openRecordStore(unlocked).write("a", 1),
    ]);
  });
  const busy = { status: "rejected", reason: { code: "STORAGE_DATABASE_BUSY", retryable: true } };
  expect(waiting).toMatchObject([busy, busy, { status: "fulfilled", value: 1 }]);
});

postgres.test("a write that asks nothing for too long is undone, and does not keep others from writing", async () => {
  const schema = nextSchema();
  await using database = await openNotes(pool, schema);
  await using slow = await openPostgres({ pool, schema, idleTimeoutMs: 1000 });
  let letGo = (): void => {};
  const asleep = new Promise<void>((resolve) => (letGo = resolve));
  let tell = (): void => {};
  const holds = new Promise<void>((resolve) => (tell = resolve));
  const sleeping = slow.write(async ({ sql }) => {
    await sql.insertInto("notes").values({ id: 1, text: "asleep" }).execute();
    tell();
    await asleep;
    await sql.insertInto("notes").values({ id: 2, text: "awake" }).execute();
  });
  // Looked at from the start: on a busy machine its first statement may be too late already.
  const ended = sleeping.catch((error: unknown) => error);
  // It has the lock; the other is kept waiting until the server takes it away.
  await Promise.race([holds, ended]);
  await database.write(({ sql }) => sql.insertInto("notes").values({ id: 3, text: "not kept waiting" }).execute());
  letGo();
  expect(await ended).toMatchObject({ code: "STORAGE_DATABASE_UNREACHABLE", retryable: true });
  expect(await notes(database)).toEqual([{ id: 3, text: "not kept waiting" }]);
  await slow.write(({ sql }) => sql.insertInto("notes").values({ id: 4, text: "goes on" }).execute());
});

interface LosingPool extends PostgresPool {
  /** Whether connections are lost from now on. */
  loses: boolean;
  end(): Promise<void>;
}

/** A pool whose connections are ended by the server right before or after it has done a commit, and before it has answered. */
function losingPool(when: "before" | "after"): LosingPool {
  const made = openPool({ connectionString: postgres.server().url });
  const losing: LosingPool = {
    loses: false,
    on: (event, listener) => made.on(event, listener),
    off: (event, listener) => made.off(event, listener),
    end: () => made.end(),
    async connect() {
      const client = await made.connect();
      return {
        on: (event, listener) => client.on(event, listener),
        off: (event, listener) => client.off(event, listener),
        release: (destroy) => client.release(destroy),
        async query(statement) {
          if (!losing.loses || !/\bcommit$/.test(statement.text)) return client.query(statement);
          const { rows } = await client.query<{ readonly pid: number }>("select pg_backend_pid() as pid");
          if (when === "after") await client.query(statement);
          await pool.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
          await new Promise((resolve) => setTimeout(resolve, 50));
          return client.query(statement);
        },
      };
    },
  };
  return losing;
}

postgres.test("a commit whose answer was lost is told as unknown, whether it was done or not", async () => {
  for (const [when, kept] of [
    ["before", 0],
    ["after", 2],
  ] as const) {
    const schema = nextSchema();
    await using database = await openNotes(pool, schema);
    const losing = losingPool(when);
    await using other = await openPostgres({ pool: losing, schema });
    losing.loses = true;
    const settled = await Promise.allSettled([
      other.write(({ sql }) => sql.insertInto("notes").values({ id: 1, text: when }).execute()),
      other.writeBatch([{ sql: upsert, parameters: [2, when] }]),
    ]);
    const unknown = {
      status: "rejected",
      reason: { code: "STORAGE_COMMIT_UNKNOWN", retryable: false, category: "transient" },
    };
    expect(settled).toMatchObject([unknown, unknown]);
    expect(await notes(database)).toHaveLength(kept);
    losing.loses = false;
    await other.writeBatch([{ sql: upsert, parameters: [3, "goes on"] }]);
    await losing.end();
  }
});

postgres.test("a connection that is lost in the moment in which it is lent does not end the process", async () => {
  const made = openPool({ connectionString: postgres.server().url });
  let lost = 0;
  // What the server says last may come with what it says first: then nobody who was lent the connection listens yet.
  const lends: PostgresPool = {
    on: (event, listener) => made.on(event, listener),
    off: (event, listener) => made.off(event, listener),
    connect: () =>
      new Promise((resolve, reject) => {
        made.connect((error, client) => {
          if (client === undefined) return reject(error);
          try {
            // Throws where nobody listens.
            if (lost === 0) client.emit("error", new Error("terminating connection due to unexpected postmaster exit"));
            lost += 1;
            resolve(client);
          } catch (unheard) {
            reject(unheard);
          }
        });
      }),
  };
  await using database = await openNotes(lends);
  await database.write(({ sql }) => sql.insertInto("notes").values({ id: 1, text: "goes on" }).execute());
  expect(lost).toBeGreaterThan(0);
  expect(await notes(database)).toEqual([{ id: 1, text: "goes on" }]);
  await database[Symbol.asyncDispose]();
  await made.end();
});

postgres.test("sync waits until what was acknowledged before is on the server's disk", async () => {
  await using database = await openNotes(pool);
  const isFlushed = async (position: unknown): Promise<unknown> =>
    (await pool.query("select pg_current_wal_flush_lsn() >= $1::pg_lsn as done", [position])).rows[0]?.done;
  // Ten seconds is the longest that the server's own writer may be told to wait: it must not come between.
  const writers = await pool.query("select pid from pg_stat_activity where backend_type = 'walwriter'");
  const pid = Number(writers.rows[0]?.pid);
  process.kill(pid, "SIGSTOP");
  try {
    for (let id = 0; id < 3; id += 1) {
      await database.writeBatch([{ sql: upsert, parameters: [id, "not yet"] }], { durability: "normal" });
      const { rows } = await pool.query("select pg_current_wal_insert_lsn() as position");
      expect(await isFlushed(rows[0]?.position)).toBe(false);
      await database.sync();
      expect(await isFlushed(rows[0]?.position)).toBe(true);
    }
  } finally {
    process.kill(pid, "SIGCONT");
  }
});

postgres.test("a clock that stands still holds up no write", async () => {
  const clock = createManualClock(0);
  await using database = await openPostgres({ pool, schema: nextSchema(), clock });
  const records = openRecordStore(database);
  await Promise.all(Array.from({ length: 300 }, (_, index) => records.write(`${index}`, index)));
  await Promise.all(
    Array.from({ length: 100 }, () =>
      database.write(async ({ emit }) => emit({ source: "test", type: "run.logged", data: {} })),
    ),
  );
  expect(await openEventLog(database).verify()).toMatchObject({ records: 100, broken: undefined });
});

postgres.test(
  "CT-13: tables of format 1, the one released, open, and those of a later format are refused and left as they are",
  async () => {
    const schema = nextSchema();
    const script = await readFile(new URL("fixtures/postgres-format-1.sql", import.meta.url), "utf8");
    const client = await pool.connect();
    await client.query(`create schema ${schema}; set search_path to ${schema}; ${script}`);
    client.release(true);
    {
      await using database = await openPostgres({ pool, schema });
      expect(await openRecordStore(database).read("golden")).toEqual({
        key: "golden",
        value: { kept: [1] },
        version: 2,
      });
      expect(await openEventLog(database).verify()).toEqual({
        records: 2,
        head: { cursor: 2, hash: "65ccea454429d318173cc16befdf9eb7218a0a24660866df635bfe60324b2d4b" },
        broken: undefined,
      });
      const golden = { name: "001", up: async () => {}, down: async () => {} };
      expect(await database.migrate("golden", [golden])).toEqual([]);
      expect(await database.revert("golden", [golden])).toEqual(["001"]);
      expect((await openLeaseStore(database).acquire("golden", 1000))?.fence).toBe(2);
    }
    await pool.query(`update ${schema}.millwright_format set version = 2`);
    const opening = openPostgres({ pool, schema });
    await expect(opening).rejects.toMatchObject({ code: "STORAGE_FORMAT_NEWER", category: "user" });
    await expect(opening).rejects.toThrow("formatVersion 2");
    const { rows } = await pool.query(`select count(*)::int as count from ${schema}.millwright_events`);
    expect(rows).toEqual([{ count: 2 }]);
  },
);

postgres.test("a server that is away is told, with what to do; so is one that does not know the database", async () => {
  const away = openPool({ host: "127.0.0.1", port: 1 });
  await expect(openPostgres({ pool: away })).rejects.toMatchObject({
    code: "STORAGE_DATABASE_UNREACHABLE",
    retryable: true,
  });
  const elsewhere = openPool({ connectionString: postgres.server().url.replace(/\w+$/, "nowhere") });
  await expect(openPostgres({ pool: elsewhere })).rejects.toMatchObject({
    code: "STORAGE_DATABASE_UNREACHABLE",
    category: "user",
    retryable: false,
  });
  const latin = `latin_${process.pid}`;
  await pool.query(`create database ${latin} encoding 'LATIN1' template template0 locale 'C'`);
  const other = openPool({ connectionString: postgres.server().url.replace(/\w+$/, latin) });
  await expect(openPostgres({ pool: other })).rejects.toMatchObject({ code: "STORAGE_SERVER_UNSUPPORTED" });
  await Promise.all([away.end(), elsewhere.end(), other.end()]);
});
