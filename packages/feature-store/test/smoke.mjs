// A small action on every supported Node: push to an online log, read at a time, open the log again.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batchOf, collect, column, datasetOf, toArray } from "@millwright/data";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  mean,
  openFeatureStore,
} from "@millwright/feature-store";
import { openMemoryOnlineStore } from "@millwright/feature-store/drivers/memory";

const history = await mkdtemp(join(tmpdir(), "millwright-smoke-"));
const delays = defineFeatureView({
  name: "delays",
  entity: defineEntity({ name: "airport", keys: { origin: "utf8" } }),
  eventTime: "landed",
  inputs: { delay: "int32" },
  aggregates: { mean_3h: mean("delay", hours(3)), flights_7d: count(days(7)) },
});
const service = defineFeatureService({ name: "late", views: [delays] });
const store = await openFeatureStore({ history, services: [service], online: openMemoryOnlineStore() });
const at = (...ofDay) =>
  column(
    "timestamp",
    ofDay.map((hour) => new Date(Date.UTC(2024, 0, 1, hour))),
  );
const landed = batchOf({ origin: ["JFK", "JFK"], landed: at(8, 9), delay: column("int32", [30, 10]) });
await store.ingest(delays, datasetOf([landed]));
const labels = batchOf({ origin: ["JFK"], departure: at(10), late: [true] });
const train = await collect(await store.history(service, { labels, labelTime: "departure" }));
assert.deepEqual(toArray(train.columns.delays__mean_3h), [20]);

await store.push(delays, batchOf({ origin: ["JFK"], landed: at(11), delay: column("int32", [90]) }));
const timeMs = Date.UTC(2024, 0, 1, 12);
const { features } = await store.read("late", { entities: batchOf({ origin: ["JFK"] }), timeMs });
assert.deepEqual(toArray(features.columns.delays__mean_3h), [90]);
await store[Symbol.asyncDispose]();
await rm(history, { recursive: true });
