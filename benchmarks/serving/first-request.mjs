// The first request of a fresh process beside its steady median, cold and after a warm-up, in turns:
// node benchmarks/serving/first-request.mjs [--rounds 5]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "../../packages/model/dist/index.js";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { median } from "../feature-store/referee.mjs";

const self = fileURLToPath(import.meta.url);
const [mode, path, folder, size] = process.argv.slice(2);
/** Units of the layers: a small network, whose answer takes microseconds, and one of which 16 rows, a request here, take more than a millisecond. */
const networks = { small: [16, 64, 32, 1], large: [128, 1024, 1024, 1] };
const inputs = (size === undefined ? [] : networks[size])[0];

async function serve() {
  const startMs = performance.now();
  const { openModelServer } = await import("../../packages/serving/dist/index.js");
  const importedMs = performance.now() - startMs;
  const server = await openModelServer({
    source: openDirectoryModelSource(folder),
    runtimes: [denseRuntime()],
    endpoints: { mlp: { variants: { main: { model: "dense/1", weight: 1 } } } },
    ...(mode === "warm" ? { warmUp: {} } : {}),
  });
  const readyMs = performance.now() - startMs - importedMs;
  const instances = Array.from({ length: size === "small" ? 1 : 16 }, (_, row) =>
    Array.from({ length: inputs }, (_input, at) => (at + row) / inputs),
  );
  if (path.startsWith("http")) {
    const { fastify } = await import("../../packages/serving/node_modules/fastify/fastify.js");
    const { listen } = await import("../../packages/serving/dist/index.js");
    const app = fastify();
    await app.register(server.fastify);
    const address = await listen(app, { port: 0 });
    console.log(
      JSON.stringify({ importedMs, readyMs, port: Number(new URL(address).port), body: JSON.stringify({ instances }) }),
    );
    return;
  }
  const body = JSON.stringify({ instances });
  const headers = { "content-type": "application/json" };
  const ask =
    path === "model"
      ? () => server.predict("mlp", { instances })
      : async () =>
          (await server.handle(new Request("http://x/invocations", { method: "POST", headers, body }))).text();
  console.log(JSON.stringify({ importedMs, readyMs, ...(await timesOf(ask)) }));
  await server.drain();
}

/** @param gapMs Between two requests: 20 is a service of 50 requests a second, whose processor is not kept hot by the measurement. */
async function timesOf(ask, gapMs = 0) {
  const times = [];
  const asked = gapMs > 0 ? 150 : size === "small" ? 3000 : 600;
  for (let at = 0; at < asked; at += 1) {
    if (gapMs > 0) await new Promise((resolve) => setTimeout(resolve, gapMs));
    const before = performance.now();
    await ask();
    times.push(performance.now() - before);
  }
  return { firstMs: times[0], steadyMs: median(times.slice(asked / 3).toSorted((left, right) => left - right)) };
}

/** Asks over a connection of its own, with bytes that were made before. */
async function connected(port, body) {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay();
  await once(socket, "connect");
  const bytes = Buffer.from(
    `POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const ask = async () => {
    socket.write(bytes);
    await new Promise((resolve) => void socket.once("data", resolve));
  };
  return { ask, socket };
}

/** A client of other servers before: what is measured is the server's first request, not the client's. */
async function warmClient() {
  const server = createServer((request, response) => {
    request.resume();
    request.once("end", () => response.end("{}"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { ask, socket } = await connected(server.address().port, JSON.stringify({ instances: [[1, 2, 3]] }));
  await timesOf(ask);
  socket.destroy();
  server.close();
}

async function measured(args) {
  const child = spawn(process.execPath, [self, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  const said = JSON.parse(line.toString());
  if (said.port === undefined) return said;
  const { ask, socket } = await connected(said.port, said.body);
  const times = await timesOf(ask, args[1] === "http at 50/s" ? 20 : 0);
  socket.destroy();
  child.kill("SIGKILL");
  return { ...said, ...times };
}

async function compare() {
  const { rounds } = parseArgs({ options: { rounds: { type: "string", default: "5" } } }).values;
  const work = mkdtempSync(join(tmpdir(), "millwright-first-"));
  try {
    const random = createRandom(1);
    const numbers = (count) => Float32Array.from({ length: count }, () => random.normal() / 4);
    const layer = (from, to, activation) => ({ kernel: numbers(from * to), bias: numbers(to), activation });
    for (const [name, [first, second, third, last]] of Object.entries(networks)) {
      const layers = [layer(first, second, "relu"), layer(second, third, "relu"), layer(third, last, "sigmoid")];
      const network = writeDenseModel(layers, { input: "features", output: "probability" });
      await packModel(join(work, name, "dense", "1"), { name: "dense", format: "dense", ...network });
    }
    const taken = {};
    await warmClient();
    for (let round = 0; round < Number(rounds); round += 1)
      for (const name of Object.keys(networks))
        for (const asked of ["model", "handle", "http", "http at 50/s"])
          for (const each of round % 2 === 0 ? ["cold", "warm"] : ["warm", "cold"])
            (taken[`${name} ${asked} ${each}`] ??= []).push(await measured([each, asked, join(work, name), name]));
    for (const [name, list] of Object.entries(taken)) {
      // What else the machine does makes a single request later, never earlier: the least of the rounds is the figure.
      const least = (key) => Math.min(...list.map((each) => each[key]));
      const ratio = least("firstMs") / least("steadyMs");
      const middle = median(list.map((each) => each.firstMs / each.steadyMs).toSorted((left, right) => left - right));
      const figures = ["importedMs", "readyMs", "firstMs", "steadyMs"].map((key) => `${key} ${least(key).toFixed(3)}`);
      console.log(
        `${name}: ${figures.join(", ")}, first/steady ${ratio.toFixed(1)}, median of rounds ${middle.toFixed(1)}`,
      );
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (folder === undefined) await compare();
else await serve();
