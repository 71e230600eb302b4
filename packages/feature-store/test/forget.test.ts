import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createManualClock } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { DatabaseSync } from "@photostructure/sqlite";
import { open } from "lmdb";
import { expect, test } from "vitest";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
import { openSqliteOnlineStore } from "../src/drivers/sqlite.ts";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import {
  count,
  defineFeatureService,
  defineFeatureView,
  defineGate,
  type FeatureStore,
  type KeyedOnlineStore,
  mean,
  type OnlineStore,
  openFeatureStore,
  type TrainingSetPin,
} from "../src/index.ts";
import { at, define, record, user } from "./profile-store.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const CANARY = "canary-5b0f1c9e";
const HOUR = 3_600_000;
const NOW = 1000 * HOUR;
const profile = define();
const clicks = defineFeatureView({
  name: "clicks",
  entity: user,
  eventTime: "at",
  inputs: { ms: "float64" },
  aggregates: { clicks: count(24 * HOUR), ms: mean("ms", 24 * HOUR) },
});
const services = [defineFeatureService({ name: "all", views: [profile, clicks] })];
const gates = { clicks: defineGate({ rules: [{ rule: "range", column: "ms", min: 0 }], action: "quarantine" }) };

/** The files below a folder that have the canary's bytes. */
async function holding(folder: string): Promise<string[]> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  const found = await Promise.all(paths.map(async (path) => ((await readFile(path)).includes(CANARY) ? [path] : [])));
  return found.flat().map((path) => path.slice(folder.length + 1));
}

const clicksOf = (users: readonly string[], hours: number, ms: number) =>
  batchOf({
    user: [...users],
    at: users.map(() => at(NOW - hours * HOUR)),
    ms: column(
      "float64",
      users.map(() => ms),
    ),
  });
const both = [CANARY, "bob"];
const labels = batchOf({ user: both, when: both.map(() => at(NOW - HOUR / 2)) });
const others = batchOf({ user: ["bob"], when: [at(NOW - HOUR / 2)] });

/** Puts the canary and another user into every layer. */
async function plant(store: FeatureStore, elsewhere: string): Promise<TrainingSetPin> {
  await store.put(
    profile,
    both.map((name) => record(name, NOW - 3 * HOUR)),
  );
  await store.ingest(profile, batches(batchOf({ ...rowOf(both, NOW - 5 * HOUR) })));
  for (const hours of [3, 4]) await store.ingest(clicks, batches(clicksOf(both, hours, 10 * hours)));
  // A file that has nobody else.
  await store.ingest(clicks, batches(clicksOf([CANARY], 60, 5)));
  await store.ingest(clicks, batches(clicksOf(both, 5, -1)));
  // The files that were merged wait for readers to end.
  await store.compact(clicks);
  await store.ingest(clicks, batches(clicksOf(both, 2, 40)));
  await store.materialize(profile);
  await store.materialize(clicks);
  await store.push(clicks, clicksOf(both, 1, 100));
  const set = await store.history("all", { labels, labelTime: "when" });
  const pin = await set.pin();
  await (await store.history("all", { labels: others, labelTime: "when" })).pin();
  for (const [name, of] of [
    ["mine", labels],
    ["others", others],
  ] as const) {
    await store.history("all", { labels: of, labelTime: "when", path: join(elsewhere, `${name}.parquet`) });
  }
  await store.warm("all");
  return pin;
}

function rowOf(
  users: readonly string[],
  ms: number,
): Record<string, ReturnType<typeof column> | readonly string[] | readonly Date[]> {
  return {
    user: [...users],
    at: users.map(() => at(ms)),
    plan: users.map(() => "old"),
    credit: column(
      "int64",
      users.map(() => 1n),
    ),
    score: column(
      "float64",
      users.map(() => 1),
    ),
  };
}

const vectors = async (store: FeatureStore, name: string): Promise<unknown> => {
  const { features, views } = await store.read("all", { entities: batchOf({ user: [name] }), timeMs: NOW });
  return [columnsOf(features), views["profile"]?.status, views["clicks"]?.status];
};
const joined = async (store: FeatureStore, of: typeof labels): Promise<unknown> =>
  await columnsOfDataset(await store.history("all", { labels: of, labelTime: "when" }));

/** Sends all again that was there before, by every door: it is left out and counted. */
async function comesBack(store: FeatureStore): Promise<void> {
  const both = { rows: 1, forgottenRows: 1 };
  expect(await store.put(profile, [record(CANARY, NOW - HOUR), record("bob", NOW - 3 * HOUR)])).toMatchObject(both);
  expect(await store.push(profile, [record(CANARY, NOW), record("bob", NOW - 3 * HOUR)])).toMatchObject(both);
  const old = clicksOf([CANARY, "bob"], 7000, 1);
  expect(await store.ingest(clicks, batches(old), { batchId: "again" })).toMatchObject({ ...both, skippedRows: 0 });
  expect(await store.ingest(clicks, batches(old), { batchId: "again" })).toMatchObject({ added: false, ...both });
  const late = datasetOf([clicksOf([CANARY, "bob"], 7001, 2)]);
  expect(await store.backfill(clicks, late, { id: "old" })).toMatchObject({ ...both, skippedRows: 0 });
  expect(await store.ingest(clicks, batches(clicksOf([CANARY], 7002, -1)))).toMatchObject({
    rows: 0,
    forgottenRows: 1,
    quarantinedRows: 0,
  });
  const records = [CANARY, "bob"].map((user, offset) => ({
    offset,
    record: { user, at: at(NOW - 7003 * HOUR), ms: 3 },
  }));
  async function* stream() {
    yield* records;
  }
  expect(await store.consume(clicks, stream(), { source: "old" })).toMatchObject(both);
  for (const view of [profile, clicks]) await store.materialize(view);
}

interface Setting {
  readonly folder: string;
  openOnline(): Promise<OnlineStore | KeyedOnlineStore>;
}

/** Forgets, and looks at what is left, at once and after each thing that might bring it back. */
async function forgetPlanted({ folder, openOnline }: Setting): Promise<readonly string[]> {
  const history = join(folder, "history");
  const clock = createManualClock(NOW);
  const reopen = async () => {
    const online = await openOnline();
    return { online, store: await openFeatureStore({ history, services, online, clock, gates }) };
  };
  const { store, online } = await reopen();
  const elsewhere = join(folder, "of my own");
  await mkdir(elsewhere);
  const pin = await plant(store, elsewhere);
  const before = await holding(folder);
  for (const layer of [/ds=/, /_quarantine/, /_datasets\/all-/, /_datasets\/labels-/, /online/, /mine/]) {
    expect(
      before.filter((path) => layer.test(path)),
      String(layer),
    ).not.toEqual([]);
  }
  const known = [await vectors(store, "bob"), await joined(store, others)];
  const never = await vectors(store, "nobody");
  const receipt = await store.forget("user", { user: CANARY });
  await expect(store.replay(pin)).rejects.toMatchObject({ code: "FEATURE_STORE_PIN_DIFFERS" });
  expect(JSON.stringify(receipt)).not.toContain(CANARY);
  expect(receipt.left.filter(({ what }) => what !== "outside")).toEqual([]);
  expect(receipt.left.length).toBeGreaterThan(3);
  for (const { reason, remedy } of receipt.left) expect(Math.min(reason.length, remedy.length)).toBeGreaterThan(10);
  expect(new Set(receipt.places.map(({ what }) => what))).toEqual(
    new Set(["history", "segment", "quarantine", "training-set", "online"]),
  );
  expect(await readdir(elsewhere)).toEqual(["others.parquet"]);
  expect(await vectors(store, CANARY)).toEqual(never);
  expect([await vectors(store, "bob"), await joined(store, others)]).toEqual(known);
  const left = await joined(store, labels);
  expect((left as Record<string, unknown[]>)["profile__plan"]).toEqual([null, `plan ${NOW - 3 * HOUR}`]);
  for (const view of [profile, clicks]) {
    await store.materialize(view);
    expect((await columnsOfDataset(await store.scan(view)))["user"]).not.toContain(CANARY);
  }
  expect((await columnsOfDataset(await store.quarantined(clicks)))["user"]).toEqual(["bob"]);
  expect((await store.forget("user", { user: CANARY })).places.map(({ what }) => what)).toEqual(["training-set"]);
  const remaining = await holding(folder);
  await store[Symbol.asyncDispose]();
  await online[Symbol.asyncDispose]();
  const again = await reopen();
  for (const view of [profile, clicks]) await again.store.materialize(view, { upToMs: NOW - HOUR });
  expect(await vectors(again.store, CANARY)).toEqual(never);
  expect(await vectors(again.store, "bob")).toEqual(known[0]);
  await comesBack(again.store);
  expect(await vectors(again.store, CANARY)).toEqual(never);
  expect(await holding(folder)).toEqual([]);
  // Who comes again is somebody new.
  await clock.advance(HOUR);
  await again.store.put(profile, [record(CANARY, NOW + HOUR / 2)]);
  expect((await again.store.get(profile, { user: CANARY })).status).toBe("present");
  await again.store[Symbol.asyncDispose]();
  await again.online[Symbol.asyncDispose]();
  return remaining;
}

test("FS-32: an entity in every layer is forgotten in one call: no byte of its key is left, the receipt lists the places, all others are as they were", async () => {
  await using directory = await temporaryDirectory();
  const openOnline = () => openLogOnlineStore(join(directory.path, "online"));
  expect(await forgetPlanted({ folder: directory.path, openOnline })).toEqual([]);
});

test("FS-32: of a keyed store in LMDB the entry goes, for all views of the entity, and its bytes out of pages that are free or were renewed", async () => {
  await using directory = await temporaryDirectory();
  const root = open({ path: join(directory.path, "online.lmdb"), overlappingSync: false });
  const openOnline = async () => openLmdbOnlineStore(root, { flush: "system" });
  expect(await forgetPlanted({ folder: directory.path, openOnline })).toEqual([]);
  await root.close();
});

test("FS-32: of a keyed store in SQLite as well, and out of the write-ahead log", async () => {
  await using directory = await temporaryDirectory();
  const connection = new DatabaseSync(join(directory.path, "online.db"));
  const openOnline = async () => openSqliteOnlineStore(connection, { flush: "system" });
  expect(await forgetPlanted({ folder: directory.path, openOnline })).toEqual([]);
  connection.close();
});

test("what cannot be forgotten is told", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services });
  await expect(store.forget("other", { user: "ann" })).rejects.toMatchObject({
    code: "FEATURE_STORE_DEFINITION_UNKNOWN",
  });
  await expect(store.forget(user, {})).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_MISSING" });
  await expect(store.forget(user, { user: 5 })).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_TYPE" });
  await expect(store.forget(user, { user: "ann" }, { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
  expect((await store.forget(user, { user: "ann" })).places).toEqual([]);
  expect(await store.forget(user, { user: "eve" }, { remember: false })).not.toHaveProperty("untilMs");
  await store.put(profile, [record("ann", 1), record("eve", 1)]);
  expect((await columnsOfDataset(await store.scan(profile)))["user"]).toEqual(["eve"]);
});
