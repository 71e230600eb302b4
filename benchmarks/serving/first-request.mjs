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
  const body = JSON.stringify({ instances });
  const headers = { "content-type": "application/json" };
  const ask =
    path === "model"
      ? () => server.predict("mlp", { instances })
      : async () =>
          (await server.handle(new Request("http://x/invocations", { method: "POST", headers, body }))).text();
  const times = [];
  const asked = size === "small" ? 3000 : 600;
  for (let at = 0; at < asked; at += 1) {
    const before = performance.now();
    await ask();
    times.push(performance.now() - before);
  }
  console.log(
    JSON.stringify({
      importedMs,
      readyMs,
      firstMs: times[0],
      steadyMs: median(times.slice(asked / 3).toSorted((left, right) => left - right)),
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
    for (const [name, [first, second, third, last]] of Object.entries(networks)) {
      const layers = [layer(first, second, "relu"), layer(second, third, "relu"), layer(third, last, "sigmoid")];
      const network = writeDenseModel(layers, { input: "features", output: "probability" });
      await packModel(join(work, name, "dense", "1"), { name: "dense", format: "dense", ...network });
    }
    const taken = {};
    for (let round = 0; round < Number(rounds); round += 1)
      for (const name of Object.keys(networks))
        for (const asked of ["model", "handle"])
          for (const each of round % 2 === 0 ? ["cold", "warm"] : ["warm", "cold"]) {
            const { stdout } = spawnSync(process.execPath, [self, each, asked, join(work, name), name], {
              encoding: "utf8",
            });
            (taken[`${name} ${asked} ${each}`] ??= []).push(JSON.parse(stdout));
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
