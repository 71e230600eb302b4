// Steps of one worker and of two, in threads and in processes: milliseconds a step passed, and of processor time over all workers; in turns, medians.
//   node benchmarks/training/parallel.mjs [rounds] [steps] [large]
import { readFileSync } from "node:fs";
import { openTfjs } from "../../packages/tfjs/dist/index.js";
import { buildModel, importDefinition } from "../../packages/trainer/dist/build-model.js";
import { GradientStep } from "../../packages/trainer/dist/gradient-step.js";
import { digestWeights } from "../../packages/trainer/dist/model-state.js";
import { ParallelGradients } from "../../packages/trainer/dist/parallel/parallel-gradients.js";
import { openProcessTransport } from "../../packages/trainer/dist/parallel/process-transport.js";
import { ShardLearner } from "../../packages/trainer/dist/parallel/shard-learner.js";
import { weightCount } from "../../packages/trainer/dist/parallel/step-vector.js";
import { openThreadTransport } from "../../packages/trainer/dist/parallel/thread-transport.js";
import { WorkerGroup } from "../../packages/trainer/dist/parallel/worker-group.js";
import { resolveWorkers } from "../../packages/trainer/dist/parallel/workers-option.js";

const rounds = Number(process.argv[2] ?? 5);
const steps = Number(process.argv[3] ?? 40);
const module = new URL("./parallel.train.mjs", import.meta.url).href;
const width = 40;
const seed = 1;
const names = Array.from({ length: width }, (_, index) => `f${index}`);
const cases = [
  { name: "40 → 64 → 32 → 1", units: [64, 32], batch: 2_048 },
  { name: "40 → 512 → 256 → 1", units: [512, 256], batch: 2_048 },
];
const contenders = {
  "whole batches": undefined,
  "1 worker, 8 shards": { workers: 1 },
  "2 threads, 8 shards": { workers: 2 },
  "2 threads, a shard each": { workers: { count: 2, shards: "workers" } },
  "2 processes, 8 shards": { workers: { count: 2, transport: "processes" } },
};

const { tf, backend } = await openTfjs({ device: "wasm" });
const definition = await importDefinition(module);

const ticks = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10; // at 100 ticks a second
};

async function run({ units, batch }, contender) {
  const params = { units };
  const ready = await buildModel(tf, definition, { params, names, seed });
  let source;
  let transport;
  const pids = [];
  if (contender !== undefined) {
    const learner = new ShardLearner(tf, ready, { seed, width });
    const workers = resolveWorkers(contender.workers);
    const slots = workers.shards === "workers" ? workers.count : workers.shards;
    const board = { weights: weightCount(ready.model), rows: batch, width, slots, vector: learner.layout.length };
    const spec = { module, params, seed, device: "wasm", names, backend, board };
    transport = workers.transport === "processes" ? openProcessTransport(spec, []) : openThreadTransport(spec);
    const onChange = ({ change, pid }) => change === "started" && pid !== process.pid && pids.push(pid);
    const group = new WorkerGroup({
      ready,
      learner,
      transport,
      workers,
      onChange,
      signal: new AbortController().signal,
    });
    await group.open();
    source = new ParallelGradients(tf, group, learner.layout);
  }
  const stepper = new GradientStep(tf, ready, { optimization: {}, seed, width, source });
  const rows = (step) => ({
    features: Float32Array.from({ length: batch * width }, (_, at) => Math.sin(at * 1.7 + step)),
    labels: Float32Array.from({ length: batch }, (_, at) => (Math.sin(at * 68 + step) > 0 ? 1 : 0)),
  });
  const batches = [0, 1, 2, 3].map(rows);
  const take = async (step) => (await stepper.take(batches[step % 4], step)).dispose();
  for (let step = 0; step < 4; step += 1) await take(step);
  const processor = () =>
    pids.reduce((sum, pid) => sum + ticks(pid), 0) + Object.values(process.cpuUsage()).reduce((a, b) => a + b) / 1_000;
  const began = [performance.now(), processor()];
  for (let step = 4; step < steps + 4; step += 1) await take(step);
  const result = { wallMs: (performance.now() - began[0]) / steps, cpuMs: (processor() - began[1]) / steps };
  const digest = (await digestWeights(ready.model)).slice(0, 12);
  await transport?.[Symbol.asyncDispose]();
  for (const weight of ready.model.weights) weight.read().dispose();
  return { ...result, digest };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
for (const one of process.argv[4] === "large" ? cases : cases.slice(0, 1)) {
  const results = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const [name, contender] of Object.entries(contenders)) results[name].push(await run(one, contender));
  console.log(`\n${one.name}, batches of ${one.batch}, ${rounds} rounds of ${steps} steps`);
  for (const [name, runs] of Object.entries(results)) {
    const wall = runs.map(({ wallMs }) => wallMs);
    const [passed, least, cpu] = [median(wall), Math.min(...wall), median(runs.map(({ cpuMs }) => cpuMs))];
    const digests = [...new Set(runs.map(({ digest }) => digest))].join(" ");
    console.log(
      `${name.padEnd(26)} ${passed.toFixed(1)} ms (least ${least.toFixed(1)}), processor ${cpu.toFixed(1)} ms, weights ${digests}`,
    );
  }
}
