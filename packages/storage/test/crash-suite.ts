import { join } from "node:path";
import { createRandom, type Digest } from "@millwright/contracts";
import {
  type Database,
  openDirectoryArtifactStore,
  openEventLog,
  openLeaseStore,
  openRecordStore,
} from "@millwright/storage";
import { expect } from "vitest";
import { startChild } from "./child.ts";
import type { Engine, Place } from "./engines.ts";
import { temporaryFolder } from "./folder.ts";

/** Where in its work a writer is when it is killed: at a random moment after it has said so. */
const phases = ["open", "migrate", "write"] as const;

/**
 * Writers killed at random moments, each reopening what the one before it left.
 * @param writeMs Longest that one writes.
 */
export function crashSuite(engine: Engine, kills: number, writeMs: number): void {
  engine.test(
    `CT-7: ${kills} writers killed with SIGKILL, from the first open on, lose and double no acknowledged artifact, record, event or lease`,
    async () => {
      const random = createRandom(11);
      let round = 0;
      const acknowledged = { open: 0, migrate: 0, write: 0 };
      const lane = async (): Promise<void> => {
        while (round < kills) {
          // A young folder is killed while it is made, an old one has been recovered again and again. Each writer after the first reopens what the
          // one before it left, and would end by itself where that throws.
          await using folder = await temporaryFolder();
          await using place = await engine.makePlace();
          const known: string[] = [];
          for (const lives = 1 + random.integer(12), end = round + lives; round < Math.min(end, kills);) {
            const phase = phases[round % phases.length] as (typeof phases)[number];
            round += 1;
            const lines = await killedWriter(
              place,
              folder.path,
              phase,
              random.next() * (phase === "write" ? writeMs : 15),
            );
            acknowledged[phase] += lines.length;
            known.push(...lines);
          }
          await checkAcknowledged(place, folder.path, known);
        }
      };
      await Promise.all([lane(), lane(), lane()]);
      expect(round).toBe(kills);
      // Those killed in their writes had, on the average, something to lose.
      expect(acknowledged.write).toBeGreaterThan(kills / phases.length);
    },
  );
}

/** What a writer acknowledged until it was killed, so many milliseconds after it said that it had come to the phase. */
async function killedWriter(place: Place, folder: string, phase: string, delayMs: number): Promise<readonly string[]> {
  const child = startChild("writer.mjs", [place.name, folder]);
  await child.said(`phase ${phase}\n`);
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  child.process.kill("SIGKILL");
  expect(await child.ended).toMatchObject({ signal: "SIGKILL", errors: "" });
  const lines = child.output().split("\n").slice(0, -1);
  return lines.filter((line) => !line.startsWith("phase "));
}

/** Reopens what a killed writer left, and compares it with all that it and those before it acknowledged. */
async function checkAcknowledged(place: Place, folder: string, lines: readonly string[]): Promise<void> {
  const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
  await using database = await place.open();
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
