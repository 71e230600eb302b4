// What batching is worth by what a call of the model costs: networks of several sizes in ONNX Runtime, one row a request, batched by `server.predict` and a call each, in one process by
// processor time; with --http also over HTTP, ours beside bare Fastify.
// MILLWRIGHT_ONNXRUNTIME=<folder> node benchmarks/serving/batching.mjs <result.json> [--rounds 5] [--http --seconds 1]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { loadModel, openDirectoryModelSource, packModel, writeDenseModel } from "../../packages/model/dist/index.js";
import { exportOnnx, onnxRuntime } from "../../packages/model/dist/onnx.js";
import { openModelServer } from "../../packages/serving/dist/index.js";
import { machine, median, usageOfTree } from "../feature-store/referee.mjs";
import { askOnce, closedLoop, requestOf } from "../http-load.mjs";
import { startServer, stopServers } from "./servers.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "1" },
    http: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const [resultPath] = positionals;
if (resultPath === undefined) throw new TypeError("Name a file for the result.");
execFileSync("taskset", ["-pc", "1", String(process.pid)]);
const work = mkdtempSync(join(tmpdir(), "millwright-batching-"));
process.once("exit", () => {
  stopServers();
  rmSync(work, { recursive: true, force: true });
});

/** Units by layer, and the precision of the sums. */
const networks = [
  { sizes: [16, 64, 32, 1], precision: "float32" },
  { sizes: [16, 64, 32, 1], precision: "float64" },
  { sizes: [64, 1024, 1024, 16], precision: "float32" },
  { sizes: [32, 2048, 2048, 16], precision: "float32" },
  { sizes: [64, 512, 512, 16], precision: "float64" },
];
const random = createRandom(1);
const numbers = (count, scale) => Float32Array.from({ length: count }, () => random.normal() * scale);
const source = openDirectoryModelSource(work);
const library = createRequire(join(process.env.MILLWRIGHT_ONNXRUNTIME, "package.json"))("onnxruntime-node");
const round2 = (value) => Number(value.toFixed(2));

async function pack(name, { sizes, precision }) {
  const layers = sizes.slice(1).map((units, at) => ({
    kernel: numbers(sizes[at] * units, 1 / Math.sqrt(sizes[at])),
    bias: numbers(units, 0.1),
    activation: at === sizes.length - 2 ? "sigmoid" : "relu",
  }));
  const network = writeDenseModel(layers, { input: "features", output: "probability" });
  await packModel(join(work, `${name}-dense`, "1"), { name, format: "dense", ...network });
  const written = await exportOnnx(await source.resolve(`${name}-dense/1`), { precision });
  await packModel(join(work, name, "1"), { name, format: "onnx", ...written });
}

/** Processor time of a call by its rows, microseconds: the least of five rounds. */
async function costs(name, width) {
  const { directory, manifest } = await source.resolve(`${name}/1`);
  const model = await onnxRuntime(library).load(directory, manifest);
  const cost = {};
  for (const rows of [1, 50]) {
    const features = { dtype: "float32", shape: [rows, width], data: numbers(rows * width, 1) };
    const calls = 60;
    const taken = [];
    for (let round = 0; round < 6; round += 1) {
      const before = process.cpuUsage();
      for (let call = 0; call < calls; call += 1) await model.predict({ features });
      const { user, system } = process.cpuUsage(before);
      if (round > 0) taken.push((user + system) / calls);
    }
    cost[rows] = Math.min(...taken);
  }
  await model.dispose();
  return cost;
}

/** The same rows asked of `server.predict` and of the session, so many at once, in turns: processor time of a request, microseconds, and rows of a batch. */
async function inProcess(name, width, atOnce) {
  const asked = { calls: 0, rows: 0 };
  const runtime = onnxRuntime(library);
  const counted = {
    formats: runtime.formats,
    async load(...given) {
      const model = await runtime.load(...given);
      const predict = (inputs, options) => {
        asked.calls += 1;
        asked.rows += inputs.features.shape[0];
        return model.predict(inputs, options);
      };
      return { ...model, predict };
    },
  };
  const endpoints = { net: { variants: { main: { model: `${name}/1`, weight: 1 } } } };
  const server = await openModelServer({ source, runtimes: [counted], endpoints, watch: false });
  const model = await loadModel(await source.resolve(`${name}/1`), [runtime]);
  const instances = [Array.from(numbers(width, 1))];
  const batched = () => server.predict("net", { instances });
  const unbatched = async () => {
    const features = { dtype: "float32", shape: [1, width], data: Float32Array.from(instances.flat()) };
    const { probability } = await model.predict({ features });
    return { predictions: [Array.from(probability.data)] };
  };
  const cost = async (ask) => {
    const requests = 2000;
    let left = requests;
    const client = async () => {
      while (left-- > 0) await ask();
    };
    const before = process.cpuUsage();
    await Promise.all(Array.from({ length: atOnce }, client));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / requests;
  };
  const taken = { batched: [], unbatched: [] };
  for (let round = -2; round < rounds; round += 1) {
    const one = await cost(batched);
    const other = await cost(unbatched);
    if (round < 0) continue;
    taken.batched.push(one);
    taken.unbatched.push(other);
  }
  await server.drain();
  await model.dispose();
  return {
    batchedMicros: round2(Math.min(...taken.batched)),
    unbatchedMicros: round2(Math.min(...taken.unbatched)),
    ratio: round2(median(taken.unbatched.map((other, at) => other / taken.batched[at]))),
    batch: round2(asked.rows / asked.calls),
  };
}

async function saturate({ port, pid }, requests, connections) {
  const asked = async () => (await fetch(`http://127.0.0.1:${port}/asked`)).json();
  const [before, askedBefore] = [usageOfTree(pid), await asked()];
  const { answered, failed, seconds: took } = await closedLoop({ port, requests, seconds, connections });
  const [after, askedAfter] = [usageOfTree(pid), await asked()];
  if (failed > 0) throw new Error(`${failed} requests failed`);
  return {
    perSecond: answered / took,
    cpuMicros: ((after.cpuSeconds - before.cpuSeconds) / answered) * 1e6,
    batch: (askedAfter.rows - askedBefore.rows) / (askedAfter.calls - askedBefore.calls),
  };
}

async function compare(sides, requests, connections) {
  const taken = { unbatched: [], batched: [] };
  for (let round = -1; round < rounds; round += 1)
    for (const side of round % 2 === 0 ? ["unbatched", "batched"] : ["batched", "unbatched"]) {
      const measured = await saturate(sides[side], requests, connections);
      if (round >= 0) taken[side].push(measured);
    }
  const of = (side, key, pick) => round2(pick(taken[side].map((each) => each[key])));
  const least = (list) => Math.min(...list);
  return {
    perSecond: [of("batched", "perSecond", median), of("unbatched", "perSecond", median)],
    ratio: round2(median(taken.batched.map(({ perSecond }, at) => perSecond / taken.unbatched[at].perSecond))),
    cpuMicros: [of("batched", "cpuMicros", least), of("unbatched", "cpuMicros", least)],
    batch: of("batched", "batch", median),
  };
}

async function overHttp(name, width) {
  const rows = Array.from({ length: 64 }, () => Array.from(numbers(width, 1), (value) => Number(value.toFixed(4))));
  const requests = rows.map((row) => requestOf({ path: "/invocations", body: JSON.stringify({ instances: [row] }) }));
  const place = { ask: (port) => askOnce(port, requests[0]), work, folder: work, model: `${name}/1` };
  const unbatched = await startServer("Fastify, ONNX Runtime, a call each", place);
  const batched = await startServer("Millwright, ONNX Runtime", place);
  let difference = 0;
  for (const request of requests) {
    const [one, other] = await Promise.all([unbatched, batched].map(({ port }) => askOnce(port, request)));
    const expected = JSON.parse(one.toString()).predictions.flat();
    const actual = JSON.parse(other.toString()).predictions.flat();
    for (const [unit, value] of expected.entries()) difference = Math.max(difference, Math.abs(value - actual[unit]));
  }
  if (!(difference <= 1e-5)) throw new Error(`The two answer otherwise: ${difference}`);
  const sides = { unbatched, batched };
  const at50 = await compare(sides, requests, 50);
  const at1 = await compare(sides, requests, 1);
  await unbatched.stop();
  await batched.stop();
  return { at50, at1 };
}

const results = { machine: machine(), rounds, seconds, networks: [] };
for (const [at, network] of networks.entries()) {
  const name = `net${at}`;
  await pack(name, network);
  const [width] = network.sizes;
  const callMicros = await costs(name, width);
  const result = {
    network: `${network.sizes.join("-")}, ${network.precision}`,
    callMicros,
    at50: await inProcess(name, width, 50),
    at1: await inProcess(name, width, 1),
    ...(values.http ? { http: await overHttp(name, width) } : {}),
  };
  results.networks.push(result);
  console.error(JSON.stringify(result));
}
writeFileSync(resultPath, `${JSON.stringify(results, undefined, 2)}\n`);
