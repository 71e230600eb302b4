import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createManualClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect } from "vitest";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  type KeyedOnlineStore,
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { lockDirectory } from "../src/online/directory-lock.ts";
import { openPlace, testKeyed } from "./keyed-kinds.ts";
import { begin } from "./kill.ts";
import { batches, columnsOf, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const NOW = 2_400 * HOUR;
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const newest = defineFeatureView({ name: "newest", entity: user, eventTime: "at", features: { value: "int32" } });
const totals = defineFeatureView({
  name: "totals",
  entity: user,
  eventTime: "at",
  inputs: { value: "int32" },
  aggregates: { rows: count(days(7)), total: sum("value", days(7)) },
});
const services = [defineFeatureService({ name: "all", views: [newest, totals] })];
const views = [newest, totals];
const row = (name: string, hoursAgo: number, value: number) => ({
  user: name,
  at: new Date(NOW - hoursAgo * HOUR),
  value,
});
const rowsOf = (names: readonly string[], hoursAgo: number, value: number) =>
  batches(
    batchOf({
      user: [...names],
      at: names.map(() => new Date(NOW - hoursAgo * HOUR)),
      value: column(
        "int32",
        names.map(() => value),
      ),
    }),
  );

/** What is online of users: the newest value, how many rows, and their sum. */
async function online(store: FeatureStore, ...names: readonly string[]): Promise<unknown[][]> {
  const { features } = await store.read("all", { entities: batchOf({ user: [...names] }), timeMs: NOW });
  const columns = columnsOf(features);
  return names.map((_, index) =>
    ["newest__value", "totals__rows", "totals__total"].map((name) => columns[name]![index]),
  );
}

/** Claims the journals of a view for this process, as one that recovers them does. @returns what gives them back. */
async function holdJournals(history: string, view: string): Promise<() => Promise<void>> {
  const root = join(history, view, "_puts");
  const folders = (await readdir(root)).map((id) => join(root, id));
  expect(folders).toHaveLength(1);
  for (const folder of folders) await rm(join(folder, "lock"));
  const unlocks = await Promise.all(folders.map(lockDirectory));
  return async () => {
    for (const unlock of unlocks) await unlock();
  };
}

/** A store that does something before some of its updates. */
function before(
  store: KeyedOnlineStore,
  act: (group: string, keys: readonly string[]) => Promise<void>,
): KeyedOnlineStore {
  return {
    capabilities: store.capabilities,
    read: (...given) => store.read(...given),
    readNow: (...given) => store.readNow(...given),
    scan: (...given) => store.scan(...given),
    async update(group, keys, change, options) {
      await act(group, keys);
      await store.update(group, keys, change, options);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

testKeyed(
  "what other processes put, update and delete before and while a view is loaded anew stays online",
  async (kind) => {
    await using directory = await temporaryDirectory();
    await using place = await openPlace(kind, directory.path);
    await using duckdb = await openDuckDb();
    const [one, two] = [await place.open(), await place.open()];
    const parts = { history: join(directory.path, "history"), services, duckdb, clock: createManualClock(NOW) };
    let act: ((keys: readonly string[]) => Promise<void>) | undefined;
    const hooked = before(one.online, async (group, keys) => {
      const once = act;
      if (group !== "user" || once === undefined) return;
      act = undefined;
      await once(keys);
    });
    {
      await using loader = await openFeatureStore({ ...parts, online: hooked });
      await using other = await openFeatureStore({ ...parts, online: two.online });
      const names = ["ann", "bob", "eve", "dan", "fay"];
      for (const view of views) await loader.ingest(view, rowsOf(names, 9, 1));
      for (const view of views) await loader.materialize(view);
      // In the journal of the other process alone, and of an entity that the history does not have.
      for (const view of views) await other.put(view, [row("ann", 5, 10), row("new", 5, 10)]);
      await other.put(newest, [row("dan", 7, 5)]);
      await other.update(newest, { user: "bob" }, { value: 7 });
      await other.delete(newest, { user: "eve" }, { hard: true, eventTimeMs: NOW - 6 * HOUR });
      await other.delete(newest, { user: "fay" }, { hard: true, eventTimeMs: NOW });
      await other.delete(newest, { user: "dan" });
      for (const view of views) await loader.materialize(view, { upToMs: NOW });
      expect(await online(loader, "ann", "new", "bob", "eve", "dan", "fay")).toEqual([
        [10, 2, 11],
        [10, 1, 10],
        [7, 1, 1],
        [null, 1, 1],
        [null, 1, 1],
        [null, 1, 1],
      ]);
      // While the view is loaded: before the first piece is written, a put that stays in the journal, one that comes into the history, and a batch of its own.
      for (const view of views) {
        act = async () => {
          await other.put(view, [row("ann", 4, 100)]);
          await other.put(view, [row("bob", 4, 100)]);
          await other.flush(view);
          await other.put(view, [row("eve", 4, 100), row("later", 4, 100)]);
          await other.ingest(view, rowsOf(["dan"], 3, 1000));
          await other.materialize(view);
        };
        await loader.materialize(view, { upToMs: NOW });
        expect(act).toBeUndefined();
      }
      const wanted = [
        [100, 3, 111],
        [7, 2, 101],
        [100, 2, 101],
        [100, 1, 100],
        [null, 2, 1001],
      ];
      expect(await online(loader, "ann", "bob", "eve", "later", "dan")).toEqual(wanted);
      await other.flush();
      for (const view of views) await loader.materialize(view);
      expect(await online(other, "ann", "bob", "eve", "later", "dan")).toEqual(wanted);
      for (const view of views) await other.materialize(view, { upToMs: NOW });
      expect(await online(loader, "ann", "bob", "eve", "later", "dan")).toEqual(wanted);
    }
    for (const each of [one, two]) await each.close();
  },
);

testKeyed(
  "a put whose batch is flushed and loaded by another process before it is online counts once",
  async (kind) => {
    await using directory = await temporaryDirectory();
    await using place = await openPlace(kind, directory.path);
    await using duckdb = await openDuckDb();
    const [one, two] = [await place.open(), await place.open()];
    const parts = { history: join(directory.path, "history"), services, duckdb, clock: createManualClock(NOW) };
    {
      await using loader = await openFeatureStore({ ...parts, online: one.online });
      let act: (() => Promise<void>) | undefined;
      const hooked = before(two.online, async () => {
        const once = act;
        act = undefined;
        await once?.();
      });
      await using putting = await openFeatureStore({ ...parts, online: hooked });
      await loader.ingest(totals, rowsOf(["ann", "bob"], 9, 1));
      await loader.materialize(totals, { upToMs: NOW });
      for (const upToMs of [NOW, NOW - 6 * HOUR]) {
        const [before] = await online(loader, "ann");
        act = async () => {
          await putting.flush(totals);
          await loader.materialize(totals, { upToMs });
        };
        await putting.put(totals, [row("ann", 5, 10)]);
        const [after] = await online(loader, "ann");
        expect([Number(after![1]) - Number(before![1]), Number(after![2]) - Number(before![2])]).toEqual([1, 10]);
      }
    }
    for (const each of [one, two]) await each.close();
  },
);

testKeyed(
  "a journal that a killed process left counts once, however many others came to its entity before it is recovered",
  async (kind) => {
    await using directory = await temporaryDirectory();
    await using place = await openPlace(kind, directory.path);
    const history = join(directory.path, "history");
    const child = await begin("keyed-put-and-hang.mjs", [kind, place.place, history, String(NOW)]);
    await child.killAfter(0);
    const opened = await place.open();
    const parts = { history, clock: createManualClock(NOW), online: opened.online };
    const many = 40;
    {
      // Journals of one process, each written out in its turn; the one that was left is held as if its recovery were under way.
      await using duckdb = await openDuckDb();
      const held = await holdJournals(history, totals.id);
      await using store = await openFeatureStore({ ...parts, services, duckdb });
      for (let index = 0; index < many; index++) {
        await store.put(totals, [row("ann", 2, 1)]);
        await store.flush(totals);
      }
      expect(await online(store, "ann")).toEqual([[null, many + 1, many + 1]]);
      const [entry] = await opened.online.read("user", ["ann"]);
      expect(entry!.length).toBeLessThan(8_000);
      await held();
    }
    await using duckdb = await openDuckDb();
    await using store = await openFeatureStore({ ...parts, services, duckdb });
    expect(await online(store, "ann")).toEqual([[null, many + 1, many + 1]]);
    for (const options of [{}, { upToMs: NOW }]) {
      await store.materialize(totals, options);
      expect(await online(store, "ann")).toEqual([[null, many + 1, many + 1]]);
    }
    await opened.close();
  },
);

testKeyed(
  "a piece that is written again after a run broke off undoes no hard delete and no replacement that came in between",
  async (kind) => {
    await using directory = await temporaryDirectory();
    await using place = await openPlace(kind, directory.path);
    await using duckdb = await openDuckDb();
    const [one, two] = [await place.open(), await place.open()];
    const parts = { history: join(directory.path, "history"), services, duckdb, clock: createManualClock(NOW) };
    const failing = before(one.online, async (group) => {
      if (group.startsWith("_cursor")) throw new Error("the power went");
    });
    {
      await using broken = await openFeatureStore({ ...parts, online: failing });
      await using other = await openFeatureStore({ ...parts, online: two.online });
      await broken.ingest(newest, rowsOf(["ann", "bob", "eve"], 9, 1));
      await expect(broken.materialize(newest)).rejects.toThrow("the power went");
      expect(await online(other, "ann", "bob")).toEqual([
        [1, null, null],
        [1, null, null],
      ]);
      await other.delete(newest, { user: "ann" }, { hard: true });
      await other.put(newest, [row("bob", 9, 2)]);
      expect(await other.materialize(newest)).toMatchObject({ batches: 1 });
      expect(await online(other, "ann", "bob", "eve")).toEqual([
        [null, null, null],
        [2, null, null],
        [1, null, null],
      ]);
      expect((await other.get(newest, { user: "ann" })).status).toBe("missing");
    }
    for (const each of [one, two]) await each.close();
  },
);
