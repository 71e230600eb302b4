import { open } from "node:fs/promises";
import { type Database, openSqlite, openEventLog } from "@millwright/storage";
import { expect, expectTypeOf, test } from "vitest";
import { temporaryFolder } from "./folder.ts";

interface Tables {
  notes: { id: number; text: string | null };
}

async function openNotes(path: string): Promise<Database<Tables>> {
  const database = await openSqlite(path);
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

/** How many transactions a write-ahead log holds: a frame whose header gives the file's size ends one. https://www.sqlite.org/fileformat2.html#wal_file_format */
async function committedTransactions(path: string): Promise<number> {
  await using file = await open(`${path}-wal`);
  const log = await file.readFile();
  let transactions = 0;
  for (let offset = 32; offset + 24 <= log.length; offset += 24 + 4096) {
    if (log.readUInt32BE(offset + 4) > 0) transactions += 1;
  }
  return transactions;
}

test("what a write did is kept when it resolves and undone when it throws, with its events", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
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
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  await database.write(async ({ sql }) => {
    await sql.insertInto("notes").values({ id: 1, text: "a" }).execute();
    expect(await sql.selectFrom("notes").selectAll().execute()).toEqual([{ id: 1, text: "a" }]);
    expect(await ids(database)).toEqual([]);
  });
  expect(await ids(database)).toEqual([1]);
});

test("writes at the same time share commits, and writes one after another do not", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  const insert = (id: number) =>
    database.write(async ({ sql }) => void (await sql.insertInto("notes").values({ id, text: null }).execute()));
  const before = await committedTransactions(folder.file("a.db"));
  for (let id = 0; id < 20; id += 1) await insert(id);
  const apart = (await committedTransactions(folder.file("a.db"))) - before;
  await Promise.all(Array.from({ length: 200 }, (_, index) => insert(100 + index)));
  const together = (await committedTransactions(folder.file("a.db"))) - before - apart;
  expect(apart).toBe(20);
  // 200 writes; a slow machine may cut a group short, but not down to a few writes each.
  expect(together).toBeLessThan(100);
  expect(await ids(database)).toHaveLength(220);
});

test("of writes that share a commit, one that fails does not lose the others", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
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

test("a caught failure inside a write leaves the write as it was", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  await database.write(async ({ sql }) => {
    await sql.insertInto("notes").values({ id: 1, text: "first" }).execute();
    await expect(sql.insertInto("notes").values({ id: 1, text: "again" }).execute()).rejects.toThrow("UNIQUE");
    await sql.insertInto("notes").values({ id: 2, text: "second" }).execute();
  });
  expect(await ids(database)).toEqual([1, 2]);
});

test("an event that cannot be appended fails its write, even where nobody waits for it", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  const write = database.write(async ({ sql, emit }) => {
    await sql.insertInto("notes").values({ id: 1, text: "a" }).execute();
    emit({ source: "test", type: "run.logged", data: { loss: Number.NaN } }).catch(() => {});
  });
  await expect(write).rejects.toThrow(/cannot carry NaN/);
  expect(await ids(database)).toEqual([]);
});

test("batches answer per statement, and are undone as a whole", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
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
  await using folder = await temporaryFolder();
  await using database = await openSqlite(folder.file("a.db"));
  const values = [2n ** 63n - 1n, -(2n ** 63n), 2 ** 53 - 1, 1e-320, 0.1, Infinity, "Ærø ✈ 😀", null, true];
  const rows = await database.write(async ({ sql }) => {
    await sql.schema.createTable("anything").addColumn("value", "blob").execute();
    for (const value of [...values, Uint8Array.of(0, 1, 255)])
      await sql.insertInto("anything").values({ value }).execute();
    return sql.selectFrom("anything").select("value").execute();
  });
  const expected = [...values.slice(0, -1), 1, Uint8Array.of(0, 1, 255)];
  expect(rows.map(({ value }) => value)).toEqual(expected);
  const read = await database.read.selectFrom("anything").select("value").execute();
  expect(read).toEqual(rows);
});

test("what SQLite would change silently is refused", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  for (const value of [Number.NaN, undefined, new Date(0), { a: 1 }, 2n ** 63n, "a\0b"]) {
    const write = database.writeBatch([{ sql: "insert into notes (text) values (?)", parameters: [value] }]);
    await expect(write).rejects.toMatchObject({ code: "STORAGE_VALUE_UNSUPPORTED" });
  }
  const sent = database.writeBatch([{ sql: "insert into notes (text) values (?)", parameters: [() => 1] }]);
  await expect(sent).rejects.toBeInstanceOf(TypeError);
  expect(await ids(database)).toEqual([]);
});

test("a stream reads one snapshot in pieces while writes go on, and leaving it early frees it", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
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
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  await database.read.transaction().execute(async (sql) => {
    expect(await sql.selectFrom("notes").selectAll().execute()).toEqual([]);
    await database.writeBatch([{ sql: "insert into notes (id) values (1)" }]);
    expect(await sql.selectFrom("notes").selectAll().execute()).toEqual([]);
  });
  expect(await ids(database)).toEqual([1]);
});

test("types of tables reach the queries", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
  const rows = await database.read.selectFrom("notes").selectAll().execute();
  expectTypeOf(rows).toEqualTypeOf<{ id: number; text: string | null }[]>();
  // @ts-expect-error: no such table.
  await expect(database.read.selectFrom("letters").selectAll().execute()).rejects.toThrow("no such table");
});

test("a listener to commits that throws stops no write, is warned of once, and is not called again", async () => {
  await using folder = await temporaryFolder();
  await using database = await openNotes(folder.file("a.db"));
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
