import { createManualClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { defineFeatureService, openFeatureStore } from "../src/index.ts";
import { define, record, setUp } from "./profile-store.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

test("FS-9: many records at once, each with an outcome of its own", async () => {
  await using setting = await setUp(define({ ttlMs: 500 }));
  const { store, view } = setting;
  const names = Array.from({ length: 100 }, (_, index) => `user ${index}`);
  const missing = new Set(["user 7", "user 50", "user 99"]);
  await store.put(
    view,
    names.filter((name) => !missing.has(name)).map((name) => record(name, name === "user 12" ? 501 : 900)),
  );
  await setting.clock.advance(10);
  const requests = names.map((name) => ({ view: name === "user 33" ? "nobody's" : "profile", keys: { user: name } }));
  const outcomes = await store.getMany(requests);
  const counts: Record<string, number> = {};
  for (const { status } of outcomes) counts[status] = (counts[status] ?? 0) + 1;
  expect(counts).toEqual({ present: 95, missing: 3, expired: 1, error: 1 });
  expect(outcomes[12]).toMatchObject({ status: "expired", expiresAtMs: 1001 });
  expect(outcomes[33]).toMatchObject({ error: { code: "FEATURE_STORE_VIEW_UNKNOWN" } });
  expect(outcomes[98]).toMatchObject({ status: "present", values: { plan: "plan 900" }, expiresAtMs: 1400 });
  const some = await store.getMany([{ view, keys: { user: "user 1" }, features: ["score"] }]);
  expect(some).toMatchObject([{ values: { score: 90 } }]);
  expect((await store.getMany(requests, { maxRecords: 2 })).map(({ status }) => status).slice(0, 4)).toEqual([
    "present",
    "present",
    "unprocessed",
    "unprocessed",
  ]);
});

test("FS-11: a row older than its freshness is served with a mark, stood in for, or fails the read; ages are counted", async () => {
  const ages: number[] = [];
  const meter = {
    counter: () => ({ add: () => {} }),
    gauge: () => ({ set: () => {} }),
    histogram: () => ({ observe: (value: number) => void ages.push(value) }),
  };
  for (const onStale of ["serve", "default", "fail"] as const) {
    await using directory = await temporaryDirectory();
    const clock = createManualClock(1_000);
    const view = define({ freshness: { maxAgeMs: 100, onStale }, defaults: { plan: "free", score: -1 } });
    const services = [defineFeatureService({ name: "all", views: [view] })];
    await using store = await openFeatureStore({
      history: directory.path,
      services,
      online: openMemoryOnlineStore(),
      clock,
      meter,
    });
    await store.put(view, [record("ann", 950)]);
    const read = () => store.read("all", { entities: batchOf({ user: column("utf8", ["ann", "eve"]) }) });
    await clock.advance(49);
    const fresh = await read();
    expect(fresh.views["profile"]!.status).toEqual(["present", "defaulted"]);
    expect(columnsOf(fresh.features)).toEqual({
      profile__plan: ["plan 950", "free"],
      profile__credit: [950n, null],
      profile__score: [95, -1],
    });
    await clock.advance(1);
    if (onStale === "fail") {
      await expect(read()).rejects.toMatchObject({ code: "FEATURE_STORE_STALE", retryable: true });
    } else {
      const { features, views } = await read();
      expect(views["profile"]!.status[0]).toBe(onStale === "serve" ? "stale" : "defaulted");
      expect(columnsOf(features)["profile__plan"]![0]).toBe(onStale === "serve" ? "plan 950" : "free");
    }
  }
  expect(ages).toEqual([0.099, 0.1, 0.099, 0.1, 0.099, 0.1]);
});
