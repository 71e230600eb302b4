// What a study itself costs: node benchmarks/tuner/study.mjs [trials]
// Processor time of ask and tell with the random sampler, in memory and in a database, and of a thousand trials at once on one event loop.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { openSqlite } from "../../packages/storage/dist/index.js";
import { float, int, openStudy, randomSampler, tpeSampler } from "../../packages/tuner/dist/index.js";

const trials = Number(process.argv[2] ?? 2_000);
const space = { x: float(-5, 5), rate: float(1e-5, 1, { log: true }), n: int(1, 64, { log: true }) };
const options = { space, direction: "minimize", pruner: false };

/** Microseconds of processor time per trial, all threads, and of the wall. */
async function asksAndTells(study, count) {
  const cpu = process.cpuUsage();
  const began = process.hrtime.bigint();
  for (let done = 0; done < count; done += 1) {
    const { number, params } = await study.ask();
    await study.tell(number, { state: "completed", value: params.x ** 2 });
  }
  const wall = Number(process.hrtime.bigint() - began) / 1_000 / count;
  const { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / count, wall };
}

const line = (what, { cpu, wall }) =>
  console.log(`${what}: ${cpu.toFixed(0)} µs of processor time per trial, ${wall.toFixed(0)} µs of the wall`);

/** A quantile of the processor time that the turns of the event loop took, and of its delay, milliseconds. */
async function crowd(sampler, name) {
  const study = await openStudy({ ...options, name: `crowd-${name}`, sampler });
  const turns = [];
  let goesOn = true;
  let before = process.cpuUsage();
  const turn = () => {
    const { user, system } = process.cpuUsage(before);
    turns.push((user + system) / 1_000);
    before = process.cpuUsage();
    if (goesOn) setImmediate(turn);
  };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const cpu = process.cpuUsage();
  delay.enable();
  setImmediate(turn);
  let running = 0;
  let most = 0;
  let begun = () => {};
  const together = new Promise((resolve) => (begun = resolve));
  await study.optimize(
    async ({ params, report }) => {
      running += 1;
      most = Math.max(most, running);
      if (running === 1_000) begun();
      await together;
      for (let step = 0; step < 3; step += 1) {
        await report(step, params.x ** 2);
        await sleep(5);
      }
      running -= 1;
      return params.x ** 2;
    },
    { trials: 1_000, parallelism: 1_000 },
  );
  goesOn = false;
  delay.disable();
  const { user, system } = process.cpuUsage(cpu);
  const sorted = turns.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(2);
  console.log(
    `${name}: ${most} at once, ${((user + system) / 1e6).toFixed(1)} s of processor time; turns of the loop, processor time: ` +
      `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, greatest ${at(1)} ms; delay of the loop: p50 ${(delay.percentile(50) / 1e6).toFixed(1)} ms, ` +
      `p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`,
  );
  await study.close();
}

{
  const study = await openStudy({ ...options, name: "warm", sampler: randomSampler() });
  await asksAndTells(study, 500);
}
for (const from of [0, trials]) {
  const study = await openStudy({ ...options, name: `memory-${from}`, sampler: randomSampler() });
  if (from > 0) await asksAndTells(study, from);
  line(`memory, trials ${from} to ${from + trials}`, await asksAndTells(study, trials));
}
const folder = await mkdtemp(join(tmpdir(), "millwright-study-"));
for (const durability of ["full", "normal"]) {
  const database = await openSqlite(join(folder, `${durability}.db`), { durability });
  const study = await openStudy({ ...options, name: durability, sampler: randomSampler(), database });
  await asksAndTells(study, 100);
  line(`SQLite, durability ${durability}`, await asksAndTells(study, Math.ceil(trials / 4)));
  await study.close();
  await database[Symbol.asyncDispose]();
}
await rm(folder, { recursive: true, force: true });
await crowd(randomSampler(), "a thousand at once, random");
await crowd(tpeSampler(), "a thousand at once, TPE");
