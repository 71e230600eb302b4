import { openRegistry } from "./packages/registry/dist/index.js";
import { openSqlite, openMemoryArtifactStore } from "./packages/storage/dist/index.js";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
const folder = mkdtempSync(join(tmpdir(), "rb-"));
const database = await openSqlite(join(folder, "a.db"));
const registry = await openRegistry({ database, artifacts: openMemoryArtifactStore(), directory: folder });
const run = await registry.startRun({ experiment: "e" });
const cpu = () => {
  const c = process.cpuUsage();
  return (c.user + c.system) / 1000;
};
let t = performance.now(),
  c = cpu();
const N = 1_000_000,
  K = 10;
for (let b = 0; b < N / 1000; b++) {
  const pts = [];
  for (let i = 0; i < 1000; i++)
    pts.push({ name: "m" + (i % K), value: Math.sin(i + b), step: ((b * 1000 + i) / K) | 0 });
  run.logMetrics(pts);
  if (b % 20 === 19) await run.flush();
}
await run.flush();
console.log("1M points", performance.now() - t, "ms cpu", cpu() - c);
t = performance.now();
c = cpu();
const s = await registry.series(run.id, "m3");
console.log("series", s.length, performance.now() - t, "ms");
t = performance.now();
c = cpu();
for (let b = 0; b < 300; b++) {
  const pts = [];
  for (let i = 0; i < 1000; i++)
    pts.push({ name: "k" + (i % K), value: Math.sin(i + b), step: ((b * 1000 + i) / K) | 0 });
  run.logMetrics(pts);
  await run.flush();
}
console.log("300 x log_batch 1000 fsync", performance.now() - t, "ms cpu", cpu() - c);
t = performance.now();
c = cpu();
for (let b = 0; b < 1000; b++) {
  run.logMetrics([{ name: "single", value: b, step: b }]);
  await run.flush();
}
console.log("1000 x single fsync", performance.now() - t, "ms cpu", cpu() - c);
t = performance.now();
c = cpu();
for (let b = 0; b < 100000; b++) {
  run.logMetrics([{ name: "fire", value: b, step: b }]);
}
await run.flush();
console.log("100k x single fire", performance.now() - t, "ms cpu", cpu() - c);
await registry[Symbol.asyncDispose]();
await database[Symbol.asyncDispose]();
