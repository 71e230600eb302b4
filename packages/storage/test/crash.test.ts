import { randomBytes } from "node:crypto";
import { copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRandom } from "@millwright/contracts";
import { type Database, openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { crashSuite } from "./crash-suite.ts";
import { sqlite } from "./engines.ts";
import { temporaryFolder } from "./folder.ts";

const offsets = 500;

interface Acknowledged {
  readonly number: number;
  /** Length of the write-ahead log when the write was acknowledged. */
  readonly logBytes: number;
}

/** Numbers that were written, read through the writer so that no second thread is needed; events must say the same. */
async function writtenNumbers(database: Database): Promise<number[]> {
  return database.write(async ({ sql }) => {
    const records = await sql.selectFrom("millwright_records").select("key").orderBy("key").execute();
    const events = await sql.selectFrom("millwright_events").select("body").orderBy("cursor").execute();
    const numbers = records.map((row) => Number(String(row["key"]).slice("number/".length)));
    const told = events.map((row) => Number((JSON.parse(String(row["body"])) as { subject: string }).subject));
    expect(numbers).toEqual(told.toSorted((a, b) => a - b));
    return numbers;
  });
}

test(
  `CT-7: the writer stops at ${offsets} random byte offsets: reopening never throws and loses no acknowledged record`,
  { timeout: 600_000 },
  async () => {
    await using folder = await temporaryFolder();
    const path = folder.file("a.db");
    const acknowledged: Acknowledged[] = [];
    await using database = await openSqlite(path);
    for (let number = 100; number < 220; number += 1) {
      await database.write(async ({ sql, emit }) => {
        const value = JSON.stringify("x".repeat((number * 37) % 900));
        await sql
          .insertInto("millwright_records")
          .values({ key: `number/${number}`, value, version: 1 })
          .execute();
        await emit({ source: "millwright/crash", type: "run.logged", subject: `${number}`, data: {} });
      });
      acknowledged.push({ number, logBytes: (await stat(`${path}-wal`)).size });
    }
    const log = await readFile(`${path}-wal`);
    // Nothing was moved to the main file yet: the log is all there is of these records.
    const lengths = acknowledged.map(({ logBytes }) => logBytes);
    expect(lengths).toEqual([...new Set(lengths)].toSorted((a, b) => a - b));
    expect(log.length).toBe(lengths.at(-1));
    const random = createRandom(7);
    await mkdir(folder.file("copies"));
    const rounds = Array.from({ length: offsets }, (_, round) => ({
      copy: folder.file(`copies/${round}.db`),
      offset: random.integer(log.length + 1),
      // A disk may have written anything in the sectors after the last one it was asked to flush.
      torn: round % 2 === 0 ? Buffer.alloc(0) : randomBytes(random.integer(5000)),
    }));
    const lane = async (): Promise<void> => {
      for (let round = rounds.pop(); round !== undefined; round = rounds.pop()) {
        const { copy, offset, torn } = round;
        await copyFile(path, copy);
        await writeFile(`${copy}-wal`, Buffer.concat([log.subarray(0, offset), torn]));
        await using reopened = await openSqlite(copy);
        const expected = acknowledged.filter(({ logBytes }) => logBytes <= offset).map(({ number }) => number);
        const found = await writtenNumbers(reopened);
        expect(found.slice(0, expected.length)).toEqual(expected);
        // At most the write that was under way may have been finished too.
        expect(found.length - expected.length).toBeLessThanOrEqual(1);
        await rm(copy);
      }
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
  },
);

crashSuite(sqlite, 500, 60);
