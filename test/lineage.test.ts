import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createIdSource, createManualClock, createRandom, digestOf } from "../packages/contracts/dist/index.js";
import { batchOf, column } from "../packages/data/dist/index.js";
import { openMemoryOnlineStore } from "../packages/feature-store/dist/drivers/memory.js";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
  sum,
} from "../packages/feature-store/dist/index.js";
import { denseRuntime, packModel, writeDenseModel } from "../packages/model/dist/index.js";
import { openNdjsonCapture, openNdjsonPredictions } from "../packages/monitor/dist/drivers/ndjson.js";
import { openMonitor } from "../packages/monitor/dist/index.js";
import { type LineageReference, type Registry, openRegistry } from "../packages/registry/dist/index.js";
import { openModelServer } from "../packages/serving/dist/index.js";
import { openDirectoryArtifactStore, openEventLog, openSqlite } from "../packages/storage/dist/index.js";

const hourMs = 3_600_000;
const startMs = Date.UTC(2026, 0, 5);
const by = "ann";

const airport = defineEntity({ name: "airport", keys: { airport: "utf8" } });
const weather = defineFeatureView({
  name: "weather",
  entity: airport,
  eventTime: "at",
  features: { wind: "float64", gust: "float64" },
});
const traffic = defineFeatureView({
  name: "traffic",
  entity: airport,
  eventTime: "at",
  inputs: { seats: "float64" },
  aggregates: { flights: count(24 * hourMs), seats: sum("seats", 24 * hourMs) },
});
const both = defineFeatureService({ name: "both", views: [weather, traffic] });
const windOnly = defineFeatureService({ name: "wind_only", views: [weather] });
const seatsOnly = defineFeatureService({ name: "seats_only", views: [traffic] });

interface House extends AsyncDisposable {
  readonly registry: Registry;
  readonly folder: string;
  readonly batch: string;
  readonly raw: string;
  readonly store: Awaited<ReturnType<typeof openFeatureStore>>;
  readonly clock: ReturnType<typeof createManualClock>;
}

/** Data, features, runs, models and endpoints, as the packages themselves tell of them. */
async function openHouse(folder: string): Promise<House> {
  const clock = createManualClock(startMs);
  const ids = createIdSource(clock, createRandom(3));
  const database = await openSqlite(join(folder, "mill.db"), { clock, ids });
  const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
  const registry = await openRegistry({ database, artifacts, directory: join(folder, "staged"), clock, ids });
  const events = openEventLog(database);
  const store = await openFeatureStore({
    history: join(folder, "features"),
    services: [both, windOnly, seatsOnly],
    online: openMemoryOnlineStore(),
    clock,
    events,
  });
  const hours = [1, 2, 3].map((hour) => new Date(startMs - hour * hourMs));
  const rows = (columns: Parameters<typeof batchOf>[0]) => [
    batchOf({ airport: column("utf8", ["JFK", "SFO", "JFK"]), at: column("timestamp", hours), ...columns }),
  ];
  const given = async function* (batches: ReturnType<typeof rows>) {
    yield* batches;
  };
  const gusts = column("float64", [9, 8, 7]);
  const { digest: raw } = await store.ingest(
    weather,
    given(rows({ wind: column("float64", [5, 4, 3]), gust: gusts })),
    {
      batchId: "noaa",
    },
  );
  // A job made the file that was ingested.
  await events.append([
    {
      source: "millwright/jobs",
      type: "job.processed",
      subject: "clean",
      data: { made: [{ kind: "artifact", id: raw, name: "out/weather" }], from: [{ kind: "job", id: "clean" }] },
    },
  ]);
  const { digest: batch } = await store.ingest(traffic, given(rows({ seats: column("float64", [100, 80, 60]) })), {
    batchId: "bts",
  });
  for (const view of [weather, traffic]) await store.materialize(view);
  for (const [name, service, width] of [
    ["late", both, 4],
    ["windy", windOnly, 2],
    ["full", seatsOnly, 2],
    ["shelved", windOnly, 2],
  ] as const) {
    await clock.advance(1000);
    const train = { kind: "dataset", id: digestOf(`train ${name}`), name: "train" } as const;
    const run = await registry.startRun({
      experiment: name,
      name: `train ${name}`,
      from: [train, { kind: "feature-service", id: service.digest, name: service.name }],
    });
    await run.logArtifact("curve.json", new TextEncoder().encode(`{"${name}":1}`));
    await run.end("finished");
    const { files, signature } = writeDenseModel(
      [{ kernel: new Float32Array(width).fill(0.25), bias: Float32Array.of(0), activation: "linear" }],
      { input: "features", output: "delay" },
    );
    const provenance = { datasets: { train: train.id }, code: digestOf("train.ts"), runId: run.id };
    await packModel(join(folder, name), {
      name,
      format: "dense",
      files,
      signature,
      featureService: { name: service.name, digest: service.digest },
      provenance,
      clock,
    });
    await registry.register(name, join(folder, name), { by });
    await registry.approve(name, 1, { status: "approved", by: "bob" });
    await registry.setAlias(name, "champion", 1, { by });
  }
  for (const [endpoint, name] of [
    ["delays", "late"],
    ["storms", "windy"],
    ["seats", "full"],
  ] as const)
    await registry.recordTraffic({ endpoint, shares: [{ variant: "main", name, version: 1, share: 1 }], by });
  return {
    registry,
    folder,
    batch,
    raw,
    store,
    clock,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

let folder = "";
let house: House;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "millwright-lineage-"));
  house = await openHouse(folder);
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
});

/** What people call it: ids of runs, events and definitions differ from release to release. */
const called = ({ kind, name, id }: LineageReference): string => `${kind} ${name ?? id}`;

test("MR-31: the graph from data over features, runs and models to endpoints is the golden one, and no node is alone", async () => {
  const { registry } = house;
  const built = await registry.rebuildLineage();
  const { nodes, edges } = await registry.lineageGraph();
  expect(edges).toEqual(built.edges);
  const ends = new Set(edges.flatMap(({ made, from }) => [made, from]).map(({ kind, id }) => `${kind} ${id}`));
  expect(nodes.map(({ entity }) => `${entity.kind} ${entity.id}`).toSorted()).toEqual([...ends].toSorted());
  const graph = {
    nodes: nodes.map(({ entity, type }) => `${type}: ${called(entity)}`),
    associations: edges.map(({ made, from, association, event }) =>
      [called(from), association, called(made), event.type].join(" | "),
    ),
  };
  const golden = join(import.meta.dirname, "golden", "lineage.json");
  expect(graph).toEqual(JSON.parse(await readFile(golden, "utf8")));
});

test("MR-33: a version leads to its features, their columns, the batches and the jobs that made them", async () => {
  const { registry, raw } = house;
  const { service, features, views } = await registry.featureLineage("late@champion");
  expect(service?.name).toBe("both");
  expect(features.map(({ name, sources }) => [name, sources.flatMap(({ columns }) => columns)])).toEqual([
    ["weather__wind", ["airport", "at", "wind"]],
    ["weather__gust", ["airport", "at", "gust"]],
    ["traffic__flights", ["airport", "at"]],
    ["traffic__seats", ["airport", "at", "seats"]],
  ]);
  expect(views.map(({ name, columns }) => [name, columns])).toEqual([
    ["weather", ["airport", "at", "wind", "gust"]],
    ["traffic", ["airport", "at", "seats"]],
  ]);
  expect(views[0]?.batches).toMatchObject([
    { batchId: "noaa", digest: raw, rows: 3, madeBy: [{ kind: "job", id: "clean" }] },
  ]);
});

test("MR-33: a bad column leads to every endpoint in service whose model has features of it, and to no other", async () => {
  const { registry, batch } = house;
  const affected = async (query: Parameters<Registry["affectedEndpoints"]>[0]) =>
    (await registry.affectedEndpoints(query)).map(({ endpoint, name, features }) => [endpoint, name, features]);
  expect(await affected({ column: "gust" })).toEqual([
    ["delays", "late", ["weather__gust"]],
    ["storms", "windy", ["weather__gust"]],
  ]);
  expect(await affected({ column: "seats" })).toEqual([
    ["delays", "late", ["traffic__seats"]],
    ["seats", "full", ["traffic__seats"]],
  ]);
  expect((await affected({ column: "at" })).map(([endpoint]) => endpoint)).toEqual(["delays", "seats", "storms"]);
  expect((await affected({ column: "at", view: "weather" })).map(([endpoint]) => endpoint)).toEqual([
    "delays",
    "storms",
  ]);
  expect((await affected({ column: "at", dataset: batch })).map(([endpoint]) => endpoint)).toEqual(["delays", "seats"]);
  expect(await affected({ column: "nothing" })).toEqual([]);
  await registry.recordTraffic({ endpoint: "storms", shares: [], by });
  expect((await affected({ column: "gust" })).map(([endpoint]) => endpoint)).toEqual(["delays"]);
});

test("MR-34: a logged prediction leads to variant, model, event times, training data, run, code and approvals", async () => {
  const { registry, store, clock } = house;
  const directory = join(folder, "captured");
  await using capture = await openNdjsonCapture({ directory });
  await using monitor = openMonitor({ clock, capture });
  await using server = await openModelServer({
    source: registry,
    runtimes: [denseRuntime()],
    features: store,
    endpoints: { delays: { variants: { main: { model: "late@champion", weight: 1 } } } },
    predictions: monitor,
    clock,
  });
  const asked: string[] = [];
  for (const name of ["JFK", "SFO", "???", "JFK"]) {
    const { provenance } = await server.predict("delays", { entities: [{ airport: name }] });
    asked.push(provenance.requestId);
  }
  await monitor.flush();
  const predictions = openNdjsonPredictions({ directory });
  const trace = await registry.tracePrediction(asked[1] as string, { predictions });
  expect(trace.prediction).toMatchObject({ endpoint: "delays", variant: "main", requestId: asked[1] });
  expect(trace.traffic?.shares).toEqual([{ variant: "main", name: "late", version: 1, share: 1 }]);
  expect(trace.model).toMatchObject({ name: "late", version: 1, aliases: ["champion"] });
  expect(trace.model.digest).toBe((await registry.version("late/1")).digest);
  const views = trace.features?.views.map(({ view, eventTimesMs, newestBatch }) => [
    view,
    eventTimesMs.length,
    newestBatch?.batchId,
  ]);
  expect(views).toEqual([
    ["weather", 1, "noaa"],
    ["traffic", 1, "bts"],
  ]);
  expect(trace.features?.views.map(({ eventTimesMs }) => eventTimesMs)).toEqual([
    [startMs - 2 * hourMs],
    [startMs - 2 * hourMs],
  ]);
  expect(trace.features?.sources["traffic__seats"]?.[0]?.columns).toEqual(["airport", "at", "seats"]);
  expect(trace.datasets).toEqual({ train: digestOf("train late") });
  expect(trace.code).toBe(digestOf("train.ts"));
  expect(trace.run?.name).toBe("train late");
  expect(trace.approvals).toMatchObject([{ status: "approved", by: "bob" }]);
  expect(trace.gaps).toEqual([]);
  const absent = await registry.tracePrediction(asked[2] as string, { predictions });
  expect(absent.features?.views[0]?.eventTimesMs).toEqual([null]);
  await expect(registry.tracePrediction("nobody", { predictions })).rejects.toMatchObject({
    code: "REGISTRY_PREDICTION_UNKNOWN",
  });
});
