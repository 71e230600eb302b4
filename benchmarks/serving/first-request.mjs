// The first request of a fresh process beside its steady median, cold and after a warm-up, in turns:
// node benchmarks/serving/first-request.mjs [--rounds 5]
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "../../packages/model/dist/index.js";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { median } from "../feature-store/referee.mjs";

const self = fileURLToPath(import.meta.url);
const [mode, path, folder] = process.argv.slice(2);
const inputs = 16;

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
  const row = Array.from({ length: inputs }, (_, at) => at / inputs);
  const body = JSON.stringify({ instances: [row] });
  const headers = { "content-type": "application/json" };
  const ask =
    path === "model"
      ? () => server.predict("mlp", { instances: [row] })
      : async () =>
          (await server.handle(new Request("http://x/invocations", { method: "POST", headers, body }))).text();
  const times = [];
  for (let at = 0; at < 3000; at += 1) {
    const before = performance.now();
    await ask();
    times.push(performance.now() - before);
  }
  console.log(
    JSON.stringify({
      importedMs,
      readyMs,
      firstMs: times[0],
      steadyMs: median(times.slice(1000).toSorted((left, right) => left - right)),
    }),
  );
  await server.drain();
}

async function compare() {
  const { rounds } = parseArgs({ options: { rounds: { type: "string", default: "5" } } }).values;
  const work = mkdtempSync(join(tmpdir(), "millwright-first-"));
  try {
    const random = createRandom(1);
    const numbers = (count) => Float32Array.from({ length: count }, () => random.normal() / 4);
    const layer = (from, to, activation) => ({ kernel: numbers(from * to), bias: numbers(to), activation });
    const layers = [layer(inputs, 64, "relu"), layer(64, 32, "relu"), layer(32, 1, "sigmoid")];
    const network = writeDenseModel(layers, { input: "features", output: "probability" });
    await packModel(join(work, "dense", "1"), { name: "dense", format: "dense", ...network });
    const taken = {};
    for (let round = 0; round < Number(rounds); round += 1)
      for (const asked of ["model", "handle"])
        for (const each of round % 2 === 0 ? ["cold", "warm"] : ["warm", "cold"]) {
          const { stdout } = spawnSync(process.execPath, [self, each, asked, work], { encoding: "utf8" });
          (taken[`${asked} ${each}`] ??= []).push(JSON.parse(stdout));
        }
    for (const [name, list] of Object.entries(taken)) {
      // What else the machine does makes a single request later, never earlier: the least of the rounds is the figure.
      const least = (key) => Math.min(...list.map((each) => each[key]));
      const ratio = least("firstMs") / least("steadyMs");
      const figures = ["importedMs", "readyMs", "firstMs", "steadyMs"].map((key) => `${key} ${least(key).toFixed(3)}`);
      console.log(`${name}: ${figures.join(", ")}, first/steady ${ratio.toFixed(1)}`);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (folder === undefined) await compare();
else await serve();
