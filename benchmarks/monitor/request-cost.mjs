// What monitoring costs a request: a server with a monitor (capture of every request, drift against a profile, data quality, two objectives, an evaluation every ten seconds) against one
// without, in processes of their own and in turns, processor time a request; and the call of the request path alone, a row of 16 numbers.
//   node benchmarks/monitor/request-cost.mjs [result.json] [pairs] [seconds]
import { fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom, digestOf } from "../../packages/contracts/dist/index.js";
import { batchOf, profileOf } from "../../packages/data/dist/index.js";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "../../packages/model/dist/index.js";
import { dataQualityAlert, watchdogAlert } from "../../packages/monitor/dist/data-quality.js";
import { openArrowCapture } from "../../packages/monitor/dist/drivers/arrow.js";
import {
  defineSlo,
  driftAlert,
  errorIndicator,
  errorRateAlert,
  latencyIndicator,
  openMonitor,
} from "../../packages/monitor/dist/index.js";

const width = 16;
const random = createRandom(1);
const numbers = (count) => Float32Array.from({ length: count }, () => random.normal() / 4);
const cpuOf = (used) => (used.user + used.system) / 1e6;

/** Everything that is usually on. */
async function openWatching(directory) {
  const columns = Object.fromEntries(
    Array.from({ length: width }, (_, at) => [`features[${at}]`, Float64Array.from(numbers(5000))]),
  );
  const baseline = profileOf(batchOf(columns));
  const capture = await openArrowCapture({ directory });
  const monitor = openMonitor({
    capture,
    evaluateEveryMs: 10_000,
    slos: [
      defineSlo({ name: "availability", objective: 0.999, sli: errorIndicator({ endpoint: "mlp" }) }),
      defineSlo({ name: "fast", objective: 0.99, sli: latencyIndicator({ endpoint: "mlp", thresholdMs: 100 }) }),
    ],
    rules: [
      errorRateAlert({ endpoint: "mlp" }),
      driftAlert({ endpoint: "mlp", baseline, windowMs: 3_600_000 }),
      dataQualityAlert({ endpoint: "mlp", baseline }),
      watchdogAlert({ endpoint: "mlp" }),
    ],
  });
  return { monitor, capture };
}

async function serve(kind, folder) {
  const { listen, openModelServer } = await import("../../packages/serving/dist/index.js");
  const { default: fastify } = await import("../../packages/serving/node_modules/fastify/fastify.js");
  const { monitor } = kind === "monitored" ? await openWatching(join(folder, `captured-${process.pid}`)) : {};
  const server = await openModelServer({
    source: openDirectoryModelSource(folder),
    runtimes: [denseRuntime()],
    endpoints: { mlp: { variants: { main: { model: "mlp/1", weight: 1 } } } },
    ...(monitor === undefined ? {} : { predictions: monitor, alerts: monitor }),
  });
  const app = fastify();
  await app.register(server.fastify);
  const port = Number(new URL(await listen(app, { port: 0 })).port);
  process.on("message", (asked) => {
    if (asked === "cpu") process.send({ cpu: cpuOf(process.cpuUsage()), counts: monitor?.counts() });
    else process.exit(0);
  });
  process.on("disconnect", () => process.exit(0));
  process.send({ port });
}

const ask = (child, text) =>
  new Promise((resolve) => {
    child.once("message", resolve);
    if (text !== undefined) child.send(text);
  });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Processor microseconds a request of a server that is asked for some seconds. */
async function measure({ child, port }, seconds) {
  const row = Array.from(numbers(width));
  const options = {
    port,
    connections: 20,
    method: "POST",
    path: "/invocations",
    body: JSON.stringify({ instances: [row] }),
  };
  const client = fork(fileURLToPath(new URL("../../packages/serving/bench/client.mjs", import.meta.url)), [
    JSON.stringify(options),
  ]);
  await sleep(500);
  const [before, first] = [await ask(child, "cpu"), await ask(client, "count")];
  await sleep(seconds * 1000);
  const [after, last] = [await ask(child, "cpu"), await ask(client, "count")];
  client.kill();
  const requests = last.answered - first.answered;
  if (!(requests > 100)) throw new Error(`Only ${requests} requests were answered.`);
  return { microseconds: ((after.cpu - before.cpu) * 1e6) / requests, counts: after.counts };
}

/** Processor microseconds of `captureTensors`, as the server calls it, and of all that follows. */
async function measureCall(folder) {
  const { monitor, capture } = await openWatching(join(folder, "captured-alone"));
  const data = Array.from({ length: 64 }, () => numbers(width));
  const model = { name: "mlp", digest: digestOf("m") };
  const outputs = { late: { dtype: "float32", shape: [1, 1], data: Float32Array.of(0.5) } };
  const rounds = [];
  for (let round = 0; round < 12; round += 1) {
    const requests = 20_000;
    // What is asked with is made before: the request path has it anyway.
    const asked = Array.from({ length: requests }, (_, at) => ({
      requestId: `${round}-${at}`,
      endpoint: "mlp",
      variant: "main",
      model,
      timeMs: Date.now(),
      latencyMs: 1,
      inputs: { features: { dtype: "float32", shape: [1, width], data: data[at % 64] } },
      outputs,
    }));
    const start = process.cpuUsage();
    for (const each of asked) monitor.captureTensors(each);
    const path = cpuOf(process.cpuUsage(start));
    await monitor.flush();
    const all = cpuOf(process.cpuUsage(start));
    rounds.push({ path: (path * 1e6) / requests, all: (all * 1e6) / requests });
  }
  const start = process.cpuUsage();
  await monitor.evaluate();
  const evaluation = cpuOf(process.cpuUsage(start));
  await monitor[Symbol.asyncDispose]();
  await capture[Symbol.asyncDispose]();
  const median = (pick) =>
    rounds
      .slice(2)
      .map(pick)
      .toSorted((a, b) => a - b)[5];
  return {
    pathMicroseconds: median(({ path }) => path),
    allMicroseconds: median(({ all }) => all),
    evaluationMilliseconds: evaluation * 1000,
    counts: monitor.counts(),
  };
}

if (process.argv[2] === "serve") await serve(process.argv[3], process.argv[4]);
else {
  const [result, pairs = 10, seconds = 3] = [process.argv[2], ...process.argv.slice(3).map(Number)];
  const folder = mkdtempSync(join(tmpdir(), "millwright-request-cost-"));
  const layer = (inputs, units, activation) => ({ kernel: numbers(inputs * units), bias: numbers(units), activation });
  const { files, signature } = writeDenseModel([
    layer(width, 64, "relu"),
    layer(64, 32, "relu"),
    layer(32, 1, "sigmoid"),
  ]);
  await packModel(join(folder, "mlp", "1"), { name: "mlp", format: "dense", files, signature });
  const call = await measureCall(folder);
  console.log(
    `the call alone: ${call.pathMicroseconds.toFixed(2)} µs; with counting, profiling and writing ${call.allMicroseconds.toFixed(2)} µs; an evaluation ${call.evaluationMilliseconds.toFixed(1)} ms`,
  );
  const servers = {};
  for (const kind of ["plain", "monitored"]) {
    const child = fork(fileURLToPath(import.meta.url), ["serve", kind, folder]);
    servers[kind] = { child, port: (await ask(child)).port };
  }
  const ratios = [];
  // Compiled before it is measured.
  for (const server of Object.values(servers)) await measure(server, 3);
  for (let pair = 0; pair < pairs; pair += 1) {
    const order = pair % 2 === 0 ? ["plain", "monitored"] : ["monitored", "plain"];
    const measured = {};
    for (const kind of order) measured[kind] = await measure(servers[kind], seconds);
    ratios.push({ plain: measured.plain.microseconds, monitored: measured.monitored.microseconds });
    console.log(
      `${measured.plain.microseconds.toFixed(1)} µs plain, ${measured.monitored.microseconds.toFixed(1)} µs monitored`,
    );
    if (pair === pairs - 1 && measured.monitored.counts.dropped > 0)
      console.log(`dropped: ${measured.monitored.counts.dropped}`);
  }
  for (const { child } of Object.values(servers)) child.send("end");
  const sorted = ratios.map(({ plain, monitored }) => monitored / plain - 1).toSorted((a, b) => a - b);
  const share = sorted[sorted.length >> 1];
  // On a machine with other work the least disturbed rounds of each say more than the middle of the pairs.
  const quietOf = (kind) => ratios.map((each) => each[kind]).toSorted((a, b) => a - b)[Math.floor(pairs / 10)];
  const quiet = { plain: quietOf("plain"), monitored: quietOf("monitored") };
  console.log(
    `monitoring adds ${(share * 100).toFixed(1)} % of a request's processor time (${(sorted[0] * 100).toFixed(1)} to ${(sorted.at(-1) * 100).toFixed(1)} over ${pairs} pairs)`,
  );
  console.log(
    `first deciles: ${quiet.plain.toFixed(1)} µs plain, ${quiet.monitored.toFixed(1)} µs monitored, ${((quiet.monitored / quiet.plain - 1) * 100).toFixed(1)} % more`,
  );
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  if (result !== undefined)
    writeFileSync(
      result,
      JSON.stringify(
        { machine: { cpu: cpus()[0]?.model, node: process.version, load: loadavg() }, call, ratios, share, quiet },
        undefined,
        1,
      ),
    );
}
