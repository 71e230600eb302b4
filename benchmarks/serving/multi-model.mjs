// A thousand models of one catalog against one model alone: latencies of requests that find their model loaded, in turns; and what a cold load costs against
// reading and parsing its files, in processor time. After `npx tsc -b`: node benchmarks/serving/multi-model.mjs [models] [room] [rounds] [requests a round]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machine, median } from "../feature-store/referee.mjs";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "../../packages/model/dist/index.js";
import { createModelCatalog, openModelServer } from "../../packages/serving/dist/index.js";

const [models = 1000, room = 200, rounds = 10, requests = 4000] = process.argv.slice(2).map(Number);
const root = mkdtempSync(join(tmpdir(), "millwright-multi-model-"));
const sizes = [32, 64, 32, 1];
let state = 12345;
const next = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const numbers = (count) => Float32Array.from({ length: count }, () => next() - 0.5);
const layers = () =>
  sizes.slice(1).map((units, at) => ({
    kernel: numbers(sizes[at] * units),
    bias: numbers(units),
    activation: units === 1 ? "sigmoid" : "relu",
  }));
for (let model = 0; model < models; model += 1)
  await packModel(join(root, `m${model}`, "1"), { name: `m${model}`, format: "dense", ...writeDenseModel(layers()) });

const runtime = denseRuntime();
const source = openDirectoryModelSource(root);
const probe = await source.resolve("m0/1");
const one = await runtime.load(probe.directory, probe.manifest);
const bytes = one.memoryBytes;
await one.dispose();
const catalog = createModelCatalog({ memoryBytes: room * bytes, refOf: (target) => `${target}/1` });
const verifiedCatalog = createModelCatalog({
  memoryBytes: room * bytes,
  refOf: (target) => `${target}/1`,
  verifiedMs: 3_600_000,
});
const server = await openModelServer({
  source,
  runtimes: [runtime],
  endpoints: {
    single: { variants: { main: { model: "m0/1", weight: 1 } } },
    fleet: { variants: {}, models: catalog },
    trusted: { variants: {}, models: verifiedCatalog },
  },
  watch: false,
});
const instances = [Array.from(numbers(sizes[0]))];

// Zipf over all models: what is hot is hot, and the tail is loaded and unloaded in between.
const weights = Array.from({ length: models }, (_, at) => 1 / (at + 1));
const total = weights.reduce((sum, weight) => sum + weight, 0);
const draw = () => {
  let left = next() * total;
  let at = 0;
  while (at < models - 1 && left >= weights[at]) {
    left -= weights[at];
    at += 1;
  }
  return `m${at}`;
};

async function timed(ask) {
  const startMs = performance.now();
  await ask();
  return performance.now() - startMs;
}
const p = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(values.length * share)];
const askSingle = () => server.predict("single", { instances });
const askOne = () => server.predict("fleet", { instances, targetModel: "m0" });
const askFleet = (targetModel) => server.predict("fleet", { instances, targetModel });
for (let warm = 0; warm < 2000; warm += 1) {
  await askSingle();
  await askFleet(draw());
}

// Requests of both in turns, block by block of ten; only hits count, loads stand between them.
const ratios = { p50: [], p99: [] };
const oneTarget = { p50: [], p99: [] };
const all = { single: [], fleet: [] };
await catalog.pin("m0");
for (let round = 0; round < rounds; round += 1) {
  const single = [];
  const target = [];
  while (target.length < requests) {
    for (let each = 0; each < 10; each += 1) single.push(await timed(askSingle));
    for (let each = 0; each < 10; each += 1) target.push(await timed(askOne));
  }
  oneTarget.p50.push(p(target, 0.5) / p(single, 0.5));
  oneTarget.p99.push(p(target, 0.99) / p(single, 0.99));
}
catalog.unpin("m0");
for (let round = 0; round < rounds; round += 1) {
  const single = [];
  const fleet = [];
  while (fleet.length < requests) {
    for (let each = 0; each < 10; each += 1) single.push(await timed(askSingle));
    for (let each = 0; each < 10; each += 1) {
      const target = draw();
      const hit = catalog.model(target) !== undefined;
      const took = await timed(() => askFleet(target));
      if (hit) fleet.push(took);
    }
  }
  ratios.p50.push(p(fleet, 0.5) / p(single, 0.5));
  ratios.p99.push(p(fleet, 0.99) / p(single, 0.99));
  all.single.push(...single);
  all.fleet.push(...fleet);
}
const round3 = (value) => Number(value.toFixed(3));
const range = (values) => ({
  median: round3(median(values)),
  min: round3(Math.min(...values)),
  max: round3(Math.max(...values)),
});
const { hits, misses, evictions } = catalog.stats();

// Processor time of cold loads: the floor reads the manifest and the weights and makes the kernel; ours verifies every digest, loads, asks golden requests.
async function processorMs(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
const names = Array.from({ length: 100 }, (_, at) => `m${models - 1 - at}`);
for (const name of names) if (catalog.model(name) !== undefined) await catalog.unload(name);
async function floor() {
  for (const name of names) {
    const directory = join(root, name, "1");
    const manifest = JSON.parse(await readFile(join(directory, "manifest.json"), "utf8"));
    const loaded = await runtime.load(directory, manifest);
    await loaded.dispose();
  }
}
async function verified() {
  for (const name of names) {
    const { directory, manifest } = await source.resolve(`${name}/1`);
    await (await runtime.load(directory, manifest)).dispose();
  }
}
async function ours(models) {
  for (const name of names) {
    await models.load(name);
    await models.unload(name);
  }
}
const loads = { floor: [], verified: [], ours: [], again: [] };
for (let round = 0; round < rounds + 2; round += 1) {
  const costs = {
    floor: await processorMs(floor),
    verified: await processorMs(verified),
    ours: await processorMs(() => ours(catalog)),
    again: await processorMs(() => ours(verifiedCatalog)),
  };
  // The first two rounds warm up.
  if (round >= 2) for (const [name, cost] of Object.entries(costs)) loads[name].push(cost / names.length);
}
console.log(
  JSON.stringify(
    {
      machine: machine(),
      models,
      room,
      fileBytes: readFileSync(join(root, "m0", "1", "manifest.json")).length,
      hitRatio: round3(hits / (hits + misses)),
      evictions,
      latencyMs: {
        single: { p50: round3(p(all.single, 0.5)), p99: round3(p(all.single, 0.99)) },
        fleet: { p50: round3(p(all.fleet, 0.5)), p99: round3(p(all.fleet, 0.99)) },
      },
      oneTargetOverSingle: { p50: range(oneTarget.p50), p99: range(oneTarget.p99) },
      hotOverSingle: { p50: range(ratios.p50), p99: range(ratios.p99) },
      loadProcessorMs: {
        floor: range(loads.floor),
        verified: range(loads.verified),
        ours: range(loads.ours),
        again: range(loads.again),
      },
      loadOverFloor: range(loads.ours.map((cost, at) => cost / loads.floor[at])),
      againOverFloor: range(loads.again.map((cost, at) => cost / loads.floor[at])),
      loadOverVerified: range(loads.ours.map((cost, at) => cost / loads.verified[at])),
    },
    undefined,
    1,
  ),
);
await server.drain();
rmSync(root, { recursive: true, force: true });
