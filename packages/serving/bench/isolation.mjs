// What a call of a model costs in a worker thread and in a worker process, against the same in process: median, and processor time of both sides.
// node packages/serving/bench/isolation.mjs [--rounds 5]      (after a build; processor time of a worker process on Linux)
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { isolatedRuntime } from "@millwright/serving/isolation";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
const numbers = (count) => Float32Array.from({ length: count }, (_, at) => Math.sin(at) / 4);
const layer = (inputs, units, activation) => ({ kernel: numbers(inputs * units), bias: numbers(units), activation });
const root = await mkdtemp(join(tmpdir(), "millwright-bench-"));
const network = writeDenseModel([layer(16, 64, "relu"), layer(64, 32, "relu"), layer(32, 1, "sigmoid")]);
await packModel(join(root, "mlp", "1"), { name: "mlp", format: "dense", ...network });
const { directory, manifest } = await openDirectoryModelSource(root).resolve("mlp/1");
const module = join(root, "runtimes.mjs");
await writeFile(
  module,
  `import { denseRuntime } from ${JSON.stringify(import.meta.resolve("@millwright/model"))};\nexport default denseRuntime();\n`,
);

/** Milliseconds of processor that a process has had; the kernel counts in hundredths of a second. */
function processorMs(pid) {
  const path = `/proc/${pid}/stat`;
  if (pid === undefined || !existsSync(path)) return 0;
  const fields = readFileSync(path, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const runtimes = {
  "in process": denseRuntime(),
  thread: isolatedRuntime({ formats: ["dense"], module, kind: "thread" }),
  process: isolatedRuntime({ formats: ["dense"], module, niceness: 0 }),
};
const models = {};
for (const [kind, runtime] of Object.entries(runtimes)) {
  const startMs = performance.now();
  models[kind] = await runtime.load(directory, manifest);
  console.log(`${kind}: loaded in ${(performance.now() - startMs).toFixed(0)} ms`);
}

async function measure(model, pid, inputs, count) {
  for (let call = 0; call < 100; call += 1) await model.predict(inputs);
  const times = [];
  const [here, there] = [process.cpuUsage(), processorMs(pid)];
  for (let call = 0; call < count; call += 1) {
    const startMs = performance.now();
    await model.predict(inputs);
    times.push(performance.now() - startMs);
  }
  const { user, system } = process.cpuUsage(here);
  times.sort((a, b) => a - b);
  return [times[count >> 1] * 1_000, (user + system) / count, ((processorMs(pid) - there) * 1_000) / count];
}

for (const rows of [1, 64, 4_096]) {
  const data = Float32Array.from({ length: rows * 16 }, (_, at) => Math.cos(at));
  const inputs = { features: { dtype: "float32", shape: [rows, 16], data } };
  const best = {};
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const [kind, model] of Object.entries(models)) {
      const measured = await measure(model, runtimes[kind].workers?.()[0]?.pid, inputs, rows > 1_000 ? 200 : 3_000);
      best[kind] = best[kind]?.map((least, at) => Math.min(least, measured[at])) ?? measured;
    }
  }
  for (const [kind, [median, here, there]] of Object.entries(best))
    console.log(
      `${rows} rows, ${kind}: median ${median.toFixed(0)} µs, processor here ${here.toFixed(0)} µs, in the worker ${there.toFixed(0)} µs`,
    );
}
for (const runtime of Object.values(runtimes)) await runtime[Symbol.asyncDispose]?.();
await rm(root, { recursive: true });
