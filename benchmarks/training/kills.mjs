// A run whose process is killed at random moments, by SIGKILL, SIGSEGV and SIGTERM, from the first milliseconds of the process to the writing of its package: each run
// must end by itself with the weights of one that was never touched, and this process must not notice. Linux.
//   node benchmarks/training/kills.mjs [kills] [seed]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf } from "../../packages/data/dist/index.js";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { jobTimes, openJobs } from "../../packages/jobs/dist/index.js";
import { createTrainer } from "../../packages/trainer/dist/index.js";

const [kills = 300, seed = 1] = process.argv.slice(2).map(Number);
const random = createRandom(seed);
const folder = mkdtempSync(join(tmpdir(), "millwright-kills-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

async function makeRows() {
  const rows = 2_000;
  const hour = Float64Array.from({ length: rows }, () => 24 * random.next());
  const wind = Float64Array.from({ length: rows }, () => random.normal());
  const late = Array.from(hour, (value, row) => value / 8 + wind[row] > 2);
  const path = join(folder, "rows.parquet");
  const duckdb = await openDuckDb({ threads: 1 });
  await duckdb.writeParquet(batchOf({ hour, wind, late }), path);
  const ref = await (await duckdb.scan(path)).ref();
  await duckdb[Symbol.asyncDispose]();
  return ref;
}

/** The processes that this one has started and that live. */
const children = () =>
  readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);

const jobs = await openJobs({ directory: join(folder, "jobs"), retryDelayMs: 1 });
const trainer = createTrainer({ jobs, directory: join(folder, "runs") });
const options = {
  data: { train: await makeRows() },
  label: "late",
  params: { units: [8], batchNormalization: true },
  epochs: 6,
  batchSize: 20,
  seed: 3,
  checkpoints: { everySteps: 10 },
  retries: { max: 1_000, categories: { bug: 1_000 }, delayMs: 1, maxDelayMs: 1 },
  progress: false,
};
const module = new URL("../../packages/trainer/test/fixtures/network.train.js", import.meta.url);
const wantedMs = performance.now();
const { weightsDigest: wanted } = await (await trainer.start(module, options)).result();
const wholeMs = performance.now() - wantedMs;

let killed = 0;
let runs = 0;
let wrong = 0;
const bySignal = {};
while (killed < kills) {
  const run = await trainer.start(module, options);
  let over = false;
  const result = run.result().finally(() => (over = true));
  while (!over && killed < kills) {
    await sleep(wholeMs * random.next());
    const pid = children()[0];
    if (over || pid === undefined) continue;
    const signal = ["SIGKILL", "SIGKILL", "SIGKILL", "SIGSEGV", "SIGTERM"][random.integer(5)];
    try {
      process.kill(pid, signal);
    } catch {
      continue; // it ended first
    }
    killed += 1;
    bySignal[signal] = (bySignal[signal] ?? 0) + 1;
  }
  const { weightsDigest } = await result;
  runs += 1;
  if (weightsDigest !== wanted) wrong += 1;
  const { attempts, trainingMs } = jobTimes(await jobs.history(run.id));
  console.log(
    `${killed} kills: run ${runs} of ${attempts} attempts, ${Math.round(trainingMs)} ms, ${weightsDigest === wanted ? "the same weights" : "OTHER WEIGHTS"}`,
  );
}
console.log(JSON.stringify({ kills: killed, bySignal, runs, wrong, wholeMs: Math.round(wholeMs) }));
await jobs[Symbol.asyncDispose]();
process.exitCode = wrong === 0 ? 0 : 1;
