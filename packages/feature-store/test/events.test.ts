import { createManualClock, type EventLog, type MillwrightEvent } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openMemoryEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { count, defineFeatureService, defineFeatureView, openFeatureStore } from "../src/index.ts";
import { batches, temporaryDirectory } from "./rows.ts";
import { clicks, HOUR, service, times, user } from "./score-service.ts";

const rows = (ms: number) =>
  batches(batchOf({ user: column("utf8", ["ann", null]), at: times([1, 2]), ms: column("float64", [ms, 4]) }));

async function eventsOf(log: EventLog): Promise<readonly MillwrightEvent[]> {
  const events: MillwrightEvent[] = [];
  for await (const { event } of log.read()) events.push(event);
  return events;
}

test("what happened to a view is one chain of events, each with what it made and what from, each once", async () => {
  await using folder = await temporaryDirectory();
  const log = openMemoryEventLog();
  const open = () =>
    openFeatureStore({
      history: folder.path,
      services: [service],
      online: openMemoryOnlineStore(),
      clock: createManualClock(11 * HOUR),
      events: log,
    });
  {
    await using store = await open();
    const { digest, added } = await store.ingest(clicks, rows(3), { batchId: "one" });
    expect(added).toBe(true);
    await store.ingest(clicks, rows(3), { batchId: "one" });
    await store.materialize(clicks, { upToMs: 5 * HOUR });
    const events = (await eventsOf(log)).filter(({ subject }) => subject === "clicks");
    expect(events.map(({ type }) => type)).toEqual([
      "feature.view-applied",
      "feature.ingested",
      "feature.materialized",
    ]);
    expect(events.map(({ causationid }) => causationid)).toEqual([undefined, events[0]?.id, events[1]?.id]);
    const view = { kind: "feature-view", id: events[0]?.data["digest"], name: "clicks" };
    expect(events[0]?.data.made).toEqual([view]);
    expect(events[1]?.data).toMatchObject({
      batchId: "one",
      rows: 1,
      skippedRows: 1,
      made: [view],
      from: [{ kind: "dataset", id: digest, name: "one" }],
    });
    expect(events[2]?.data).toMatchObject({ upToMs: 5 * HOUR, rows: 1, keptRows: 0, from: [view] });
  }
  const before = (await eventsOf(log)).length;
  await using again = await open();
  await again.ingest(clicks, rows(3), { batchId: "one" });
  expect(await eventsOf(log)).toHaveLength(before);
});

test("definitions tell which columns each feature is made of, and what a service is made of", async () => {
  await using folder = await temporaryDirectory();
  const log = openMemoryEventLog();
  await using store = await openFeatureStore({ history: folder.path, services: [service], events: log });
  expect((await store.describe("score")).name).toBe("score");
  const events = await eventsOf(log);
  const of = (type: string, subject: string) => events.find((each) => each.type === type && each.subject === subject);
  const view = of("feature.view-applied", "clicks");
  expect(view?.data).toMatchObject({
    columns: ["user", "at", "ms"],
    rowColumns: ["user", "at"],
    features: { clicks_3h: [], ms_mean_1d: ["ms"] },
  });
  expect(of("feature.view-applied", "profile")?.data).toMatchObject({
    rowColumns: ["user", "at", "seen"],
    features: { plan: ["plan"], credit: ["credit"] },
  });
  const told = of("feature.service-applied", "score");
  expect(told?.data.made).toEqual([{ kind: "feature-service", id: service.digest, name: "score" }]);
  expect(told?.data.from).toContainEqual({ kind: "feature-view", id: view?.data["digest"], name: "clicks" });
  expect(told?.data["features"]).toMatchObject({
    clicks__ms_mean_1d: [["clicks", "ms_mean_1d"]],
    profile__plan: [["profile", "plan"]],
    hour: [],
  });
});

test("another definition is applied once, and so is the old one when it is taken up again", async () => {
  await using folder = await temporaryDirectory();
  const log = openMemoryEventLog();
  const serviceWith = (hours: number) => {
    const view = defineFeatureView({
      name: "visits",
      entity: user,
      eventTime: "at",
      aggregates: { visits: count(hours * HOUR) },
    });
    return defineFeatureService({ name: "visits", views: [view] });
  };
  for (const hours of [1, 1, 2, 2, 1]) {
    await using store = await openFeatureStore({ history: folder.path, services: [serviceWith(hours)], events: log });
    expect((await store.describe("visits")).name).toBe("visits");
  }
  const events = await eventsOf(log);
  for (const applied of ["feature.view-applied", "feature.service-applied"]) {
    const digests = events.filter(({ type }) => type === applied).map(({ data }) => data["digest"]);
    expect(digests).toHaveLength(3);
    expect(digests[2]).toEqual(digests[0]);
    expect(digests[1]).not.toEqual(digests[0]);
  }
});

test("a batch whose event was not written is told when it is sent again", async () => {
  await using folder = await temporaryDirectory();
  const memory = openMemoryEventLog();
  let away = false;
  const log: EventLog = {
    read: memory.read,
    append: (events) => (away ? Promise.reject(new Error("The disk is full.")) : memory.append(events)),
  };
  await using store = await openFeatureStore({ history: folder.path, services: [service], events: log });
  away = true;
  await expect(store.ingest(clicks, rows(3))).rejects.toThrow("The disk is full.");
  away = false;
  const { added, batchId } = await store.ingest(clicks, rows(3));
  expect(added).toBe(false);
  const told = (await eventsOf(log)).filter(({ type }) => type === "feature.ingested");
  expect(told.map(({ data }) => data["batchId"])).toEqual([batchId]);
});
