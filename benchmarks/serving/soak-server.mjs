// The server of the soak, with the usual things on: soak-server.mjs FOLDER. It tells its parent its port, and then on each message how it is.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PerformanceObserver, monitorEventLoopDelay } from "node:perf_hooks";
import fastify from "../../packages/serving/node_modules/fastify/fastify.js";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "../../packages/model/dist/index.js";
import { createMeter, openMonitor } from "../../packages/monitor/dist/index.js";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
} from "../../packages/feature-store/dist/index.js";
import { openMemoryOnlineStore } from "../../packages/feature-store/dist/drivers/memory.js";
import { idempotency, listen, openModelServer, responseCache } from "../../packages/serving/dist/index.js";
import { createRedactor, openDataCapture } from "../../packages/serving/dist/capture.js";
import { openSqlite } from "../../packages/storage/dist/index.js";
import { seededRandom } from "../feature-store/referee.mjs";

const [folder] = process.argv.slice(2);
const models = join(folder, "models");
const width = 16;
const versions = 4;
const warnings = new Map();
process.on("warning", ({ name, message, stack }) => {
  const known = warnings.get(name) ?? { count: 0, first: stack ?? message };
  warnings.set(name, { ...known, count: known.count + 1 });
});

const names = Array.from({ length: width }, (_, at) => `f${at}`);
const view = defineFeatureView({
  name: "flights",
  entity: defineEntity({ name: "flight", keys: { flight: "utf8" } }),
  eventTime: "at",
  features: Object.fromEntries(names.map((name) => [name, "float32"])),
});
const service = defineFeatureService({ name: "late", views: [view] });
const features = await openFeatureStore({
  history: join(folder, "features"),
  services: [service],
  online: openMemoryOnlineStore(),
});
const random = seededRandom(7);
const numbers = (count) => Float32Array.from({ length: count }, () => random() - 0.5);
const flights = Array.from({ length: 1000 }, (_, at) => ({
  flight: `AA${at}`,
  at: new Date(),
  ...Object.fromEntries(names.map((name) => [name, random()])),
}));
await features.push(view, flights);

const sizes = [width, 64, 32, 1];
const { digest } = await features.describe("late");
for (const name of ["late", "fed"])
  for (let version = 1; version <= versions; version += 1) {
    const layers = sizes.slice(1).map((units, at) => ({
      kernel: numbers(sizes[at] * units),
      bias: numbers(units),
      activation: units === 1 ? "sigmoid" : "relu",
    }));
    const featureService = name === "fed" ? { featureService: { name: "late", digest } } : {};
    const written = writeDenseModel(layers, { input: "features", output: "probability" });
    await packModel(join(models, name, String(version)), { name, format: "dense", ...written, ...featureService });
  }
const aliases = { champion: 1 };
const point = (version) => {
  aliases.champion = version;
  for (const name of ["late", "fed"]) {
    const path = join(models, name, "aliases.json");
    writeFileSync(`${path}.next`, JSON.stringify(aliases));
    renameSync(`${path}.next`, path);
  }
};
point(1);

const meter = createMeter();
const kept = Object.fromEntries(
  [...names, "features", "predictions", "probability", "data", "score"].map((name) => [name, "keep"]),
);
const redactor = createRedactor({ fields: { ...kept, flight: "mask" } });
mkdirSync(join(folder, "captured"));
const exchanges = await openDataCapture({
  directory: join(folder, "captured"),
  redactor,
  inputColumns: names,
  outputColumns: ["probability"],
  meter,
  maxDiskShare: 0.95,
});
const database = await openSqlite(join(folder, "serving.db"));
// The monitor keeps windows of a minute, by default for two hours each before it joins them: within ten minutes it is to have all it will ever have.
const monitor = openMonitor({ evaluateEveryMs: 10_000, retainMs: 300_000 });
const admission = { concurrency: 64, maxQueue: 512 };
const server = await openModelServer({
  source: openDirectoryModelSource(models, { pollMs: 500 }),
  runtimes: [denseRuntime()],
  features,
  database,
  meter,
  metrics: meter,
  predictions: monitor,
  exchanges,
  redactor,
  bodyTimeoutMs: 3000,
  maxBodyBytes: 1 << 20,
  principal: (headers) => headers["x-user"],
  endpoints: {
    late: {
      variants: { main: { model: "late@champion", weight: 0.9 }, canary: { model: "late/3", weight: 0.1 } },
      latencyObjectiveMs: 5000,
      admission,
    },
    fed: { variants: { main: { model: "fed@champion", weight: 1 } } },
    kept: {
      variants: { main: { model: "late@champion", weight: 1 } },
      stages: [idempotency({ maxKeys: 2000 }), responseCache({ ttlMs: 60_000, maxBytes: 2 << 20 })],
    },
    deployed: { variants: { main: { model: "late/1", weight: 1 } } },
  },
});
const app = fastify();
await app.register(server.fastify);
const address = await listen(app, { port: 0, headersTimeoutMs: 3000 });

let sinceGc = 0;
const collected = new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) sinceGc += duration;
});
collected.observe({ entryTypes: ["gc"] });
const delay = monitorEventLoopDelay({ resolution: 20 });
delay.enable();
let cpu = process.cpuUsage();
let deployments = 0;

/** Everything that could grow. With `collect` the heap's floor too: what is left when all garbage is gone. */
async function state(collect) {
  const used = process.cpuUsage(cpu);
  cpu = process.cpuUsage();
  const loop = { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
  delay.reset();
  const gcMs = sinceGc;
  sinceGc = 0;
  let floor = {};
  if (collect) {
    // Twice: what a finaliser lets go is gone after the second.
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    floor = { heapFloor: heapUsed, externalFloor: external, arrayBuffersFloor: arrayBuffers };
  }
  const { rss, heapTotal } = process.memoryUsage();
  const resources = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const text = await meter.metrics();
  return {
    rss,
    heapTotal,
    ...floor,
    resources,
    loop,
    gcMs,
    cpuMs: (used.user + used.system) / 1000,
    series: text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).length,
    captured: exchanges.counts(),
    monitored: monitor.counts(),
    deployments,
    warnings: Object.fromEntries(warnings),
  };
}

/** A new version behind the alias each time, and every other time a canary that is deployed and taken back. */
let reloads = 0;
async function reload() {
  reloads += 1;
  point(1 + (reloads % versions));
  if (reloads % 2 === 0) return;
  const model = `late/${2 + (deployments % 2)}`;
  await server.deploy("deployed", {
    model,
    traffic: { type: "canary", share: 0.2, bakeMs: 5000 },
    terminationWaitMs: 2000,
    timeoutMs: 60_000,
  });
  deployments += 1;
}

process.on("message", (message) => {
  if (message.kind === "state") void state(message.collect).then((told) => process.send({ kind: "state", ...told }));
  if (message.kind === "reload")
    void reload().catch((error) => process.send({ kind: "failed", text: String(error.stack) }));
  if (message.kind === "stop")
    void (async () => {
      await app.close();
      await server.drain();
      await exchanges[Symbol.asyncDispose]();
      await monitor[Symbol.asyncDispose]?.();
      await features[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      process.disconnect();
    })();
});
process.send({ kind: "ready", port: Number(new URL(address).port), flights: flights.length, width });
