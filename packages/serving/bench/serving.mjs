// Requests per second of the server against a bare Fastify route in the same process, in turns, and answers per second without HTTP.
// node packages/serving/bench/serving.mjs [--seconds 2] [--pairs 8] [--dry: print only]      (after a build)
import { fork } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import fastify from "fastify";
import { createRandom } from "@millwright/contracts";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { listen, openModelServer } from "@millwright/serving";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    pairs: { type: "string", default: "8" },
    dry: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const pairs = Number(values.pairs);
const connections = 50;

const random = createRandom(1);
const numbers = (count) => Float32Array.from({ length: count }, () => random.normal() / 4);
const layer = (inputs, units, activation) => ({ kernel: numbers(inputs * units), bias: numbers(units), activation });
const { files, signature } = writeDenseModel([layer(16, 64, "relu"), layer(64, 32, "relu"), layer(32, 1, "sigmoid")]);
const root = await mkdtemp(join(tmpdir(), "millwright-bench-"));
await packModel(join(root, "mlp", "1"), { name: "mlp", format: "dense", files, signature });
const source = openDirectoryModelSource(root);

let captured = 0;
const endpoints = { mlp: { variants: { main: { model: "mlp/1", weight: 1 } } } };
const server = await openModelServer({ source, runtimes: [denseRuntime()], endpoints });
const capturing = await openModelServer({
  source,
  runtimes: [denseRuntime()],
  endpoints,
  predictions: { capture: () => (captured += 1) },
});

const row = Array.from(numbers(16));
const app = fastify();
app.get("/hello", async () => ({ hello: "world" }));
app.post("/hello", async () => ({ hello: "world" }));
await app.register(server.fastify);
await app.register(capturing.fastify, { prefix: "/captured" });
const port = Number(new URL(await listen(app, { port: 0 })).port);

const infer = JSON.stringify({ inputs: [{ name: "features", shape: [1, 16], datatype: "FP32", data: row }] });
const cases = {
  "GET hello, bare Fastify": { method: "GET", path: "/hello", body: "" },
  "POST hello, bare Fastify": { method: "POST", path: "/hello", body: JSON.stringify({ instances: [row] }) },
  "POST /invocations": { method: "POST", path: "/invocations", body: JSON.stringify({ instances: [row] }) },
  "POST /v2/models/mlp/infer": { method: "POST", path: "/v2/models/mlp/infer", body: infer },
  "POST /invocations, every request captured": {
    method: "POST",
    path: "/captured/invocations",
    body: JSON.stringify({ instances: [row] }),
  },
};

async function rate(options) {
  const client = fork(fileURLToPath(new URL("./client.mjs", import.meta.url)), [
    JSON.stringify({ port, connections, ...options }),
  ]);
  const count = () =>
    new Promise((resolve) => {
      client.once("message", resolve);
      client.send("count");
    });
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await sleep(500);
  const before = await count();
  const start = performance.now();
  const startCpu = process.cpuUsage();
  await sleep(seconds * 1000);
  const cpu = process.cpuUsage(startCpu);
  const after = await count();
  const elapsed = (performance.now() - start) / 1000;
  const gone = new Promise((resolve) => client.once("exit", resolve));
  client.kill();
  await gone;
  if (after.failed > 0) throw new Error(`${after.failed} requests of ${options.path} failed.`);
  const answered = after.answered - before.answered;
  return { perSecond: answered / elapsed, cpuMicros: (cpu.user + cpu.system) / answered };
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const results = Object.fromEntries(Object.keys(cases).map((name) => [name, []]));
for (let pair = -1; pair < pairs; pair += 1) {
  const names = pair % 2 === 0 ? Object.keys(cases) : Object.keys(cases).toReversed();
  for (const name of names) {
    const measured = await rate(cases[name]);
    if (pair >= 0) results[name].push(measured);
  }
}

const inProcess = [];
for (const [name, concurrency] of [
  ["one after another", 1],
  ["64 at once", 64],
  ["1,024 at once", 1024],
]) {
  const rates = [];
  for (let round = 0; round < 7; round += 1) {
    let count = 0;
    const start = performance.now();
    while (performance.now() - start < 500) {
      await Promise.all(Array.from({ length: concurrency }, () => server.predict("mlp", { instances: [row] })));
      count += concurrency;
    }
    rates.push((count / (performance.now() - start)) * 1000);
  }
  inProcess.push([name, median(rates)]);
}

await app.close();
await server.drain();
await capturing.drain();
await rm(root, { recursive: true });

const hello = results["POST hello, bare Fastify"];
const least = (list) => Math.min(...list.map(({ cpuMicros }) => cpuMicros));
const round = (value) => Math.round(value).toLocaleString("en-US");
const lines = Object.entries(results).map(([name, list]) => {
  const ratios = list.map(({ perSecond }, at) => perSecond / hello[at].perSecond);
  const rates = `${round(median(list.map(({ perSecond }) => perSecond)))} | ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`;
  return `| ${name} | ${rates} | ${least(list).toFixed(0)} | ${(least(hello) / least(list)).toFixed(2)} |`;
});
const page = `# Serving: measured

\`node packages/serving/bench/serving.mjs --seconds ${seconds} --pairs ${pairs}\`: a network of 16-64-32-1 in plain TypeScript, one row a request, ${connections} connections that
ask again as soon as they are answered. Server and load generator (a process of its own, raw sockets) share one machine; the routes take turns, ${pairs} rounds of ${seconds} s
each after one to warm up; the ratio is to the bare route with the same body in the same round. CPU is the server's alone, and its least over the rounds suffers
least from other work on the machine (load average ${loadavg()[0]?.toFixed(1)} at the end).
Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}.

| route | requests/s, median | ratio to bare POST, median (range) | CPU µs/request, least | its ratio |
|---|---|---|---|---|
${lines.join("\n")}

Without HTTP, \`server.predict\` in process, one row a request:

| requests | answers/s |
|---|---|
${inProcess.map(([name, perSecond]) => `| ${name} | ${round(perSecond)} |`).join("\n")}
`;
process.stdout.write(page);

if (!values.dry)
  await writeFile(fileURLToPath(new URL("../../../benchmarks/results/serving.md", import.meta.url)), page);
