import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createManualClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  openFeatureStore,
  sliding,
  sum,
} from "../src/index.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

/** Runs a program and kills it outright some time after its first word. @returns the numbers it acknowledged. */
async function runAndKill(program: string, args: readonly string[], afterMs: number): Promise<number[]> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`fixtures/${program}`, import.meta.url)), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (chunk: string) => {
    if (text === "") setTimeout(() => child.kill("SIGKILL"), afterMs);
    text += chunk;
  });
  await once(child, "close");
  // A last line without an end may be half a number.
  return text.split("\n").slice(0, -1).map(Number);
}

// About 20 s: eight processes are started and killed.
test("a process killed in the middle of ingesting leaves whole batches, and all that were acknowledged", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const view = defineFeatureView({
    name: "numbers",
    entity: defineEntity({ name: "key", keys: { key: "utf8" } }),
    eventTime: "at",
    features: { batch: "int32" },
  });
  const service = defineFeatureService({ name: "all", views: [view] });
  let next = 0;
  for (let round = 0; round < 4; round++) {
    const acknowledged = await runAndKill("ingest-for-ever.mjs", [directory.path, String(next)], 60 + round * 45);
    next = Math.max(next, ...acknowledged.map((number) => number + 1));
  }
  expect(next).toBeGreaterThan(3);
  await using store = await openFeatureStore({ history: directory.path, services: [service], duckdb });
  // One more than was acknowledged may be there: its word was lost, not its rows.
  const wanted = Array.from({ length: (next + 2) * 100 }, (_, index) => ({
    number: Math.floor(index / 100),
    row: index % 100,
  }));
  const labels = batchOf({
    key: column(
      "utf8",
      wanted.map(({ number, row }) => `${number}/${row}`),
    ),
    at: column(
      "timestamp",
      wanted.map(() => new Date(Date.UTC(2024, 1, 1))),
    ),
  });
  const found = await columnsOfDataset(await store.history(service, { labels, labelTime: "at" }));
  for (let number = 0; number < next + 2; number++) {
    const rows = found["numbers__batch"]!.slice(number * 100, number * 100 + 100);
    const present = rows.filter((value) => value === number).length;
    if (number < next) expect(present, `batch ${number}`).toBe(100);
    else expect([0, 100]).toContain(present);
  }
  // The same batch sent again is there once.
  const again = batchOf({
    key: column(
      "utf8",
      wanted.slice(0, 100).map(({ row }) => `0/${row}`),
    ),
    at: column(
      "timestamp",
      wanted.slice(0, 100).map(({ row }) => new Date(Date.UTC(2024, 0, 1 + (row % 3)))),
    ),
    batch: column("int32", Array<number>(100).fill(0)),
  });
  expect(await store.ingest(view, batches(again), { batchId: "batch 0" })).toMatchObject({ added: false, rows: 100 });
  // Any Parquet tool reads the folders; what counts are the files that the entries name.
  expect((await readdir(join(directory.path, "numbers"))).filter((name) => name.startsWith("ds="))).toEqual([
    "ds=2024-01-01",
    "ds=2024-01-02",
    "ds=2024-01-03",
  ]);
}, 600_000);

test("a process killed in the middle of pushing leaves every acknowledged row, once", async () => {
  await using directory = await temporaryDirectory();
  const view = defineFeatureView({
    name: "numbers",
    entity: defineEntity({ name: "key", keys: { key: "utf8" } }),
    eventTime: "at",
    aggregates: { rows: count(days(1)) },
  });
  const service = defineFeatureService({ name: "all", views: [view] });
  let next = 0;
  for (let round = 0; round < 4; round++) {
    const acknowledged = await runAndKill("push-for-ever.mjs", [directory.path, String(next)], 100 + round * 90);
    expect(acknowledged.length).toBeGreaterThan(0);
    const through = Math.max(...acknowledged);
    await using online = await openLogOnlineStore(`${directory.path}/online`);
    await using store = await openFeatureStore({ history: `${directory.path}/history`, services: [service], online });
    const keys = [0, 1, 2, 3, 4].map((key) => `key ${key}`);
    const read = await store.read("all", {
      entities: batchOf({ key: column("utf8", keys) }),
      timeMs: Date.UTC(2024, 0, 1) + (through + 1000) * 10,
    });
    const counts = columnsOf(read.features)["numbers__rows"] as number[];
    const total = counts.reduce((sum, each) => sum + each, 0);
    // Rows that were on their way may be there or not, and numbers between may be missing among them, but none is there twice.
    let onTheWay = 0;
    const kept = new Set<number>();
    for await (const record of online.read("numbers")) {
      if (!("timeUs" in record)) continue;
      const number = (record.timeUs / 1000 - Date.UTC(2024, 0, 1)) / 10;
      expect(kept.has(number)).toBe(false);
      kept.add(number);
      if (number > through) onTheWay++;
    }
    for (const number of acknowledged) expect(kept.has(number), `row ${number}`).toBe(true);
    expect(total).toBe(kept.size);
    expect(onTheWay).toBeLessThan(20);
    next = Math.max(...kept) + 1;
  }
}, 600_000);

test("FS-25: processes that were killed and send again what they cannot know to have arrived leave each event once, online and in the history", async () => {
  await using directory = await temporaryDirectory();
  const window = sliding(days(30), { slideMs: hours(1) });
  const view = defineFeatureView({
    name: "events",
    entity: defineEntity({ name: "key", keys: { key: "utf8" } }),
    eventTime: "at",
    inputs: { id: "int64", amount: "int32" },
    aggregates: { rows: count(days(1)), total: sum("amount", window) },
    eventId: "id",
  });
  const service = defineFeatureService({ name: "all", views: [view] });
  let through = -1;
  for (let round = 0; round < 4; round++) {
    // From well before the last word: some of it has arrived, some has not, and nobody knows which.
    const first = Math.max(0, through - 60);
    const said = await runAndKill("events-for-ever.mjs", [directory.path, String(first)], 150 + round * 110);
    expect(said.length).toBeGreaterThan(0);
    through = Math.max(through, ...said);
  }
  await using online = await openLogOnlineStore(`${directory.path}/online`);
  const options = { services: [service], online, latenessMs: 60_000, clock: createManualClock(Date.UTC(2024, 0, 1)) };
  await using store = await openFeatureStore({ history: `${directory.path}/history`, ...options });
  // All that was acknowledged comes into the history by one more way, and one that was on its way, too.
  const numbers = Array.from({ length: through + 2 }, (_, number) => number);
  const atMs = (number: number): number => Date.UTC(2024, 0, 1) + number * 60_000;
  const batch = batchOf({
    key: numbers.map(() => "one"),
    at: column(
      "timestamp",
      numbers.map((number) => new Date(atMs(number))),
    ),
    id: column("int64", numbers.map(BigInt)),
    amount: column("int32", numbers),
  });
  await store.ingest(view, batches(batch));
  await store.push(view, batch);
  await store.materialize(view);
  const timeMs = Math.ceil(atMs(through + 2) / hours(1)) * hours(1);
  const wanted = {
    events__rows: [numbers.filter((number) => atMs(number) >= timeMs - days(1)).length],
    events__total: [numbers.reduce((all, number) => all + number, 0)],
  };
  const read = await store.read("all", { entities: batchOf({ key: ["one"] }), timeMs });
  expect(columnsOf(read.features)).toEqual(wanted);
  const labels = batchOf({ key: ["one"], at: column("timestamp", [new Date(timeMs)]) });
  const offline = await columnsOfDataset(await store.history(service, { labels, labelTime: "at" }));
  expect({ events__rows: offline["events__rows"], events__total: offline["events__total"] }).toEqual(wanted);
}, 600_000);
