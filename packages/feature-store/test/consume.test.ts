import { setTimeout as sleep } from "node:timers/promises";
import { createManualClock, systemClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  days,
  type DeadLetter,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineGate,
  type FeatureStore,
  openFeatureStore,
  type SourceRow,
  type StreamRecord,
  sum,
} from "../src/index.ts";
import { groupsOf } from "../src/ingestion/stream-groups.ts";
import { begin } from "./kill.ts";
import { columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const DAY = 24 * 3_600_000;
const NOW = 100 * DAY;
const view = defineFeatureView({
  name: "clicks",
  entity: defineEntity({ name: "user", keys: { user: "int32" } }),
  eventTime: "at",
  inputs: { pages: "int32" },
  aggregates: { rows: count(days(7)), pages: sum("pages", days(7)) },
});
const service = defineFeatureService({ name: "all", views: [view] });
const users = batchOf({
  user: column(
    "int32",
    Array.from({ length: 100 }, (_, user) => user),
  ),
});

/** What is wrong with one record of a hundred, and the code that says so. */
const FLAWS: readonly (readonly [code: string, flaw: SourceRow])[] = [
  ["FEATURE_STORE_KEY_MISSING", { user: null }],
  ["FEATURE_STORE_EVENT_TIME_INVALID", { at: new Date(Number.NaN) }],
  ["FEATURE_STORE_EVENT_TIME_INVALID", { at: NOW }],
  ["FEATURE_STORE_COLUMN_TYPE", { pages: "many" }],
  ["FEATURE_STORE_GATE_REFUSED", { pages: -1 }],
];

async function* stream(length: number, from = 0): AsyncGenerator<StreamRecord> {
  for (let offset = from; offset < length; offset++) {
    const record = { user: offset % 100, at: new Date(NOW - (offset % 1000) * 1000 - 1), pages: offset % 7 };
    const flaw = offset % 100 === 99 ? FLAWS[Math.floor(offset / 100) % FLAWS.length]![1] : {};
    yield { record: { ...record, ...flaw }, offset };
  }
}

const state = async (store: FeatureStore): Promise<unknown> => {
  const { features } = await store.read("all", { entities: users, timeMs: NOW });
  const history = await store.scan(view, { duplicates: "keep", deleted: "keep" });
  return { online: columnsOf(features), history: await history.digest() };
};

// About 15 s.
test("FS-25: 100 k events come three times and are there once, in the history and online; 1 % that are malformed go to the dead letters with codes", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const gates = { clicks: defineGate({ rules: [{ rule: "range", column: "pages", min: 0 }] }) };
  const clock = { ...systemClock, nowMs: () => NOW };
  await using store = await openFeatureStore({ history: directory.path, services: [service], online, clock, gates });
  const letters: DeadLetter[] = [];
  const options = {
    source: "clicks/0",
    maxBatchRows: 25_000,
    onDeadLetter: (letter: DeadLetter) => void letters.push(letter),
  };
  const first = await store.consume(view, stream(100_000), options);
  expect(first).toEqual({
    rows: 99_000,
    quarantinedRows: 0,
    deadLetters: 1000,
    skippedRecords: 0,
    batches: 4,
    offset: 99_999,
  });
  const wanted = await state(store);
  expect(
    (wanted as { online: Record<string, number[]> }).online["clicks__rows"]!.reduce((all, each) => all + each, 0),
  ).toBe(99_000);
  expect(letters).toHaveLength(1000);
  letters.forEach(({ code, offset, reason }, index) => {
    expect(offset).toBe(index * 100 + 99);
    expect(code, reason).toBe(FLAWS[index % FLAWS.length]![0]);
    expect(reason).not.toBe("");
  });
  for (const again of [1, 2]) {
    expect(await store.consume(view, stream(100_000), options), `replay ${again}`).toMatchObject({
      rows: 0,
      skippedRecords: 100_000,
      batches: 0,
      offset: 99_999,
    });
  }
  expect(await store.materialize(view)).toMatchObject({ rows: 0, batches: 0 });
  expect(await state(store)).toEqual(wanted);
  expect(letters).toHaveLength(1000);
  // Another source has offsets of its own.
  expect(await store.consume(view, stream(10), { source: "clicks/1" })).toMatchObject({ rows: 10, offset: 9 });
}, 600_000);

test("a stream is read as far as it is written: one group at a time, by rows or by waiting; the rest of an aborted one is not lost", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  let asked = 0;
  const endless = async function* (): AsyncGenerator<StreamRecord> {
    for await (const each of stream(99)) {
      asked++;
      yield each;
    }
    await new Promise(() => {});
  };
  const abort = new AbortController();
  const reason = new Error("enough");
  const seen: unknown[] = [];
  const consuming = store.consume(view, endless(), {
    source: "s",
    maxBatchRows: 40,
    maxWaitMs: 50,
    signal: abort.signal,
    onProgress({ rows, offset }) {
      seen.push([rows, offset, asked <= rows + 1]);
      if (rows === 99) abort.abort(reason);
    },
  });
  await expect(consuming).rejects.toBe(reason);
  expect(seen).toEqual([
    [40, 39, true],
    [80, 79, true],
    [99, 98, true],
  ]);
  expect(await store.consume(view, stream(120), { source: "s", onDeadLetter() {} })).toMatchObject({
    rows: 20,
    deadLetters: 1,
    skippedRecords: 99,
    offset: 119,
  });
});

test("two consumers of one source write each record once between them", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const open = () => openFeatureStore({ history: directory.path, services: [service], duckdb });
  await using one = await open();
  await using two = await open();
  const options = { source: "s", maxBatchRows: 70, onDeadLetter() {} };
  const results = await Promise.all([
    one.consume(view, stream(1000), options),
    two.consume(view, stream(1000), { ...options, maxBatchRows: 90 }),
  ]);
  expect(results[0].rows + results[1].rows).toBe(992); // two of ten flaws are for a gate
  expect((await columnsOfDataset(await one.scan(view, { duplicates: "keep" })))["user"]).toHaveLength(992);
});

test("a record that nobody takes ends the call and names itself; offsets must be whole numbers", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  await expect(store.consume(view, stream(100), { source: "s" })).rejects.toMatchObject({
    code: "FEATURE_STORE_RECORD_REFUSED",
    message: expect.stringContaining('offset 99 cannot be stored in "clicks"') as string,
  });
  const bad = async function* (): AsyncGenerator<StreamRecord> {
    yield { record: {}, offset: 1.5 };
  };
  await expect(store.consume(view, bad(), { source: "s" })).rejects.toThrow('A record of "s" has the offset 1.5');
  await expect(store.consume(view, bad(), { source: "" })).rejects.toThrow(RangeError);
  await expect(store.consume(view, bad(), { source: "s", maxBatchRows: 0 })).rejects.toThrow("maxBatchRows");
});

test("groups end by number, by time, and with their source, which is told when the loop is left", async () => {
  const clock = createManualClock();
  let ended = false;
  const gate: (() => void)[] = [];
  const source = async function* (): AsyncGenerator<number> {
    try {
      for (let item = 1; item <= 7; item++) {
        if (item === 6) await new Promise<void>((resolve) => gate.push(resolve));
        yield item;
      }
    } finally {
      ended = true;
    }
  };
  const groups = groupsOf(source(), { maxItems: 3, maxWaitMs: 100, clock });
  expect((await groups.next()).value).toEqual([1, 2, 3]);
  const late = groups.next();
  await sleep(5);
  await clock.advance(100);
  expect((await late).value).toEqual([4, 5]);
  gate[0]!();
  expect((await groups.next()).value).toEqual([6, 7]);
  expect((await groups.next()).done).toBe(true);
  expect(ended).toBe(true);
});

// About 15 s: processes are started and killed.
test("a consumer that was killed goes on after what is committed, and what was not online yet gets there, once", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const clock = { ...systemClock, nowMs: () => NOW };
  let killed = 0;
  for (let round = 0; round < 8; round++) {
    const said = await (await begin("consume-for-ever.mjs", [directory.path, String(NOW)])).killAfter(60 + round * 70);
    if (said.length > 0) killed++;
    await using online = await openLogOnlineStore(`${directory.path}/online`, { flush: "system" });
    await using store = await openFeatureStore({
      history: `${directory.path}/history`,
      services: [service],
      duckdb,
      online,
      clock,
    });
    const done = await store.consume(view, stream(0), { source: "s" });
    const stored = done.offset === undefined ? 0 : done.offset + 1;
    const { features } = await store.read("all", { entities: users, timeMs: NOW });
    const rows = (columnsOf(features)["clicks__rows"] as (number | null)[]).reduce(
      (all: number, each) => all + (each ?? 0),
      0,
    );
    expect(rows).toBe(stored);
    expect((await columnsOfDataset(await store.scan(view, { duplicates: "keep" })))["user"]).toHaveLength(stored);
    for (const line of said) expect(Number(line)).toBeLessThan(stored);
  }
  expect(killed).toBeGreaterThan(2);
}, 300_000);
