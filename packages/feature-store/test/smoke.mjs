// A small action on every supported Node: ingest, push, read at a time, in this process and over HTTP.
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
import { openFeastFeatureSource } from "@millwright/feature-store/drivers/feast";
import { openMemoryOnlineStore } from "@millwright/feature-store/drivers/memory";
import { featureStoreRoutes } from "@millwright/feature-store/fastify";
import { definitionsOfFeastRegistry, feastRoutes } from "@millwright/feature-store/feast";
import fastify from "fastify";

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

// Over HTTP: the house's face, and Feast's with its reader.
const clock = { nowMs: () => timeMs, sleep: () => Promise.resolve() };
const app = fastify();
await app.register(featureStoreRoutes(store, { services: [service], clock }));
await app.register(feastRoutes(store, { services: [service], clock }), { prefix: "/feast" });
const url = await app.listen({ port: 0, host: "127.0.0.1" });
const answer = await fetch(`${url}/services/late/read`, {
  method: "POST",
  body: JSON.stringify({ entities: { origin: ["JFK"] } }),
});
assert.deepEqual((await answer.json()).features.delays__mean_3h, [90]);
const feast = openFeastFeatureSource({ url: `${url}/feast`, services: [service], clock });
const read = await feast.read("late", { entities: batchOf({ origin: ["JFK"] }) });
assert.deepEqual(toArray(read.features.columns.delays__mean_3h), [90]);
assert.deepEqual(definitionsOfFeastRegistry({}).views, []);
await app.close();
await store[Symbol.asyncDispose]();
await rm(history, { recursive: true });
