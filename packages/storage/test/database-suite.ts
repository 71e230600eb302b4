import { type Database, openEventLog } from "@millwright/storage";
import { expect, expectTypeOf } from "vitest";
import type { Engine, Place } from "./engines.ts";

interface Tables {
  notes: { id: number; text: string | null };
}

async function openNotes(place: Place): Promise<Database<Tables>> {
  const database = await place.open();
  await database.migrate("notes", [
    {
      name: "001-notes",
      up: (sql) =>
        sql.schema
          .createTable("notes")
          .addColumn("id", "integer", (column) => column.primaryKey())
          .addColumn("text", "text")
          .execute(),
      down: (sql) => sql.schema.dropTable("notes").execute(),
    },
  ]);
  return database.typed<Tables>();
}

const ids = async (database: Database<Tables>): Promise<number[]> =>
  (await database.read.selectFrom("notes").select("id").orderBy("id").execute()).map(({ id }) => id);

/** What a database promises, whichever engine it is. */
export function databaseSuite(engine: Engine): void {
  const { test } = engine;

  test("a batch that need not be on the disk is there for every reader once acknowledged, in order with all others", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    await using other = await openNotes(place);
    const insert = "insert into notes (id, text) values (?, ?)";
    const batch = (id: number, durability: "full" | "normal" | undefined) =>
      database.writeBatch([{ sql: insert, parameters: [id, durability ?? "default"] }], { durability });
    await batch(1, "normal");
    expect(await ids(other)).toEqual([1]);
    // Mixed, and many at once.
    const kinds = ["normal", "full", undefined] as const;
    await Promise.all(Array.from({ length: 60 }, (_, index) => batch(index + 2, kinds[Math.floor(index / 7) % 3])));
    await database.sync();
    expect(await ids(other)).toEqual(Array.from({ length: 61 }, (_, index) => index + 1));
    await expect(batch(1, "normal")).rejects.toMatchObject({ code: "STORAGE_CONSTRAINT_VIOLATED" });
    await expect(batch(99, "some" as "full")).rejects.toThrowError(RangeError);
    await database.sync();
    expect(await ids(other)).toHaveLength(61);
  });

  test("what a write did is kept when it resolves and undone when it throws, with its events", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const log = openEventLog(database);
    const id = await database.write(async ({ sql, emit }) => {
      await sql.insertInto("notes").values({ id: 1, text: "kept" }).execute();
      await emit({ source: "test", type: "run.started", subject: "kept", data: {} });
      return 1;
    });
    const failure = new Error("changed my mind");
    const undone = database.write(async ({ sql, emit }) => {
      await sql.insertInto("notes").values({ id: 2, text: "undone" }).execute();
      await emit({ source: "test", type: "run.started", subject: "undone", data: {} });
      throw failure;
    });
    await expect(undone).rejects.toBe(failure);
    expect(await ids(database)).toEqual([id]);
    const subjects = [];
    for await (const { event } of log.read()) subjects.push(event.subject);
    expect(subjects).toEqual(["kept"]);
  });

  test("a write sees its own changes, and a reader sees them once they are acknowledged", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    await database.write(async ({ sql }) => {
      await sql.insertInto("notes").values({ id: 1, text: "a" }).execute();
      expect(await sql.selectFrom("notes").selectAll().execute()).toEqual([{ id: 1, text: "a" }]);
      expect(await ids(database)).toEqual([]);
    });
    expect(await ids(database)).toEqual([1]);
  });

  test("writes at the same time share commits, and writes one after another do not", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const insert = (id: number) =>
      database.write(async ({ sql }) => void (await sql.insertInto("notes").values({ id, text: null }).execute()));
    let commits = 0;
    database.onCommit(() => (commits += 1));
    for (let id = 0; id < 20; id += 1) await insert(id);
    expect(commits).toBe(20);
    await Promise.all(Array.from({ length: 200 }, (_, index) => insert(100 + index)));
    // 200 writes; a slow machine may cut a group short, but not down to a few writes each.
    expect(commits - 20).toBeLessThan(100);
    const batch = (id: number) => database.writeBatch([{ sql: "insert into notes (id) values (?)", parameters: [id] }]);
    const before = commits;
    await Promise.all(Array.from({ length: 200 }, (_, index) => batch(1000 + index)));
    expect(commits - before).toBeLessThan(20);
    expect(await ids(database)).toHaveLength(420);
  });

  test("of writes that share a commit, one that fails does not lose the others", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const statement = "insert into notes (id, text) values (?, ?)";
    const writes = Array.from({ length: 60 }, (_, index) => {
      // Every third one repeats an id that is taken, after a row that is good.
      const rows =
        index % 3 === 2
          ? [
              [1000 + index, "good"],
              [index - 1, "taken"],
            ]
          : [[index, "good"]];
      return index % 2 === 0
        ? database.writeBatch([{ sql: statement, rows }])
        : database.write(async ({ sql }) => {
            for (const [id, text] of rows)
              await sql
                .insertInto("notes")
                .values({ id: Number(id), text: String(text) })
                .execute();
          });
    });
    const settled = await Promise.allSettled(writes);
    const expected = Array.from({ length: 60 }, (_, index) => index).filter((index) => index % 3 !== 2);
    expect(settled.flatMap(({ status }, index) => (status === "fulfilled" ? [index] : []))).toEqual(expected);
    for (const result of settled) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "STORAGE_CONSTRAINT_VIOLATED" });
    }
    expect(await ids(database)).toEqual(expected);
  });

  test("an event that cannot be appended fails its write, even where nobody waits for it", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const write = database.write(async ({ sql, emit }) => {
      await sql.insertInto("notes").values({ id: 1, text: "a" }).execute();
      emit({ source: "test", type: "run.logged", data: { loss: Number.NaN } }).catch(() => {});
    });
    await expect(write).rejects.toThrow(/cannot carry NaN/);
    expect(await ids(database)).toEqual([]);
  });

  test("batches answer per statement, and are undone as a whole", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const compiled = database.read.insertInto("notes").values({ id: 9, text: "nine" }).returning("id").compile();
    const { results, events } = await database.writeBatch(
      [
        {
          sql: "insert into notes (id, text) values (?, ?)",
          rows: [
            [1, "a"],
            [2, "b"],
            [3, null],
          ],
        },
        { sql: "update notes set text = 'x' where id > ?", parameters: [1] },
        compiled,
      ],
      { events: [{ source: "test", type: "run.logged", data: { rows: 3 } }] },
    );
    expect(results.map(({ changes }) => changes)).toEqual([3, 2, 1]);
    expect(results[2]?.rows).toEqual([{ id: 9 }]);
    expect(events.map(({ cursor }) => cursor)).toEqual([1]);
    const failing = database.writeBatch([{ sql: "delete from notes" }, { sql: "insert into nowhere values (1)" }]);
    await expect(failing).rejects.toMatchObject({ code: "STORAGE_SQL_REFUSED" });
    expect(await ids(database)).toEqual([1, 2, 3, 9]);
  });

  test("values come back as they were stored: 64-bit integers, floats, bytes, text, null", async () => {
    await using place = await engine.makePlace();
    await using database = await place.open();
    const columns = {
      integer: [2n ** 63n - 1n, -(2n ** 63n), 2 ** 53 - 1, 0, null, true],
      real: [1e-320, 0.1, -1.5e300, Infinity, -Infinity, null],
      text: ["Ærø ✈ 😀", "", "'\"\\?$1", "NaN", null],
      blob: [Uint8Array.of(0, 1, 255), new Uint8Array(), new Uint8Array(5000).fill(7), null],
    } as const;
    for (const [type, values] of Object.entries(columns)) {
      const rows = await database.write(async ({ sql }) => {
        const column = type as keyof typeof columns;
        await sql.schema
          .createTable(`${type}s`)
          .addColumn("id", "integer", (id) => id.primaryKey())
          .addColumn("value", column)
          .execute();
        for (const [id, value] of values.entries()) await sql.insertInto(`${type}s`).values({ id, value }).execute();
        return sql.selectFrom(`${type}s`).select("value").orderBy("id").execute();
      });
      expect(rows.map(({ value }) => value)).toEqual(values.map((value) => (value === true ? 1 : value)));
      expect(await database.read.selectFrom(`${type}s`).select("value").orderBy("id").execute()).toEqual(rows);
    }
  });

  test("sums, counts, averages and comparisons are numbers", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const rows = [10, 20, 33].map((id) => [id, "x"]);
    await database.writeBatch([{ sql: "insert into notes (id, text) values (?, ?)", rows }]);
    const found = await database.read
      .selectFrom("notes")
      .select(({ fn, eb }) => [
        fn.countAll().as("count"),
        fn.sum("id").as("sum"),
        fn.avg("id").as("mean"),
        fn.max("id").as("max"),
        eb(fn.countAll(), ">", 2).as("many"),
      ])
      .executeTakeFirst();
    expect(found).toEqual({ count: 3, sum: 63, mean: 21, max: 33, many: 1 });
  });

  test("text is sorted by its bytes, whatever the language of the machine", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const texts = ["a", "B", "ä", "_", "Z", "z", "10", "9", "😀", "\uffee"];
    await database.writeBatch([
      { sql: "insert into notes (id, text) values (?, ?)", rows: texts.map((text, id) => [id, text]) },
    ]);
    const sorted = await database.read.selectFrom("notes").select("text").orderBy("text").execute();
    const bytes = texts.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(sorted.map(({ text }) => text)).toEqual(bytes);
  });

  test("rows without an id are numbered", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const insert = { sql: "insert into notes (text) values (?) returning id", rows: [["a"], ["b"], ["c"]] };
    const { results } = await database.writeBatch([insert]);
    expect(results[0]).toMatchObject({ changes: 3, rows: [{ id: 1 }, { id: 2 }, { id: 3 }] });
  });

  test("what SQLite would change silently is refused", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    for (const value of [Number.NaN, undefined, new Date(0), { a: 1 }, 2n ** 63n, "a\0b"]) {
      const write = database.writeBatch([{ sql: "insert into notes (text) values (?)", parameters: [value] }]);
      await expect(write).rejects.toMatchObject({ code: "STORAGE_VALUE_UNSUPPORTED" });
    }
    const sent = database.writeBatch([{ sql: "insert into notes (text) values (?)", parameters: [() => 1] }]);
    await expect(sent).rejects.toBeInstanceOf(TypeError);
    expect(await ids(database)).toEqual([]);
  });

  test("a stream reads one snapshot in pieces while writes go on, and leaving it early frees it", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const rows = Array.from({ length: 2000 }, (_, index) => [index, "x"]);
    await database.writeBatch([{ sql: "insert into notes (id, text) values (?, ?)", rows }]);
    let read = 0;
    for await (const { id } of database.read.selectFrom("notes").select("id").orderBy("id").stream(100)) {
      expect(id).toBe(read);
      read += 1;
      if (read === 150) await database.writeBatch([{ sql: "delete from notes where id >= 1000" }]);
      // Another read in the middle of the stream sees what was written.
      if (read === 151) expect(await ids(database)).toHaveLength(1000);
    }
    expect(read).toBe(2000);
    for await (const { id } of database.read.selectFrom("notes").select("id").stream(10)) {
      if (id === 5) break;
    }
    await database.writeBatch([{ sql: "drop table notes" }]);
  });

  test("a reading transaction keeps its snapshot", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    await database.read.transaction().execute(async (sql) => {
      expect(await sql.selectFrom("notes").selectAll().execute()).toEqual([]);
      await database.writeBatch([{ sql: "insert into notes (id) values (1)" }]);
      expect(await sql.selectFrom("notes").selectAll().execute()).toEqual([]);
    });
    expect(await ids(database)).toEqual([1]);
  });

  test("types of tables reach the queries", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const rows = await database.read.selectFrom("notes").selectAll().execute();
    expectTypeOf(rows).toEqualTypeOf<{ id: number; text: string | null }[]>();
    // @ts-expect-error: no such table.
    await expect(database.read.selectFrom("letters").selectAll().execute()).rejects.toMatchObject({
      code: "STORAGE_SQL_REFUSED",
    });
  });

  test("a listener to commits that throws stops no write, is warned of once, and is not called again", async () => {
    await using place = await engine.makePlace();
    await using database = await openNotes(place);
    const warnings: string[] = [];
    const noteWarning = ({ message }: Error): void => void warnings.push(message);
    process.on("warning", noteWarning);
    try {
      const listen = database.onCommit.bind(database);
      const called: string[] = [];
      listen(() => {
        called.push("bad");
        throw new Error("no room to listen");
      });
      listen(() => void called.push("good"));
      for (const id of [1, 2])
        await database.write(({ sql }) => sql.insertInto("notes").values({ id, text: null }).execute());
      expect(await ids(database)).toEqual([1, 2]);
      expect(called).toEqual(["bad", "good", "good"]);
      await new Promise((resolve) => setImmediate(resolve));
      expect(warnings.filter((each) => each.includes("no room to listen"))).toHaveLength(1);
      // @ts-expect-error a listener is a function
      expect(() => listen("no")).toThrow(TypeError);
    } finally {
      process.off("warning", noteWarning);
    }
  });
}
