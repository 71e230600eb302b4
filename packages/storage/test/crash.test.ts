import { randomBytes } from "node:crypto";
import { copyFile, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom, type Digest } from "@millwright/contracts";
import {
  type Database,
  openDirectoryArtifactStore,
  openSqlite,
  openEventLog,
  openLeaseStore,
  openRecordStore,
} from "@millwright/storage";
import { expect, test } from "vitest";
import { startChild } from "./child.ts";
import { temporaryFolder } from "./folder.ts";

const offsets = 500;
const kills = 500;

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

/** Where in its work a writer is when it is killed: at a random moment after it has said so. */
const phases = ["open", "migrate", "write"] as const;

test(
  `CT-7: ${kills} writers killed with SIGKILL, from the first open on, lose and double no acknowledged artifact, record, event or lease`,
  { timeout: 600_000 },
  async () => {
    const random = createRandom(11);
    let round = 0;
    const acknowledged = { open: 0, migrate: 0, write: 0 };
    const lane = async (): Promise<void> => {
      while (round < kills) {
        // A young folder is killed while it is made, an old one has been recovered again and again. Each writer after the first reopens what the
        // one before it left, and would end by itself where that throws.
        await using folder = await temporaryFolder();
        const known: string[] = [];
        for (const lives = 1 + random.integer(12), end = round + lives; round < Math.min(end, kills);) {
          const phase = phases[round % phases.length] as (typeof phases)[number];
          round += 1;
          const lines = await killedWriter(folder.path, phase, random.next() * (phase === "write" ? 60 : 15));
          acknowledged[phase] += lines.length;
          known.push(...lines);
        }
        await checkAcknowledged(folder.path, known);
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    expect(round).toBe(kills);
    // Those killed in their writes had, on the average, something to lose.
    expect(acknowledged.write).toBeGreaterThan(kills / phases.length);
  },
);

/** What a writer acknowledged until it was killed, so many milliseconds after it said that it had come to the phase. */
async function killedWriter(folder: string, phase: string, delayMs: number): Promise<readonly string[]> {
  const child = startChild("writer.mjs", [folder]);
  await child.said(`phase ${phase}\n`);
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  child.process.kill("SIGKILL");
  expect(await child.ended).toMatchObject({ signal: "SIGKILL", errors: "" });
  const lines = child.output().split("\n").slice(0, -1);
  return lines.filter((line) => !line.startsWith("phase "));
}

/** Reopens what a killed writer left, and compares it with all that it and those before it acknowledged. */
async function checkAcknowledged(folder: string, lines: readonly string[]): Promise<void> {
  const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
  await using database = await openSqlite(join(folder, "a.db"));
  const told = (kind: string): string[][] => lines.map((line) => line.split(" ")).filter(([first]) => first === kind);
  for (const [, digest] of told("artifact")) {
    // Reading to the end checks every byte against the digest.
    let sizeBytes = 0;
    for await (const chunk of artifacts.open(digest as Digest)) sizeBytes += chunk.length;
    expect(sizeBytes).toBeGreaterThan(0);
  }
  const stored = await all(openRecordStore(database).list(""));
  const keys = new Set(stored.map(({ key }) => key));
  expect(told("record").filter(([, key = ""]) => !keys.has(key))).toEqual([]);
  await checkCounts(database, Number(stored.find(({ key }) => key === "count")?.value ?? 0), told("count"));
  await checkLeases(database, told("acquired"), told("released"));
}

/** The count, its event and its rows are one write: there is one of each for every number, and every acknowledged number is among them. */
async function checkCounts(database: Database, count: number, told: readonly string[][]): Promise<void> {
  expect(count).toBeGreaterThanOrEqual(Number(told.at(-1)?.[1] ?? 0));
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const log = openEventLog(database);
  expect(await log.verify()).toMatchObject({ records: count, broken: undefined });
  const logged = await all(log.read());
  expect(logged.map(({ event }) => Number(event.subject))).toEqual(numbers);
  if (count === 0) return;
  const tables = database.typed<Record<"one" | "two" | "three", { number: number }>>();
  for (const table of ["one", "two", "three"] as const) {
    const rows = await tables.read.selectFrom(table).select("number").orderBy("number").execute();
    expect(rows.map(({ number }) => number)).toEqual(numbers);
  }
}

/** What was acquired has its fence still or a later one, what was released is free, and no fence is given twice. */
async function checkLeases(
  database: Database,
  acquired: readonly string[][],
  released: readonly string[][],
): Promise<void> {
  const rows = await database
    .typed<{ millwright_leases: { name: string; fence: number; held: number } }>()
    .read.selectFrom("millwright_leases")
    .selectAll()
    .execute();
  const kept = new Map(rows.map((row) => [row.name, row]));
  for (const [, name = "", fence] of acquired) {
    expect(kept.get(name)?.fence, name).toBeGreaterThanOrEqual(Number(fence));
  }
  for (const [, name = "", fence] of released) {
    // A greater fence: the next writer asked for it too.
    if (kept.get(name)?.fence === Number(fence)) expect(kept.get(name)?.held, name).toBe(0);
  }
  const last = kept.get(acquired.at(-1)?.[1] ?? "");
  if (last === undefined) return;
  // Somebody else asks for the last one: its time to live goes on after its holder's death.
  const taken = await openLeaseStore(database).acquire(last.name, 1);
  expect(taken?.fence).toBe(last.held === 1 ? undefined : last.fence + 1);
  await taken?.release();
}

async function all<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}
