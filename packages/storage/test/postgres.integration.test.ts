import { hasCode } from "@millwright/contracts";
import { openEventLog, openPostgres, type PostgresPool } from "@millwright/storage";
import pg from "pg";
import { afterAll, beforeAll, expect, expectTypeOf, test } from "vitest";
import { postgresEngine } from "./engines.ts";
import { nextSchema, notes, openNotes, upsert } from "./postgres-notes.ts";

const postgres = postgresEngine("fsync = off", "deadlock_timeout = 50ms");

let pool: pg.Pool;
beforeAll(() => {
  pool = new pg.Pool({ connectionString: postgres.server()?.url });
  pool.on("error", () => {});
});
afterAll(() => pool.end());

test("the pool of pg has what the driver declares of it", () => {
  expectTypeOf<pg.Pool>().toExtend<PostgresPool>();
});

test("an object that is no pool, a pool of one and what is no name of a schema are refused", async () => {
  const refuse = (options: object) => openPostgres(options as Parameters<typeof openPostgres>[0]);
  await expect(refuse({ pool: {} })).rejects.toThrow("none of `pg`");
  await expect(refuse({ pool: new pg.Pool({ max: 1 }) })).rejects.toThrow("two connections");
  for (const schema of ["", "a\0b", "ä".repeat(32)])
    await expect(refuse({ pool: new pg.Pool(), schema })).rejects.toThrow(RangeError);
});

postgres.test("tables get the types that hold what SQLite's hold", async () => {
  await using database = await openPostgres({ pool, schema: nextSchema() });
  await database.write(({ sql }) =>
    sql.schema
      .createTable("kinds")
      .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
      .addColumn("count", "integer", (column) => column.notNull().defaultTo(0))
      .addColumn("share", "real")
      .addColumn("name", "text", (column) => column.notNull().unique())
      .addColumn("bytes", "blob")
      .execute(),
  );
  const columns = await database.read
    .selectFrom("information_schema.columns")
    .select(["column_name", "data_type", "collation_name", "is_identity"])
    .where("table_schema", "=", database.path.split("/")[1] ?? "")
    .where("table_name", "=", "kinds")
    .orderBy("ordinal_position")
    .execute();
  expect(columns.map((column) => Object.values(column))).toEqual([
    ["id", "bigint", null, "YES"],
    ["count", "bigint", null, "NO"],
    ["share", "double precision", null, "NO"],
    ["name", "text", "C", "NO"],
    ["bytes", "bytea", null, "NO"],
  ]);
});

postgres.test(
  "a write whose callback catches a failed statement fails with it, and the writes beside it are kept",
  async () => {
    await using database = await openNotes(pool);
    const caught = database.write(async ({ sql }) => {
      await sql.insertInto("notes").values({ id: 1, text: "first" }).execute();
      await sql
        .insertInto("notes")
        .values({ id: 1, text: "again" })
        .execute()
        .catch(() => {});
      return "done";
    });
    const beside = database.write(({ sql }) => sql.insertInto("notes").values({ id: 2, text: "beside" }).execute());
    await expect(caught).rejects.toMatchObject({ code: "STORAGE_CONSTRAINT_VIOLATED" });
    await beside;
    expect(await notes(database)).toEqual([{ id: 2, text: "beside" }]);
  },
);

postgres.test(
  "a hundred thousand rows go in one batch, and of those that meet in one row the last counts",
  async () => {
    await using database = await openNotes(pool);
    const rows = Array.from({ length: 100_000 }, (_, id) => [id, `note ${id}`]);
    const { results } = await database.writeBatch([{ sql: "insert into notes (id, text) values (?, ?)", rows }]);
    expect(results[0]?.changes).toBe(100_000);
    const meeting = Array.from({ length: 3000 }, (_, index) => [index % 700, `round ${Math.floor(index / 700)}`]);
    const again = await database.writeBatch([{ sql: upsert, rows: meeting }]);
    expect(again.results[0]?.changes).toBe(3000);
    const found = await database.read
      .selectFrom("notes")
      .select(({ fn }) => ["text", fn.countAll().as("count")])
      .where("text", "like", "round%")
      .groupBy("text")
      .orderBy("text")
      .execute();
    expect(found).toEqual([
      { text: "round 3", count: 500 },
      { text: "round 4", count: 200 },
    ]);
  },
);

postgres.test("parameters are found where they are code, and nowhere else", async () => {
  await using database = await openNotes(pool);
  const sql = `select ?2 || '?' as "a?", /* ? */ $q$?$q$ as b, cast(? as integer) as c, ?1 as d -- ?`;
  const { results } = await database.writeBatch([{ sql, parameters: ["one", "two", 3] }]);
  expect(results[0]?.rows).toEqual([{ "a?": "two?", b: "?", c: 3, d: "one" }]);
  const compiled = database.read.insertInto("notes").values({ id: 7, text: "$1 ?" }).returning("text").compile();
  expect((await database.writeBatch([compiled])).results[0]?.rows).toEqual([{ text: "$1 ?" }]);
  const short = database.writeBatch([{ sql: "insert into notes values (?, ?)", parameters: [1] }]);
  await expect(short).rejects.toMatchObject({ code: "STORAGE_SQL_REFUSED" });
});

postgres.test(
  "batches that deadlock with another program's transaction are sent again, and a callback is told",
  async () => {
    const schema = nextSchema();
    await using database = await openNotes(pool, schema);
    await database.writeBatch([
      {
        sql: upsert,
        rows: [
          [1, "a"],
          [2, "a"],
        ],
      },
    ]);
    /** Locks row 2, waits until `change` waits for it, and wants row 1, which `change` has. */
    const collide = async (change: () => Promise<unknown>): Promise<unknown> => {
      const other = await pool.connect();
      // The server ends whoever finds the deadlock first: that must be ours.
      await other.query(
        `set search_path to ${schema}; begin; set local deadlock_timeout = '10s'; update notes set text = 'other' where id = 2`,
      );
      const changing = change().catch((error: unknown) => error);
      for (;;) {
        const { rows } = await pool.query("select 1 from pg_locks where not granted");
        if (rows.length > 0) break;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await other.query("update notes set text = 'other' where id = 1; commit");
      other.release(true);
      return changing;
    };
    const both = [1, 2].map((id) => ({ sql: "update notes set text = 'ours' where id = ?", parameters: [id] }));
    await collide(() => database.writeBatch(both));
    expect(await notes(database)).toEqual([
      { id: 1, text: "ours" },
      { id: 2, text: "ours" },
    ]);
    const told = await collide(() =>
      database.write(async ({ sql }) => {
        for (const id of [1, 2])
          await sql.updateTable("notes").set({ text: "callback" }).where("id", "=", id).execute();
      }),
    );
    expect(told).toMatchObject({ code: "STORAGE_WRITE_CONFLICT", retryable: true });
    expect(await notes(database)).toEqual([
      { id: 1, text: "other" },
      { id: 2, text: "other" },
    ]);
  },
);

postgres.test("writing through the reading handle is refused, however it is hidden", async () => {
  await using database = await openNotes(pool);
  const { read } = database;
  const writes = [
    read.insertInto("notes").values({ id: 1 }).execute(),
    read.deleteFrom("notes").execute(),
    read.schema.dropTable("notes").execute(),
    read
      .with("gone", (sql) => sql.insertInto("notes").values({ id: 2 }).returning("id"))
      .selectFrom("gone")
      .selectAll()
      .execute(),
    read.transaction().execute((sql) => sql.insertInto("notes").values({ id: 3 }).execute()),
    read.executeQuery({
      ...read.selectFrom("notes").compile(),
      query: { kind: "RawNode" },
      sql: "insert into notes values (4)",
    } as never),
  ];
  const refused = { status: "rejected", reason: { code: "STORAGE_FILE_READONLY" } };
  expect(await Promise.allSettled(writes)).toMatchObject(writes.map(() => refused));
  expect(await notes(database)).toEqual([]);
});

postgres.test("a pool that sends ahead of the answers gives the same", async () => {
  const pipelined = new pg.Pool({ connectionString: postgres.server().url, pipeline: true });
  // The server may end its connections before it has seen that they were closed.
  pipelined.on("error", () => {});
  await using database = await openNotes(pipelined);
  const settled = await Promise.allSettled(
    Array.from({ length: 60 }, (_, index) =>
      index % 2 === 0
        ? database.writeBatch([
            {
              sql: "insert into notes (id, text) values (?, ?)",
              rows: [
                [index, "a"],
                [index % 3 === 0 ? index : -index, "b"],
              ],
            },
          ])
        : database.write(({ sql }) =>
            sql
              .insertInto("notes")
              .values({ id: 1000 + (index % 3 === 0 ? 1 : index), text: "c" })
              .execute(),
          ),
    ),
  );
  const failed = settled.flatMap((result, index) =>
    result.status === "rejected" ? [[index, hasCode(result.reason, "STORAGE_CONSTRAINT_VIOLATED")]] : [],
  );
  const expected = Array.from({ length: 60 }, (_, index) => index).filter((index) => index % 3 === 0);
  expect(failed).toEqual(expected.map((index) => [index, true]));
  expect(await openEventLog(database).verify()).toMatchObject({ records: 0, broken: undefined });
  await database[Symbol.asyncDispose]();
  await pipelined.end();
});
