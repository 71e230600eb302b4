// From a launch to the first line of the module, in a fresh process and in one that was kept, in turns; the module imports TensorFlow.js, as a module that trains or
// predicts does, or nothing.
//   node benchmarks/training/warm-start.mjs [rounds]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openJobs } from "../../packages/jobs/dist/index.js";

const rounds = Number(process.argv[2] ?? 15);
const folder = mkdtempSync(join(tmpdir(), "millwright-warm-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const tfjs = new URL("../../packages/tfjs/dist/index.js", import.meta.url).href;
const modules = {
  "nothing imported": "export default ({ send }) => { send('here'); return process.pid; };",
  "TensorFlow.js made ready": `import { openTfjs } from "${tfjs}";
const tfjs = await openTfjs({ device: "wasm" });
export default ({ send }) => { send(tfjs.backend); return process.pid; };`,
};
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const jobs = await openJobs({ directory: join(folder, "jobs"), maxCpus: 4 });
let count = 0;
async function startMs(module, keepAliveMs) {
  const began = performance.now();
  const job = await jobs.launch({ id: `job-${(count += 1)}`, run: { module }, keepAliveMs });
  let first;
  for await (const event of job.events()) if (event.kind === "message") first ??= performance.now() - began;
  return { ms: first, id: job.id, pid: (await job.result()).value };
}

for (const [name, source] of Object.entries(modules)) {
  const path = join(folder, `${Object.keys(modules).indexOf(name)}.mjs`);
  writeFileSync(path, source);
  const module = pathToFileURL(path).href;
  const kept = await startMs(module, 3_600_000);
  let before = kept;
  const cold = [];
  const warm = [];
  for (let round = 0; round < rounds; round += 1) {
    cold.push((await startMs(module, 0)).ms);
    const next = await startMs(module, 3_600_000);
    if (next.pid !== kept.pid || jobs.warmPool(before.id)?.status !== "Reused")
      throw new Error("The process was not reused.");
    before = next;
    warm.push(next.ms);
  }
  const [fresh, reused] = [median(cold), median(warm)];
  const spread = (values) => `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
  console.log(
    `${name}: fresh ${fresh.toFixed(1)} ms (${spread(cold)}), kept ${reused.toFixed(1)} ms (${spread(warm)}), ${(fresh / reused).toFixed(1)} times, ${rounds} rounds`,
  );
}
await jobs[Symbol.asyncDispose]();
