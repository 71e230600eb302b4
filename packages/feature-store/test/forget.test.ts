import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createManualClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { open } from "lmdb";
import { expect, test } from "vitest";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
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
async function plant(store: FeatureStore): Promise<TrainingSetPin> {
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
  const pin = await plant(store);
  const before = await holding(folder);
  for (const layer of [/ds=/, /_quarantine/, /_datasets\/all-/, /_datasets\/labels-/, /online/]) {
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
  expect(new Set(receipt.places.map(({ what }) => what))).toEqual(
    new Set(["history", "segment", "quarantine", "training-set", "online"]),
  );
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
  await again.store.put(profile, [record(CANARY, NOW - HOUR)]);
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

test("of a keyed store the entry goes, for all views of the entity; its file's free pages are the engine's", async () => {
  await using directory = await temporaryDirectory();
  const root = open({ path: join(directory.path, "online.lmdb") });
  const openOnline = async () => openLmdbOnlineStore(root, { flush: "system" });
  const left = await forgetPlanted({ folder: directory.path, openOnline });
  expect(left.filter((path) => !path.startsWith("online.lmdb"))).toEqual([]);
  await root.close();
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
});
