// A process that logs with fsync is killed; what it said was logged is counted afterwards. node benchmarks/registry/kills.mjs [kills]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRegistry } from "../../packages/registry/dist/index.js";
import { openDirectoryArtifactStore, openSqlite } from "../../packages/storage/dist/index.js";

const kills = Number(process.argv[2] ?? 5);
const logger = new URL("../../packages/registry/test/fixtures/durable-logger.mjs", import.meta.url).pathname;
let lost = 0;
let acknowledged = 0;
for (let kill = 0; kill < kills; kill += 1) {
  const folder = mkdtempSync(join(tmpdir(), "millwright-kills-"));
  const child = spawn(process.execPath, [logger, folder, "fsync", "forever"], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
    if (text.split("\n").length > 50 + kill * 40) child.kill("SIGKILL");
  });
  await once(child, "close");
  const lines = text
    .slice(0, text.lastIndexOf("\n"))
    .split("\n")
    .map((line) => JSON.parse(line));
  const said = lines.at(-1).logged;
  const database = await openSqlite(join(folder, "mill.db"));
  const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
  const registry = await openRegistry({ database, artifacts, directory: join(folder, "staged") });
  const series = await registry.series(lines[0].id, "loss");
  const steps = new Set(series.map(({ step }) => step));
  for (let step = 0; step < said; step += 1) if (!steps.has(step)) lost += 1;
  acknowledged += said;
  await registry[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ kills, acknowledged, lost }));
