import { hasCode, type Batch } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { defineFeatureService, openFeatureStore, type FeatureView } from "../src/index.ts";
import { at, define, record, scanned, setUp } from "./profile-store.ts";
import { columnsOfDataset, temporaryDirectory } from "./rows.ts";

function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) =>
    permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

test("FS-1: a feature added later reads as absent of old records, never as 0; a name that the history keeps for itself is refused", async () => {
  await using directory = await temporaryDirectory();
  const open = (view: FeatureView) =>
    openFeatureStore({
      history: directory.path,
      services: [defineFeatureService({ name: "all", views: [view] })],
      online: openMemoryOnlineStore(),
    });
  const old = define();
  {
    await using store = await open(old);
    await store.put(old, [record("ann", 10)]);
  }
  const wider = define({ features: { plan: "utf8", credit: "int64", score: "float64", visits: "int32" } });
  await using store = await open(wider);
  await store.put(wider, [{ ...record("bob", 20), visits: 3 }]);
  await store.materialize(wider, { upToMs: 100 });
  expect((await store.get(wider, { user: "ann" })).values).toEqual({
    plan: "plan 10",
    credit: 10n,
    score: 1,
    visits: null,
  });
  expect((await store.get(wider, { user: "bob" })).values["visits"]).toBe(3);
  const labels = batchOf({ user: ["ann", "bob"], at: [at(50), at(50)] });
  const train = await columnsOfDataset(await store.history("all", { labels, labelTime: "at" }));
  expect(train["profile__visits"]).toEqual([null, 3]);
  for (const name of ["is_deleted", "write_time", "api_invocation_time"]) {
    expect(() => define({ features: { [name]: "bool" } })).toThrow(
      expect.objectContaining({ code: "FEATURE_STORE_NAME_RESERVED", message: expect.stringContaining(name) }),
    );
  }
});

test("FS-2: put in whatever order, the record with the latest event time is online, and all are in the history", async () => {
  for (const order of permutations([10, 5, 20])) {
    await using setting = await setUp(define());
    const { store, view } = setting;
    let newestSoFar = Number.NEGATIVE_INFINITY;
    for (const ms of order) {
      expect(await store.put(view, [record("ann", ms)])).toEqual({
        rows: 1,
        newest: ms > newestSoFar ? 1 : 0,
        skippedRows: 0,
      });
      newestSoFar = Math.max(newestSoFar, ms);
    }
    expect(await store.get(view, { user: "ann" })).toEqual({
      status: "present",
      values: { plan: "plan 20", credit: 20n, score: 2 },
      eventTimeMs: 20,
    });
    const rows = await scanned(store, {});
    expect(rows["plan"]).toEqual(["plan 5", "plan 10", "plan 20"]);
    expect(rows["is_deleted"]).toEqual([false, false, false]);
    expect(rows["write_time"]).toEqual([1_000_000n, 1_000_000n, 1_000_000n]);
  }
});

test("FS-4: of two records with one event time the rule decides which counts, online and in the training set; both stay in the history", async () => {
  for (const ties of ["first", "last"] as const) {
    await using setting = await setUp(define({ ties }));
    const { store, view, clock } = setting;
    await store.put(view, [record("ann", 10, "one")]);
    await clock.advance(5);
    await store.put(view, [record("ann", 10, "two")]);
    const counts = ties === "first" ? "one" : "two";
    expect((await store.get(view, { user: "ann" })).values["plan"]).toBe(counts);
    const kept = await scanned(store, { duplicates: "keep" });
    expect(kept["plan"]).toEqual(["one", "two"]);
    expect(kept["write_time"]).toEqual([1_000_000n, 1_005_000n]);
    expect((await scanned(store, {}))["plan"]).toEqual([counts]);
    const labels = batchOf({ user: ["ann"], at: [at(50)] });
    const train = await columnsOfDataset(await store.history("all", { labels, labelTime: "at" }));
    expect(train["profile__plan"]).toEqual([counts]);
    await store.materialize(view, { upToMs: 100 });
    expect((await store.get(view, { user: "ann" })).values["plan"]).toBe(counts);
  }
});

test("FS-5: changes of single features at once lose none; a condition on the event time holds", async () => {
  const names = Array.from({ length: 50 }, (_, index) => `feature_${index}`);
  await using setting = await setUp(define({ features: Object.fromEntries(names.map((name) => [name, "int32"])) }));
  const { store, view } = setting;
  await store.put(view, [{ user: "ann", at: at(10), ...Object.fromEntries(names.map((name) => [name, 0])) }]);
  await Promise.all(names.map((name, index) => store.update(view, { user: "ann" }, { [name]: index + 1 })));
  const { values, eventTimeMs } = await store.get(view, { user: "ann" }, { timeMs: 2_000 });
  expect(values).toEqual(Object.fromEntries(names.map((name, index) => [name, index + 1])));
  const conflict = store.update(view, { user: "ann" }, { feature_0: 7 }, { ifEventTimeMs: 10 });
  await expect(conflict).rejects.toSatisfy((error) => hasCode(error, "FEATURE_STORE_EVENT_TIME_CONFLICT"));
  await store.update(view, { user: "ann" }, { feature_0: 7 }, { ifEventTimeMs: eventTimeMs });
  expect((await store.get(view, { user: "ann" }, { timeMs: 2_000 })).values["feature_0"]).toBe(7);
  await expect(store.update(view, { user: "eve" }, { feature_0: 1 })).rejects.toSatisfy((error) =>
    hasCode(error, "FEATURE_STORE_RECORD_MISSING"),
  );
  // Every state it was in is in the history.
  expect((await scanned(store, {}))["feature_0"]).toHaveLength(52);
});

test("FS-6: soft and hard deletes earlier than, at and later than the record", async () => {
  const outcomes: unknown[] = [];
  for (const hard of [false, true]) {
    for (const ms of [5, 10, 15]) {
      await using setting = await setUp(define());
      const { store, view } = setting;
      await store.put(view, [record("ann", 10)]);
      const deleted = await store.delete(view, { user: "ann" }, { hard, eventTimeMs: ms }).then(
        () => "done",
        (error: { code: string }) => error.code,
      );
      const rows = await scanned(store, { deleted: "keep" });
      outcomes.push({
        hard,
        ms,
        deleted,
        online: (await store.get(view, { user: "ann" })).status,
        markers: rows["is_deleted"]!.filter((each) => each === true).length,
        training: (await scanned(store, { latest: true }))["plan"]!.length,
      });
    }
  }
  const outdated = "FEATURE_STORE_DELETE_OUTDATED";
  expect(outcomes).toEqual([
    // Too late to count online; the marker is written all the same.
    { hard: false, ms: 5, deleted: "done", online: "present", markers: 1, training: 1 },
    { hard: false, ms: 10, deleted: "done", online: "present", markers: 1, training: 0 },
    { hard: false, ms: 15, deleted: "done", online: "deleted", markers: 1, training: 0 },
    { hard: true, ms: 5, deleted: outdated, online: "present", markers: 0, training: 1 },
    { hard: true, ms: 10, deleted: outdated, online: "present", markers: 0, training: 1 },
    { hard: true, ms: 15, deleted: "done", online: "missing", markers: 1, training: 0 },
  ]);
});

test("FS-6: after a soft delete an older record stays historic, after a hard one it counts again; a newer one counts after both", async () => {
  for (const hard of [false, true]) {
    await using setting = await setUp(define());
    const { store, view } = setting;
    await store.put(view, [record("ann", 10)]);
    await store.delete(view, { user: "ann" }, { hard, eventTimeMs: 20 });
    expect((await store.put(view, [record("ann", 15)])).newest).toBe(hard ? 1 : 0);
    expect((await store.get(view, { user: "ann" })).status).toBe(hard ? "present" : "deleted");
    await store.put(view, [record("ann", 30)]);
    expect((await store.get(view, { user: "ann" })).values["plan"]).toBe("plan 30");
    const labels = batchOf({ user: ["ann", "ann", "ann"], at: [at(12), at(25), at(40)] });
    const train = await columnsOfDataset(await store.history("all", { labels, labelTime: "at" }));
    // In between it was deleted, whatever its kind.
    expect(train["profile__plan"]).toEqual(["plan 10", null, "plan 30"]);
  }
});

test("FS-7: a record expires at its event time and time to live, to the millisecond; its own goes before the view's", async () => {
  await using setting = await setUp(define({ ttlMs: 100 }), 50);
  const { store, view, clock } = setting;
  await store.put(view, [record("view's", 40)]);
  await store.put(view, [record("longer", 40)], { ttlMs: 500 });
  await store.put(view, [record("shorter", 40)], { ttlMs: 20 });
  const statuses = async () =>
    await Promise.all(
      ["view's", "longer", "shorter"].map(async (name) => (await store.get(view, { user: name })).status),
    );
  await clock.advance(9);
  expect(await statuses()).toEqual(["present", "present", "present"]);
  expect((await store.get(view, { user: "shorter" })).expiresAtMs).toBe(60);
  await clock.advance(1);
  expect(await statuses()).toEqual(["present", "present", "expired"]);
  await clock.advance(79);
  expect(await statuses()).toEqual(["present", "present", "expired"]);
  await clock.advance(1);
  expect(await statuses()).toEqual(["expired", "present", "expired"]);
  // The training set has it the same, for every moment.
  const names = ["view's", "longer", "shorter"];
  const moments = [59, 60, 139, 140, 539, 540];
  const labels: Batch = batchOf({
    user: names.flatMap((name) => moments.map(() => name)),
    at: names.flatMap(() => moments.map(at)),
  });
  const train = await columnsOfDataset(await store.history("all", { labels, labelTime: "at" }));
  const isThere = train["profile__plan"]!.map((plan) => (plan === null ? 0 : 1));
  expect(isThere).toEqual(
    [
      [1, 1, 1, 0, 0, 0],
      [1, 1, 1, 1, 1, 0],
      [1, 0, 0, 0, 0, 0],
    ].flat(),
  );
  // One that has expired already stands in the history alone.
  expect(await store.put(view, [record("late", 10)])).toMatchObject({ rows: 1, newest: 0 });
  expect((await store.get(view, { user: "late" })).status).toBe("missing");
  expect((await scanned(store, {}))["user"]).toContain("late");
});
