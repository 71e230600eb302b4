// Servers around one small network (16-64-32-1), one processor for the server under test and another for the client:
// node benchmarks/serving/serving.mjs <result.json> [--rounds 5] [--seconds 3] [--only NAME …]
// Peers are compared where a variable names the Python that has them: FASTAPI_PYTHON, LITSERVE_PYTHON, RAY_PYTHON, KSERVE_PYTHON, BENTOML_PYTHON,
// MLSERVER_PYTHON, MLFLOW_PYTHON; ONNX Runtime for Node by MILLWRIGHT_ONNXRUNTIME.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execFileSync } from "node:child_process";
import {
  denseRuntime,
  loadModel,
  openDirectoryModelSource,
  packModel,
  writeDenseModel,
} from "../../packages/model/dist/index.js";
import { exportOnnx } from "../../packages/model/dist/onnx.js";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { askOnce, closedLoop, openLoop, requestOf } from "../http-load.mjs";
import { machine, median, usageOfTree } from "../feature-store/referee.mjs";
import { servers, startServer, stopServers } from "./servers.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    only: { type: "string", multiple: true },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const [resultPath] = positionals;
if (resultPath === undefined) throw new TypeError("Name a file for the result.");
execFileSync("taskset", ["-pc", "1", String(process.pid)]);

const work = mkdtempSync(join(tmpdir(), "millwright-serving-"));
process.once("exit", () => {
  stopServers();
  rmSync(work, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

const random = createRandom(1);
const numbers = (count) => Float32Array.from({ length: count }, () => random.normal() / 4);
const layer = (inputs, units, activation) => ({ kernel: numbers(inputs * units), bias: numbers(units), activation });
const layers = [layer(16, 64, "relu"), layer(64, 32, "relu"), layer(32, 1, "sigmoid")];
const folder = join(work, "models");
const network = writeDenseModel(layers, { input: "features", output: "probability" });
await packModel(join(folder, "dense", "1"), { name: "dense", format: "dense", ...network });
const dense = await openDirectoryModelSource(folder).resolve("dense/1");
const written = await exportOnnx(dense);
await packModel(join(folder, "onnx", "1"), { name: "onnx", format: "onnx", ...written });
const onnx = join(work, "model.onnx");
writeFileSync(onnx, Object.values(written.files)[0]);
mkdirSync(join(work, "tmp"));

const rows = Array.from({ length: 64 }, () => Array.from(numbers(16)));
const reference = await loadModel(dense, [denseRuntime()]);
const { probability } = await reference.predict({
  features: { dtype: "float32", shape: [rows.length, 16], data: Float32Array.from(rows.flat()) },
});

const requestsOf = ({ path, body }) => rows.map((row) => requestOf({ path, body: body(row) }));

/** Starts a server and checks its answers. */
async function start(name) {
  const spec = servers[name];
  const requests = requestsOf(spec);
  const server = await startServer(name, { ask: (port) => askOnce(port, requests[0]), work, folder, onnx });
  let largest = 0;
  for (const [at, request] of requests.entries()) {
    const answer = spec.read(JSON.parse((await askOnce(server.port, request)).toString()));
    if (spec.noModel !== true) largest = Math.max(largest, Math.abs(answer - probability.data[at]));
  }
  if (!(largest <= 1e-5)) throw new Error(`${name} answers otherwise: ${largest}`);
  console.error(`${name}: first answer after ${server.firstAnswerMs.toFixed(0)} ms, largest difference ${largest}`);
  return { ...server, requests, largest };
}

/** One round of as many requests as are answered. */
async function saturate({ port, pid, requests }, connections) {
  const before = usageOfTree(pid);
  const { answered, failed, seconds: took } = await closedLoop({ port, requests, seconds, connections });
  const { cpuSeconds, peakMiB } = usageOfTree(pid);
  return {
    perSecond: answered / took,
    cpuMicros: ((cpuSeconds - before.cpuSeconds) / answered) * 1e6,
    failed,
    peakMiB,
  };
}

async function atRate({ port, requests }, rate) {
  const { latencies, failed } = await openLoop({ port, requests, seconds: seconds * 2, rate, connections: 64 });
  const sorted = latencies.toSorted((left, right) => left - right);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  return { p50: at(0.5), p99: at(0.99), failed };
}

const summary = (list, key) => {
  const sorted = list.map((each) => each[key]).toSorted((left, right) => left - right);
  return { median: median(sorted), least: sorted[0], most: sorted.at(-1) };
};

/** Two servers in turns. Ratios are of the same round. */
async function compare(first, second, connections) {
  const taken = { first: [], second: [] };
  for (let round = -1; round < rounds; round += 1) {
    const order = round % 2 === 0 ? ["first", "second"] : ["second", "first"];
    for (const side of order) {
      const measured = await saturate(side === "first" ? first : second, connections);
      if (round >= 0) taken[side].push(measured);
    }
  }
  const ratios = taken.first.map(({ perSecond }, at) => taken.second[at].perSecond / perSecond);
  const cpuRatios = taken.first.map(({ cpuMicros }, at) => cpuMicros / taken.second[at].cpuMicros);
  return {
    connections,
    first: {
      name: first.name,
      perSecond: summary(taken.first, "perSecond"),
      cpuMicros: summary(taken.first, "cpuMicros"),
      failed: taken.first.reduce((sum, { failed }) => sum + failed, 0),
      peakMiB: taken.first.at(-1).peakMiB,
    },
    second: {
      name: second.name,
      perSecond: summary(taken.second, "perSecond"),
      cpuMicros: summary(taken.second, "cpuMicros"),
      failed: taken.second.reduce((sum, { failed }) => sum + failed, 0),
      peakMiB: taken.second.at(-1).peakMiB,
    },
    rateRatio: summary(
      ratios.map((ratio) => ({ ratio })),
      "ratio",
    ),
    cpuRatio: summary(
      cpuRatios.map((ratio) => ({ ratio })),
      "ratio",
    ),
  };
}

const results = { machine: machine(), rounds, seconds, comparisons: [], starts: {} };
const wanted = (name) => servers[name].installed() && (values.only === undefined || values.only.includes(name));
const note = (comparison) => {
  results.comparisons.push(comparison);
  const { first, second, rateRatio, cpuRatio } = comparison;
  console.error(
    `${second.name} / ${first.name}, ${comparison.connections} connections: ${second.perSecond.median.toFixed(0)} and ${first.perSecond.median.toFixed(0)} a second, ${rateRatio.median.toFixed(2)} (${rateRatio.least.toFixed(2)} to ${rateRatio.most.toFixed(2)}); CPU ${second.cpuMicros.least.toFixed(0)} and ${first.cpuMicros.least.toFixed(0)} µs, ${cpuRatio.median.toFixed(2)}`,
  );
};

const ours = await start("Millwright");
const begun = (server) =>
  (results.starts[server.name] = { firstAnswerMs: server.firstAnswerMs, peakMiB: usageOfTree(server.pid).peakMiB });
begun(ours);

if (wanted("Fastify without a model")) {
  const limit = await start("Fastify without a model");
  begun(limit);
  for (const connections of [50, 1]) note(await compare(limit, ours, connections));
  await limit.stop();
}
if (wanted("Millwright, all captured")) {
  const captured = await start("Millwright, all captured");
  const bare = await compare(ours, captured, 50);
  note(bare);
  const rate = bare.first.perSecond.median / 2;
  bare.half = { rate, latencies: [] };
  for (let round = 0; round < rounds; round += 1)
    bare.half.latencies.push({ peer: await atRate(ours, rate), ours: await atRate(captured, rate) });
  await captured.stop();
}
if (wanted("Millwright, ONNX Runtime") && wanted("Fastify, ONNX Runtime, a call each")) {
  const [unbatched, batched] = [
    await start("Fastify, ONNX Runtime, a call each"),
    await start("Millwright, ONNX Runtime"),
  ];
  for (const connections of [50, 1]) note(await compare(unbatched, batched, connections));
  const calm = [];
  for (let round = 0; round < rounds; round += 1)
    calm.push({ unbatched: await atRate(unbatched, 100), batched: await atRate(batched, 100) });
  results.oneAtATime = calm;
  await unbatched.stop();
  await batched.stop();
}
const peers = Object.keys(servers).filter((name) => !name.startsWith("Fastify") && !name.startsWith("Millwright"));
for (const name of peers.filter(wanted)) {
  const peer = await start(name);
  begun(peer);
  const saturated = await compare(peer, ours, 50);
  note(saturated);
  const rate = Math.max(1, saturated.first.perSecond.median / 2);
  const latencies = [];
  for (let round = 0; round < rounds; round += 1)
    latencies.push({ peer: await atRate(peer, rate), ours: await atRate(ours, rate) });
  saturated.half = { rate, latencies };
  const p99 = (side) => median(latencies.map((each) => each[side].p99));
  console.error(`  at ${rate.toFixed(0)} a second: p99 ${p99("ours").toFixed(2)} and ${p99("peer").toFixed(2)} ms`);
  await peer.stop();
}
await ours.stop();
writeFileSync(resultPath, `${JSON.stringify(results, undefined, 2)}\n`);
