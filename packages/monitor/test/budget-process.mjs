// Counts events of an objective and writes its state beside them, until it is killed: `node budget-process.mjs STATE`. Each event that stands in a state was told on standard output
// before; events follow from how many there were, so that the one who kills knows them all.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createSloCounts, defineObjective } from "../dist/slo.js";

const [, , path] = process.argv;
const objective = defineObjective({ name: "late", objective: 0.99, slices: { lengthMs: 60_000, target: 0.9 } });
const kept = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { done: 0 };
const counts = createSloCounts(objective, { state: kept.state });
for (let at = kept.done; at < 1_000_000; at += 1) {
  counts.add(1_767_225_600_000 + at * 7_000, at % 13 === 0 ? 0 : 1, 1);
  if (at % 20 !== 19) continue;
  // A file is there whole, or as it was before.
  writeFileSync(`${path}.part`, JSON.stringify({ done: at + 1, state: counts.state() }));
  renameSync(`${path}.part`, path);
  process.stdout.write(`${at + 1}\n`);
}
