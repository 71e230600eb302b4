// What keeping a sample of rows costs: processor time of a request behind its back, with and without, in turns in one process; memory of a week; and what rules on rows take to evaluate.
//   node benchmarks/monitor/rows-cost.mjs [result.json] [rounds]
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { createManualClock, createRandom, digestOf } from "../../packages/contracts/dist/index.js";
import { batchOf } from "../../packages/data/dist/index.js";
import { kindOfDriftAlert } from "../../packages/monitor/dist/drift.js";
import { estimatedQualityAlert, fitCbpe } from "../../packages/monitor/dist/estimation.js";
import { driftAlert, openMonitor } from "../../packages/monitor/dist/index.js";
import { reconstructionDrift } from "../../packages/monitor/dist/multivariate.js";
import { fitIsolationForest, fitMahalanobis, outlierAlert } from "../../packages/monitor/dist/outliers.js";
import { sliceAlert } from "../../packages/monitor/dist/slices.js";

const width = 16;
const random = createRandom(1);
const cpu = (since) => {
  const { user, system } = process.cpuUsage(since);
  return user + system;
};
const model = { name: "mlp", digest: digestOf("m") };
const start = Date.UTC(2026, 0, 5);
const hourMs = 3_600_000;
const quality = { mlp: { output: "late", kind: "binary" } };
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Microseconds a request, of a row of 16 numbers, 1,000 a second, with all that follows; by tensors gathered together, or as columns one by one. */
async function requestCost(rounds) {
  const data = Array.from({ length: 64 }, () => Float32Array.from({ length: width }, () => random.normal()));
  const outputs = { late: { dtype: "float32", shape: [1, 1], data: Float32Array.of(0.5) } };
  const batches = data.map((row) =>
    batchOf(Object.fromEntries(Array.from(row, (value, at) => [`f${at}`, Float32Array.of(value)]))),
  );
  const kinds = { off: undefined, "200 rows": { perWindow: 200 }, "500 rows": { perWindow: 500 } };
  const found = {};
  for (const path of ["tensors", "columns"]) {
    const requests = path === "tensors" ? 20_000 : 5_000;
    const clock = createManualClock(start);
    const monitors = Object.entries(kinds).map(([kind, rows]) => ({
      kind,
      monitor: openMonitor({ clock, rows }),
      costs: [],
    }));
    for (let round = 0; round < rounds; round += 1) {
      const asked = Array.from({ length: requests }, (_, at) => ({
        requestId: `${round}-${at}`,
        endpoint: "mlp",
        variant: "main",
        model,
        timeMs: start + Math.floor(((round * requests + at) / 1000) * 1000),
        latencyMs: 1,
        outputs,
        ...(path === "tensors"
          ? { inputs: { f: { dtype: "float32", shape: [1, width], data: data[at % 64] } } }
          : { features: batches[at % 64] }),
      }));
      await clock.advance((requests / 1000) * 1000);
      for (let turn = 0; turn < monitors.length; turn += 1) {
        const { monitor, costs } = monitors[(turn + round) % monitors.length];
        const since = process.cpuUsage();
        if (path === "tensors") for (const each of asked) monitor.captureTensors(each);
        else for (const each of asked) monitor.capture(each);
        await monitor.flush();
        costs.push(cpu(since) / requests);
      }
    }
    found[path] = {};
    for (const { kind, monitor, costs } of monitors) {
      found[path][kind] = median(costs.slice(2));
      await monitor[Symbol.asyncDispose]();
    }
    const base = monitors[0].costs;
    for (const { kind, costs } of monitors.slice(1))
      found[path][`${kind} more`] = median(costs.slice(2).map((cost, at) => cost - base[at + 2]));
  }
  return found;
}

const rowsOf = (count) => {
  const columns = Array.from({ length: width }, (_, at) => [
    `f${at}`,
    Float64Array.from({ length: count }, () => random.normal()),
  ]);
  return batchOf(Object.fromEntries(columns));
};

async function fill(monitor, clock, windows, { labels = false } = {}) {
  for (const [index, timeMs] of windows.entries()) {
    const count = 1000;
    await clock.advance(Math.max(0, timeMs - clock.nowMs()));
    const scores = Float64Array.from({ length: count }, () => random.next());
    const outputs = { late: { dtype: "float64", shape: [count], data: scores } };
    const requestId = `w${index}`;
    monitor.capture({
      requestId,
      endpoint: "mlp",
      variant: "main",
      model,
      timeMs,
      latencyMs: 1,
      features: rowsOf(count),
      outputs,
    });
    if (labels)
      for (const [row, score] of scores.entries())
        monitor.label({ requestId, row, value: random.next() < score ? 1 : 0, timeMs });
    await monitor.flush();
    if (index % 20 === 0) await monitor.evaluate();
  }
}

/** A week: 166 hours of which one window was full, and two hours of full windows. */
const week = [
  ...Array.from({ length: 166 }, (_, hour) => start + hour * hourMs),
  ...Array.from({ length: 120 }, (_, minute) => start + 166 * hourMs + minute * 60_000),
];

async function memory(rows) {
  const clock = createManualClock(start);
  const monitor = openMonitor({ clock, rows });
  globalThis.gc?.();
  const before = process.memoryUsage();
  await fill(monitor, clock, week);
  await monitor.evaluate();
  globalThis.gc?.();
  const after = process.memoryUsage();
  const kept = monitor.read("mlp", "main", { windowMs: 8 * 24 * hourMs }).rows?.length ?? 0;
  const megabytes = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / 2 ** 20;
  await monitor[Symbol.asyncDispose]();
  return { megabytes, kept };
}

/** Milliseconds of one evaluation of each rule, on 5,000 rows of 16 numbers. */
async function ruleCost() {
  const common = { endpoint: "mlp", windowMs: 24 * hourMs, everyMs: 1 };
  const reference = rowsOf(5000);
  const scores = Array.from({ length: 5000 }, () => random.next());
  const labels = scores.map((score) => (random.next() < score ? 1 : 0));
  const rules = {
    "outlierAlert, Mahalanobis": outlierAlert({ ...common, model: fitMahalanobis(reference) }),
    "outlierAlert, isolation forest": outlierAlert({ ...common, model: fitIsolationForest(reference) }),
    "estimatedQualityAlert, two classes": estimatedQualityAlert({
      ...common,
      output: "late",
      estimator: fitCbpe({ scores, labels }),
    }),
    sliceAlert: sliceAlert({ ...common, output: "late" }),
    kindOfDriftAlert: kindOfDriftAlert({
      ...common,
      output: "late",
      reference: { features: reference, predictions: scores, labels },
    }),
    "driftAlert, reconstruction, 24 windows of 500 rows": driftAlert({
      endpoint: "mlp",
      monitor: reconstructionDrift(),
      historyMs: 24 * hourMs,
    }),
  };
  const found = {};
  for (const [name, rule] of Object.entries(rules)) {
    const clock = createManualClock(start);
    const monitor = openMonitor({ clock, rules: [rule], rows: { perWindow: 500 }, quality });
    await fill(
      monitor,
      clock,
      Array.from({ length: 24 }, (_, hour) => start + hour * hourMs),
      { labels: true },
    );
    const costs = [];
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(hourMs);
      const since = process.cpuUsage();
      await monitor.evaluate();
      costs.push(cpu(since) / 1000);
    }
    found[name] = median(costs);
    await monitor[Symbol.asyncDispose]();
  }
  return found;
}

/** In a process of its own: what was measured before leaves its mark on the heap. */
const memoryAlone = (perWindow) =>
  JSON.parse(
    execFileSync(process.execPath, ["--expose-gc", fileURLToPath(import.meta.url), "memory", String(perWindow)], {
      encoding: "utf8",
    }),
  );

if (process.argv[2] === "memory") {
  const perWindow = Number(process.argv[3]);
  console.log(JSON.stringify(await memory(perWindow === 0 ? undefined : { perWindow })));
} else {
  const [result, rounds = 15] = [process.argv[2], ...process.argv.slice(3).map(Number)];
  const requests = await requestCost(rounds);
  console.log("µs a request", requests);
  const rules = await ruleCost();
  console.log("ms an evaluation", rules);
  const memories = { off: memoryAlone(0), "200 rows": memoryAlone(200), "500 rows": memoryAlone(500) };
  console.log("a week in memory", memories);
  if (result !== undefined)
    writeFileSync(
      result,
      JSON.stringify(
        { machine: { cpu: cpus()[0]?.model, node: process.version, load: loadavg() }, requests, rules, memories },
        undefined,
        1,
      ),
    );
}
