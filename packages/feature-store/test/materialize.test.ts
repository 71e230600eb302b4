import { stat } from "node:fs/promises";
import { type Batch, createManualClock, createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { open as openLmdb } from "lmdb";
import { expect, test } from "vitest";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  type OnlineRecord,
  type OnlineStore,
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { begin } from "./kill.ts";
import { batches, columnsOf, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const profiles = defineFeatureView({ name: "profiles", entity: user, eventTime: "at", features: { age: "int32" } });
const visits = defineFeatureView({
  name: "visits",
  entity: user,
  eventTime: "at",
  inputs: { pages: "int32" },
  aggregates: { visits_7d: count(days(7)), pages_7d: sum("pages", days(7)) },
});
const service = defineFeatureService({ name: "all", views: [profiles, visits] });

type Row = readonly [user: string, atMs: number, value: number];
const rowsOf = (name: string, rows: readonly Row[]): Batch =>
  batchOf({
    user: column(
      "utf8",
      rows.map(([key]) => key),
    ),
    at: column(
      "timestamp",
      rows.map(([, atMs]) => new Date(atMs)),
    ),
    [name]: column(
      "int32",
      rows.map(([, , value]) => value),
    ),
  });
const ages = (...rows: Row[]) => batches(rowsOf("age", rows));
const pages = (...rows: Row[]) => batches(rowsOf("pages", rows));

async function read(
  store: FeatureStore,
  timeMs: number,
  users: readonly string[] = ["ann", "bob"],
): Promise<unknown[][]> {
  const { features } = await store.read("all", { entities: batchOf({ user: column("utf8", users) }), timeMs });
  const columns = columnsOf(features);
  return users.map((_, row) =>
    ["profiles__age", "visits__visits_7d", "visits__pages_7d"].map((name) => columns[name]![row]),
  );
}

test("FS-24: batches come online once by when they were written, late events too, never backwards; an end to come is taken for now, and daily runs go on", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const clock = createManualClock(100 * DAY);
  const start = clock.nowMs();
  await using store = await openFeatureStore({ history: directory.path, services: [service], online, clock });
  await store.ingest(profiles, ages(["ann", start - 2 * HOUR, 30], ["bob", start - HOUR, 40]));
  await store.ingest(visits, pages(["ann", start - 2 * HOUR, 1], ["ann", start - HOUR, 2]));
  // A far end is no end: it is now.
  const far = Date.UTC(2999, 0, 1);
  for (const view of [profiles, visits]) {
    expect(await store.materialize(view, { upToMs: far })).toEqual({
      rows: 2,
      keptRows: 0,
      batches: 1,
      upToMs: start,
      clamped: true,
    });
  }
  expect(await read(store, start)).toEqual([
    [30, 2, 3],
    [40, null, null],
  ]);
  // The next day brings new rows, one of them with an event time from before the first run.
  await clock.advance(DAY);
  const next = clock.nowMs();
  await store.ingest(profiles, ages(["ann", next - HOUR, 31], ["bob", start - 3 * HOUR, 39]));
  await store.ingest(visits, pages(["bob", start - 3 * HOUR, 5], ["ann", next - HOUR, 7]));
  for (const view of [profiles, visits]) {
    expect(await store.materialize(view)).toMatchObject({ rows: 2, batches: 1, upToMs: next, clamped: false });
    // What is online is not brought there again.
    expect(await store.materialize(view)).toMatchObject({ rows: 0, batches: 0 });
  }
  const wanted = [
    [31, 3, 10],
    [40, 1, 5],
  ];
  expect(await read(store, next)).toEqual(wanted);
  // Older rows that come later change nothing about the newest.
  await store.ingest(profiles, ages(["ann", start - 5 * HOUR, 1], ["bob", start - 5 * HOUR, 1]));
  expect(await store.materialize(profiles)).toMatchObject({ batches: 1 });
  expect(await read(store, next)).toEqual(wanted);
  // Compaction brings nothing new, and what it merged is found in the merged files.
  await store.ingest(visits, pages(["ann", next, 100]));
  await store.compact(undefined, { graceMs: 0 });
  expect(await store.materialize(visits)).toMatchObject({ rows: 1, batches: 1 });
  expect(await store.materialize(profiles)).toMatchObject({ rows: 0, batches: 0 });
  await clock.advance(1);
  expect(await read(store, clock.nowMs())).toEqual([
    [31, 4, 110],
    [40, 1, 5],
  ]);
});

test("rows that were put are online already and do not count twice; those that went to the history alone do once", async () => {
  await using directory = await temporaryDirectory();
  const clock = createManualClock(100 * DAY);
  const now = clock.nowMs();
  const put = (value: number, to?: "history" | "online") => (store: FeatureStore) =>
    store.put(visits, [{ user: "ann", at: new Date(now - value * HOUR), pages: value }], { to });
  const open = (online: OnlineStore) =>
    openFeatureStore({ history: `${directory.path}/history`, services: [service], online, clock });
  {
    await using online = await openLogOnlineStore(`${directory.path}/online`);
    await using store = await open(online);
    await Promise.all([put(1)(store), put(2)(store), put(4, "history")(store), put(8, "online")(store)]);
    expect(await read(store, now, ["ann"])).toEqual([[null, 3, 11]]);
    expect(await store.materialize(visits)).toMatchObject({ rows: 1, keptRows: 3, batches: 1 });
    expect(await read(store, now, ["ann"])).toEqual([[null, 4, 15]]);
    await put(16)(store);
  }
  {
    // After a restart the store still knows which ones it had.
    await using online = await openLogOnlineStore(`${directory.path}/online`);
    await using store = await open(online);
    expect(await store.materialize(visits)).toMatchObject({ rows: 0, batches: 0 });
    expect(await read(store, now, ["ann"])).toEqual([[null, 5, 31]]);
    // Loaded anew, each row of the history is there once as well; what was put online alone is not in it.
    expect(await store.materialize(visits, { upToMs: now })).toMatchObject({ rows: 4, keptRows: 0 });
    expect(await store.materialize(visits)).toMatchObject({ rows: 0, batches: 0 });
    expect(await read(store, now, ["ann"])).toEqual([[null, 4, 23]]);
  }
  // Another online store never had any of them.
  await using other = openMemoryOnlineStore();
  await using store = await open(other);
  expect(await store.materialize(visits)).toMatchObject({ rows: 4, batches: 3 });
  expect(await read(store, now, ["ann"])).toEqual([[null, 4, 23]]);
});

test("puts while the state is loaded anew, or caught up, count once", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  const clock = createManualClock(100 * DAY);
  const now = clock.nowMs();
  await using store = await openFeatureStore({ history: directory.path, services: [service], online, clock });
  let done = 0;
  const putting = (async () => {
    for (; done < 60; done++) await store.put(visits, [{ user: "ann", at: new Date(now - HOUR - done), pages: 1 }]);
  })();
  for (let round = 0; done < 60; round++) {
    await store.materialize(visits, round % 2 === 0 ? { upToMs: now } : {});
  }
  await putting;
  expect(await read(store, now, ["ann"])).toEqual([[null, 60, 60]]);
  await store.materialize(visits);
  expect(await read(store, now, ["ann"])).toEqual([[null, 60, 60]]);
});

const numbers = defineFeatureView({
  name: "numbers",
  entity: defineEntity({ name: "key", keys: { key: "int32" } }),
  eventTime: "at",
  inputs: { value: "int32" },
  aggregates: { rows: count(days(7)), total: sum("value", days(7)) },
});
const all = defineFeatureService({ name: "all", views: [numbers] });
const KEYS = Array.from({ length: 50 }, (_, key) => key);

// About 20 s: processes are started and killed.
test("FS-24: a run that was killed is gone on with: the state is that of one that was not", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const now = 100 * DAY;
  const clock = createManualClock(now);
  const random = createRandom(24);
  await using uninterrupted = openMemoryOnlineStore();
  const history = `${directory.path}/history`;
  const answers = async (store: FeatureStore): Promise<unknown> => {
    const { features } = await store.read("all", { entities: batchOf({ key: column("int32", KEYS) }), timeMs: now });
    return columnsOf(features);
  };
  const open = (online: OnlineStore) => openFeatureStore({ history, services: [all], duckdb, clock, online });
  {
    await using store = await open(uninterrupted);
    for (let batch = 0; batch < 6; batch++) {
      const rows = await duckdb.asDataset(`SELECT CAST(hash(i, ${batch}) % 50 AS INTEGER) AS "key",
        make_timestamp(CAST(${now * 1000} - hash(i, ${batch}, 1) % ${6 * DAY * 1000} AS BIGINT)) AS "at", CAST(i % 100 AS INTEGER) AS "value" FROM range(20000) AS r(i)`);
      await store.ingest(numbers, rows, { batchId: `batch ${batch}` });
    }
    expect(await store.materialize(numbers)).toMatchObject({ rows: 120_000, batches: 6 });
  }
  let killed = 0;
  let partway = 0;
  const sizeBytes = async (): Promise<number> =>
    (await stat(`${directory.path}/online/numbers.1.log`).catch(() => undefined))?.size ?? 0;
  for (let round = 0; round < 6; round++) {
    const program = await begin("materialize-once.mjs", [directory.path, String(now)]);
    const enough = (await sizeBytes()) + 100_000 + random.next() * 600_000;
    const said = await program.killWhen(async () => (await sizeBytes()) > enough);
    if (said.includes("done")) break;
    killed++;
    await using online = await openLogOnlineStore(`${directory.path}/online`, { flush: "system" });
    const records: OnlineRecord[] = [];
    for await (const record of online.read("numbers")) records.push(record);
    const rows = records.filter((record) => "key" in record).length;
    if (rows > 0 && rows < 120_000) partway++;
  }
  expect(killed).toBeGreaterThan(2);
  expect(partway).toBeGreaterThan(2);
  await using online = await openLogOnlineStore(`${directory.path}/online`, { flush: "system" });
  await using store = await open(online);
  await store.materialize(numbers);
  await using fresh = await open(uninterrupted);
  const found = await answers(store);
  expect(found).toEqual(await answers(fresh));
  expect((found as Record<string, number[]>)["numbers__rows"]!.reduce((total, each) => total + each, 0)).toBe(120_000);
}, 600_000);

// About 15 s: processes are started and killed.
test("FS-24: a run into LMDB that was killed is gone on with by another process, and no row counts twice", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const now = 100 * DAY;
  const random = createRandom(25);
  const lmdb = openLmdb({ path: `${directory.path}/online.lmdb`, overlappingSync: false });
  await using online = openLmdbOnlineStore(lmdb);
  const history = `${directory.path}/history`;
  await using store = await openFeatureStore({
    history,
    services: [all],
    duckdb,
    clock: createManualClock(now),
    online,
  });
  for (let batch = 0; batch < 4; batch++) {
    const rows = await duckdb.asDataset(`SELECT CAST(hash(i, ${batch}) % 50 AS INTEGER) AS "key",
      make_timestamp(CAST(${now * 1000} - hash(i, ${batch}, 1) % ${6 * DAY * 1000} AS BIGINT)) AS "at", 1 AS "value" FROM range(15000) AS r(i)`);
    await store.ingest(numbers, rows, { batchId: `batch ${batch}` });
  }
  const rowsOnline = async (): Promise<number> => {
    const { features } = await store.read("all", { entities: batchOf({ key: column("int32", KEYS) }), timeMs: now });
    return (columnsOf(features)["numbers__rows"] as (number | null)[]).reduce(
      (sum: number, each) => sum + (each ?? 0),
      0,
    );
  };
  let partway = 0;
  for (let round = 0; round < 4; round++) {
    const before = await rowsOnline();
    const enough = before + 500 + random.next() * 8_000;
    const program = await begin("materialize-once.mjs", [directory.path, String(now), "lmdb"]);
    await program.killWhen(async () => (await rowsOnline()) > enough);
    const rows = await rowsOnline();
    if (rows > before && rows < 60_000) partway++;
  }
  expect(partway).toBeGreaterThan(1);
  await store.materialize(numbers);
  expect(await rowsOnline()).toBe(60_000);
  await lmdb.close();
}, 600_000);
