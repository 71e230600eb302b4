import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { batchOf, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import type { FeatureStore, FeatureView } from "../src/index.ts";
import { begin } from "./kill.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

interface Shared {
  readonly CANARY: string;
  readonly plans: FeatureView;
  readonly clicks: FeatureView;
  nameOf(number: number): string;
  rowsOf(now: number, numbers: readonly number[]): Parameters<FeatureStore["put"]>[1];
  datasetOfRows(rows: unknown): Parameters<FeatureStore["ingest"]>[1];
  openErasureStore(
    kind: string,
    directory: string,
    now: number,
  ): Promise<{ store: FeatureStore; close(): Promise<void> }>;
}
const shared = (await import("./fixtures/erasure-store.mjs" as string)) as Shared;
const { CANARY, plans, clicks, nameOf, rowsOf, datasetOfRows, openErasureStore } = shared;

const DAY = 24 * 3_600_000;
const START = 1000 * DAY;
const ROUNDS = 5;

/**
 * The files below a folder that have the canary's bytes. Nobody in this process may have LMDB open meanwhile: closing any file that it has locked gives its
 * locks back.
 */
async function holding(folder: string): Promise<string[]> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  const found = await Promise.all(paths.map(async (path) => ((await readFile(path)).includes(CANARY) ? [path] : [])));
  return found.flat().map((path) => path.slice(folder.length + 1));
}

/** Puts numbers, of others and of the canary, into every layer. */
async function plant(store: FeatureStore, now: number, first: number, elsewhere: string): Promise<number[]> {
  const numbers = Array.from({ length: 12 }, (_, index) => first + index);
  for (let at = 0; at < numbers.length; at += 4) {
    await store.put(clicks, rowsOf(now, numbers.slice(at, at + 2)));
    await store.ingest(clicks, datasetOfRows(rowsOf(now, numbers.slice(at + 2, at + 4))));
  }
  await store.put(plans, rowsOf(now, numbers));
  for (const view of [plans, clicks]) await store.materialize(view);
  const labels = batchOf({ user: [CANARY, "user 1"], when: [new Date(now), new Date(now)] });
  await store.history("all", { labels, labelTime: "when", path: join(elsewhere, `${now}.parquet`) });
  await (await store.history("all", { labels, labelTime: "when" })).pin();
  return numbers;
}

/** The numbers in the history, sorted; and what is online of each user must be their count and sum. */
async function numbersIn(store: FeatureStore, now: number): Promise<number[]> {
  const numbers: number[] = [];
  const users: string[] = [];
  for await (const batch of (await store.scan(clicks, { duplicates: "keep", deleted: "keep" })).batches()) {
    numbers.push(...(toArray(batch.columns["number"]!) as number[]));
    users.push(...(toArray(batch.columns["user"]!) as string[]));
  }
  expect(users).not.toContain(CANARY);
  const names = Array.from({ length: 7 }, (_, number) => nameOf(number));
  const { features } = await store.read("all", { entities: batchOf({ user: [...names, CANARY] }), timeMs: now });
  const found = columnsOf(features);
  const of = (name: string): number[] => numbers.filter((number) => nameOf(number) === name);
  expect(found["clicks__rows"]!.slice(0, 7)).toEqual(names.map((name) => of(name).length));
  expect(Number(found["clicks__rows"]![7] ?? 0)).toBe(0);
  expect(found["clicks__total"]!.slice(0, 7)).toEqual(
    names.map((name) => of(name).reduce((all, each) => all + each, 0)),
  );
  expect(found["plans__number"]![7]).toBeNull();
  return numbers.toSorted((one, other) => one - other);
}

interface Writer {
  readonly child: ChildProcess;
  /** @returns the numbers acknowledged. */
  end(): Promise<number[]>;
}

async function startWriter(kind: string, directory: string, now: number, first: number): Promise<Writer> {
  const program = fileURLToPath(new URL("fixtures/erasure-write-for-ever.mjs", import.meta.url));
  const child = spawn(process.execPath, [program, kind, directory, String(now), String(first)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => (text += chunk));
  await once(child.stdout, "data");
  return {
    child,
    async end() {
      const closed = once(child, "close");
      child.stdin.end();
      await closed;
      return text.split("\n").slice(1, -1).map(Number);
    },
  };
}

for (const kind of ["log", "lmdb", "sqlite"] as const) {
  // About 40 s: processes are started and killed.
  test(`FS-32: killed at many points and made again, beside a process that writes, forget leaves no byte of the entity, and of all others each row once (${kind})`, async () => {
    await using directory = await temporaryDirectory();
    const root = join(directory.path, "data");
    const elsewhere = join(directory.path, "data/elsewhere");
    await mkdir(elsewhere, { recursive: true });
    const random = createRandom(32);
    const wanted: number[] = [];
    let killed = 0;
    let withLeft = 0;
    let reachMs = 300;
    for (let round = 0; round < ROUNDS; round++) {
      const now = START + round * DAY;
      const planting = await openErasureStore(kind, root, now);
      wanted.push(...(await plant(planting.store, now, round * 1000, elsewhere)));
      await planting.close();
      expect((await holding(root)).length).toBeGreaterThan(5);
      // An online log is one process's.
      const writer = kind === "log" ? undefined : await startWriter(kind, root, now, round * 1000 + 100);
      for (let kill = 0; kill < 3; kill++) {
        const program = await begin("forget-once.mjs", [kind, root, String(now + 1)]);
        const said = await program.killAfter(random.next() * reachMs);
        const isKilled = !said.includes("done");
        if (isKilled) killed++;
        // Up to where the machine, as busy as it is, is done: kills fall anywhere before.
        reachMs *= isKilled ? 1.3 : 0.6;
      }
      const again = await openErasureStore(kind, root, now + 1);
      const beside = await again.store.forget("user", { user: CANARY });
      if (beside.left.some(({ what }) => what !== "outside")) withLeft++;
      wanted.push(...((await writer?.end()) ?? []));
      const receipt = await again.store.forget("user", { user: CANARY });
      expect(receipt.left.filter(({ what }) => what !== "outside")).toEqual([]);
      await again.store.materialize(clicks);
      expect(await numbersIn(again.store, now + 1)).toEqual(wanted.toSorted((one, other) => one - other));
      await again.close();
      expect(await holding(root)).toEqual([]);
    }
    expect(killed).toBeGreaterThan(ROUNDS);
    if (kind !== "log") expect(withLeft).toBeGreaterThan(0);
  }, 600_000);
}
