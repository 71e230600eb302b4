// One file through a dense model of 4-64-32-1: rows a second, and the most memory, in this thread and in others.
//   node packages/serving/bench/transform.mjs [megabytes=64] [threads=0,1,2]
import { mkdtemp, open, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { openModelTarget, openThreadTarget, startTransform } from "../dist/transform.js";

const [megabytes = "64", list = "0,1,2"] = process.argv.slice(2);
const root = await mkdtemp(join(tmpdir(), "millwright-transform-"));
const random = createRandom(1);
const numbers = (count) => Float32Array.from({ length: count }, () => random.normal());
const network = writeDenseModel([
  { kernel: numbers(4 * 64), bias: numbers(64), activation: "relu" },
  { kernel: numbers(64 * 32), bias: numbers(32), activation: "relu" },
  { kernel: numbers(32), bias: numbers(1), activation: "sigmoid" },
]);
await packModel(join(root, "models", "late", "1"), { name: "late", format: "dense", ...network });
const input = join(root, "big.csv");
const file = await open(input, "w");
const piece = Array.from({ length: 25_000 }, () =>
  Array.from({ length: 4 }, () => random.normal().toFixed(6)).join(","),
).join("\n");
const pieces = Math.ceil((Number(megabytes) * 2 ** 20) / (piece.length + 1));
for (let at = 0; at < pieces; at += 1) await file.write(`${piece}\n`);
await file.close();

const make = `
  import { denseRuntime, openDirectoryModelSource } from ${JSON.stringify(import.meta.resolve("@millwright/model"))};
  import { openModelTarget } from ${JSON.stringify(new URL("../dist/transform.js", import.meta.url).href)};
  export default (root) => openModelTarget({ source: openDirectoryModelSource(root), runtimes: [denseRuntime()], model: "late/1" });
`;
const models = join(root, "models");
const digests = new Set();
const results = [];
for (const threads of list.split(",").map(Number)) {
  const target =
    threads === 0
      ? await openModelTarget({ source: openDirectoryModelSource(models), runtimes: [denseRuntime()], model: "late/1" })
      : await openThreadTarget(new URL(`data:text/javascript,${encodeURIComponent(make)}`), { threads, data: models });
  let most = 0;
  const onProgress = () => {
    most = Math.max(most, process.memoryUsage.rss());
  };
  const before = process.memoryUsage.rss();
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  const shape = { maxPayloadInMB: 1, maxConcurrentTransforms: Math.max(1, threads * 2), name: `t${threads}` };
  const { manifest, status } = await startTransform({
    target,
    input,
    output: join(root, "out"),
    onProgress,
    ...shape,
  }).result();
  await target[Symbol.asyncDispose]();
  const seconds = (performance.now() - startedMs) / 1000;
  const used = process.cpuUsage(cpu);
  digests.add(manifest.outputDigest);
  results.push({
    threads,
    rows: status.records,
    seconds: Number(seconds.toFixed(2)),
    rowsPerSecond: Math.round(status.records / seconds),
    cpuSeconds: Number(((used.user + used.system) / 1e6).toFixed(2)),
    rssBeforeMiB: Math.round(before / 2 ** 20),
    rssMostMiB: Math.round(most / 2 ** 20),
  });
}
console.log(
  JSON.stringify({
    cores: availableParallelism(),
    megabytes: Number(megabytes),
    sameBytes: digests.size === 1,
    results,
  }),
);
await rm(root, { recursive: true });
