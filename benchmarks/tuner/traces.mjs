// Recorded traces, compressed under benchmarks/results/raw/tuner.
//   node benchmarks/tuner/traces.mjs pack <recorded.jsonl> …     one file a contender; runs that are recorded anew replace those before
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";

export const folder = new URL("../results/raw/tuner/", import.meta.url);
const fileOf = (contender) => new URL(`${contender.replaceAll(/[:+]/g, "-")}.json.gz`, folder);

function read(file) {
  return existsSync(file) ? JSON.parse(gunzipSync(readFileSync(file)).toString()) : [];
}

/** All runs of a contender: `{ contender, group, task, seed, trials, best | volumes, recommended?, cpuMs }`; of runs that failed, `error`. */
export const runsOf = (contender) => read(fileOf(contender));

export function contenders() {
  const runs = readdirSync(folder)
    .filter((name) => name.endsWith(".json.gz"))
    .map((name) => read(new URL(name, folder))[0]);
  return runs.filter(Boolean).map(({ contender }) => contender);
}

const keyOf = ({ task, seed }) => `${task} ${seed}`;

export function pack(runs) {
  mkdirSync(folder, { recursive: true });
  for (const contender of new Set(runs.map((run) => run.contender))) {
    const recorded = runs.filter((run) => run.contender === contender);
    const merged = new Map([...runsOf(contender), ...recorded].map((run) => [keyOf(run), run]));
    const sorted = [...merged.values()].toSorted((a, b) => a.task.localeCompare(b.task) || a.seed - b.seed);
    writeFileSync(fileOf(contender), gzipSync(JSON.stringify(sorted), { level: 9 }));
    console.log(`${contender}: ${sorted.length} runs`);
  }
}

const linesOf = (file) =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

if (process.argv[2] === "pack") pack(process.argv.slice(3).flatMap(linesOf));
