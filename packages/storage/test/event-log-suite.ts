import { generateKeyPairSync } from "node:crypto";
import {
  type Database,
  exportCheckpoint,
  openEventLog,
  openMemoryEventLog,
  verifyCheckpoint,
} from "@millwright/storage";
import { createIdSource, createManualClock, createRandom, type EventDraft } from "@millwright/contracts";
import { expect } from "vitest";
import { type Engine, sqlite } from "./engines.ts";

const draft = (subject: string): EventDraft => ({ source: "test", type: "run.logged", subject, data: {} });

async function withEvents(engine: Engine, work: (database: Database) => Promise<void>): Promise<void> {
  await using place = await engine.makePlace();
  await using database = await place.open();
  await openEventLog(database).append(Array.from({ length: 600 }, (_, index) => draft(`${index + 1}`)));
  await work(database);
}

const tampering: readonly {
  readonly how: string;
  readonly sql: string;
  readonly cursor: number;
  readonly problem: string;
}[] = [
  {
    how: "a changed text",
    sql: `update millwright_events set body = replace(body, '"300"', '"999"') where cursor = 300`,
    cursor: 300,
    problem: "changed",
  },
  {
    how: "a changed hash",
    sql: "update millwright_events set hash = replace(hash, substr(hash, 1, 1), 'x') where cursor = 300",
    cursor: 300,
    problem: "changed",
  },
  { how: "a removed record", sql: "delete from millwright_events where cursor = 300", cursor: 300, problem: "missing" },
  {
    how: "a removed beginning",
    sql: "delete from millwright_events where cursor <= 300",
    cursor: 1,
    problem: "missing",
  },
  { how: "a removed end", sql: "delete from millwright_events where cursor > 300", cursor: 301, problem: "missing" },
  {
    how: "two records that changed places",
    sql: `update millwright_events set body = (select body from millwright_events other where other.cursor = 601 - millwright_events.cursor)
          where cursor in (300, 301)`,
    cursor: 300,
    problem: "changed",
  },
];

/** What the hash chain shows. */
export function eventLogSuite(engine: Engine): void {
  const { test } = engine;

  test("a checkpoint finds a tail that was cut off, counter and all", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    await withEvents(engine, async (database) => {
      const checkpoint = await exportCheckpoint(database, { key: privateKey });
      expect((await verifyCheckpoint(database, checkpoint, { keys: [publicKey] })).broken).toBeUndefined();
      const counters = database.dialect === "sqlite" ? "sqlite_sequence" : "millwright_sequence";
      await database.writeBatch([
        { sql: "delete from millwright_events where cursor > 500" },
        { sql: `update ${counters} set seq = 500 where name = 'millwright_events'` },
      ]);
      expect((await openEventLog(database).verify()).broken).toBeUndefined();
      const { broken } = await verifyCheckpoint(database, checkpoint, { keys: [publicKey] });
      expect(broken).toEqual({ cursor: 501, problem: "missing" });
    });
  });

  test("a log that nobody touched is whole, and says what its last record is", async () => {
    await withEvents(engine, async (database) => {
      const report = await openEventLog(database).verify();
      expect(report).toMatchObject({ records: 600, broken: undefined, head: { cursor: 600 } });
      expect(report.head.hash).toMatch(/^[0-9a-f]{64}$/);
    });
  });

  for (const { how, sql, cursor, problem } of tampering) {
    test(`verify names the first bad record: ${how}`, async () => {
      await withEvents(engine, async (database) => {
        await database.writeBatch([{ sql }]);
        const report = await openEventLog(database).verify();
        expect(report.broken).toEqual({ cursor, problem });
        expect(report.records).toBe(cursor - 1);
      });
    });
  }

  test("events of writes, batches and append stand in one chain, and an undone write leaves no gap in it", async () => {
    await using place = await engine.makePlace();
    await using database = await place.open();
    const log = openEventLog(database);
    const settled = await Promise.allSettled([
      log.append([draft("1"), draft("2")]),
      database.write(async ({ emit }) => {
        await emit(draft("undone"));
        throw new Error("undone");
      }),
      database.writeBatch([{ sql: "insert into nowhere values (1)" }], { events: [draft("undone too")] }),
      database.write(async ({ emit }) => [await emit(draft("3")), await emit(draft("4"))]),
      database.writeBatch([], { events: [draft("5")] }),
    ]);
    expect(settled.map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    const read = [];
    for await (const { cursor, event } of log.read()) read.push([cursor, event.subject]);
    expect(read).toEqual([1, 2, 3, 4, 5].map((number) => [number, `${number}`]));
    expect(await log.verify()).toMatchObject({ records: 5, broken: undefined });
  });

  test("the same drafts under the same clock and ids give the same chain, in a database, in SQLite and in memory", async () => {
    await using place = await engine.makePlace();
    const options = () => {
      const clock = createManualClock(1_700_000_000_000);
      return { clock, ids: createIdSource(clock, createRandom(5)) };
    };
    await using database = await place.open(options());
    await using file = await sqlite.makePlace();
    await using other = await file.open(options());
    const logs = [openEventLog(database), openEventLog(other), openMemoryEventLog(options())];
    const heads = [];
    for (const log of logs) {
      await log.append([draft("a"), draft("b")]);
      heads.push((await log.verify()).head);
    }
    expect(heads[1]).toEqual(heads[0]);
    expect(heads[2]).toEqual(heads[0]);
  });

  test("no types at all choose no events", async () => {
    await withEvents(engine, async (database) => {
      for await (const { event } of openEventLog(database).read({ types: [] })) expect(event).toBeUndefined();
    });
  });
}
