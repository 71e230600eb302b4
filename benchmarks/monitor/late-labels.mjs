// Late labels of a live monitor: `node --expose-gc benchmarks/monitor/late-labels.mjs [answers] [memory,Arrow,JSON lines,Parquet]`. Answers of a day ago of one row and ten features wait for labels in memory, outlive the
// process in a state, or are looked up in the log of what was captured: as Arrow, as JSON lines, as Parquet. Prints rows of a Markdown table; times are of the processor, all threads.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock, createRandom, digestOf } from "../../packages/contracts/dist/index.js";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { openArrowCapture, openArrowPredictions } from "../../packages/monitor/dist/drivers/arrow.js";
import { openNdjsonCapture, openNdjsonPredictions } from "../../packages/monitor/dist/drivers/ndjson.js";
import { openPredictionLog } from "../../packages/monitor/dist/drivers/parquet.js";
import { openMonitor } from "../../packages/monitor/dist/index.js";

const count = Number(process.argv[2] ?? 1_000_000);
const parts = process.argv[3]?.split(",") ?? ["memory", "Arrow", "JSON lines", "Parquet"];
const start = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;
const windowMs = 3_600_000;
const spanMs = 3_600_000;
const quality = { late: { output: "late", kind: "binary" } };
const model = { name: "late", digest: digestOf("model") };
const uuid = (at) => `01890a5d-ac96-774b-bcce-${String(at).padStart(12, "0")}`;
const timeOf = (at) => start + Math.floor((at / count) * spanMs);

function requestOf(at, random) {
  const timeMs = timeOf(at);
  const data = Float32Array.from({ length: 10 }, () => random.next());
  return {
    requestId: uuid(at),
    endpoint: "late",
    variant: "main",
    model,
    timeMs,
    latencyMs: 5,
    inputs: { x: { dtype: "float32", shape: [1, 10], data } },
    outputs: { late: { dtype: "float32", shape: [1], data: Float32Array.of(random.next()) } },
  };
}

async function answer(monitor, clock) {
  const random = createRandom(1);
  for (let at = 0; at < count; at += 1) {
    monitor.captureTensors(requestOf(at, random));
    if (at % 5000 !== 4999) continue;
    await clock.advance(timeOf(at + 1) - clock.nowMs());
    await monitor.flush();
    if (at % 50_000 === 49_999) await monitor.evaluate();
  }
  await monitor.flush();
}

/** In an order that has nothing to do with that of the answers. */
async function label(monitor) {
  const step = 611_953;
  for (let at = 0; at < count; at += 1) {
    const of = (at * step) % count;
    monitor.label({ requestId: uuid(of), value: of % 3 === 0, timeMs: timeOf(of) + dayMs });
    if (at % 5000 !== 4999) continue;
    monitor.read("late", "main", { windowMs: 1 });
    // Whoever sends a day's labels at once waits where many are looked up.
    if (monitor.counts().labels.held > 60_000) await monitor.flush();
  }
  await monitor.flush();
}

const memory = () => {
  global.gc();
  global.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

async function timed(name, work) {
  const before = process.cpuUsage();
  const wall = process.hrtime.bigint();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  console.log(
    `| ${name} | ${seconds.toFixed(1)} | ${((seconds / count) * 1e6).toFixed(1)} | ${(Number(process.hrtime.bigint() - wall) / 1e9).toFixed(1)} |`,
  );
  return result;
}

const check = (monitor) => {
  const { labels, coverage } = monitor.read("late", "main", { windowMs: 7 * dayMs }).quality;
  const { unmatched, held, forgotten } = monitor.counts().labels;
  if (labels !== count || coverage !== 1 || unmatched + held + forgotten > 0)
    throw new Error(JSON.stringify({ labels, coverage, counts: monitor.counts().labels }));
};

async function inMemory() {
  const clock = createManualClock(start);
  const base = memory();
  const bare = openMonitor({ clock, windowMs });
  await timed("answers counted, no labels wanted", () => answer(bare, clock));
  const without = memory() - base;
  await bare[Symbol.asyncDispose]();
  const clock2 = createManualClock(start);
  let monitor = openMonitor({ clock: clock2, windowMs, quality, maxWaitingForLabels: count });
  await timed("answers counted, and remembered for their labels", () => answer(monitor, clock2));
  const withAnswers = memory() - base;
  console.log(`\nmemory: ${((withAnswers - without) / count).toFixed(0)} bytes an answer that waits\n`);
  const text = await timed("state written as text", async () => JSON.stringify(monitor.state()));
  console.log(`\nstate: ${(text.length / 1e6).toFixed(1)} MB, ${(text.length / count).toFixed(0)} bytes an answer\n`);
  monitor = await timed("state read, monitor opened with it", async () =>
    openMonitor({ clock: clock2, windowMs, quality, maxWaitingForLabels: count, state: JSON.parse(text) }),
  );
  await clock2.advance(dayMs);
  const before = memory();
  await timed("labels joined in memory, after the restart", () => label(monitor));
  console.log(`\nmemory: ${((memory() - before) / count).toFixed(0)} bytes a label that is remembered\n`);
  check(monitor);
}

async function lookedUp(kind) {
  const directory = await mkdtemp(join(tmpdir(), "millwright-late-"));
  try {
    const clock = createManualClock(start);
    const capture =
      kind === "JSON lines"
        ? await openNdjsonCapture({ directory, clock })
        : await openArrowCapture({ directory, clock });
    const duckdb = await openDuckDb({ threads: 1 });
    const log = openPredictionLog({ directory, duckdb, clock });
    const answers =
      kind === "Parquet"
        ? log
        : kind === "Arrow"
          ? openArrowPredictions({ directory })
          : openNdjsonPredictions({ directory });
    const monitor = openMonitor({
      clock,
      windowMs,
      quality,
      capture,
      answers,
      maxWaitingForLabels: 1000,
      maxQueue: 100_000,
    });
    await answer(monitor, clock);
    await clock.advance(dayMs);
    if (kind === "Parquet") await timed("(compaction to Parquet)", () => log.compact());
    const before = memory();
    await timed(`labels joined from a log of ${kind}`, async () => {
      await label(monitor);
      await clock.advance(61_000);
      monitor.read("late", "main");
      await monitor.flush();
    });
    console.log(`\nmemory: ${((memory() - before) / count).toFixed(0)} bytes a label, index and what is remembered\n`);
    check(monitor);
    await monitor[Symbol.asyncDispose]();
    await capture[Symbol.asyncDispose]();
    await duckdb[Symbol.asyncDispose]();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

console.log("| what | processor s | µs each | wall s |\n|---|---|---|---|");
for (const part of parts) await (part === "memory" ? inMemory() : lookedUp(part));
