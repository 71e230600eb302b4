// Contributions of trees against shap's C extension and LightGBM's own, one thread each, processor time a row, in turns.
//   node benchmarks/serving/explanations.mjs [rounds]      PYTHON names a Python with shap, lightgbm and numpy.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

const rounds = Number(process.argv[2] ?? 5);
const python = process.env.PYTHON ?? "python3";
const peers = new URL("./peers/", import.meta.url).pathname;
const environment = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
const call = (program, args) => execFileSync(program, args, { env: environment, encoding: "utf8" });
const contenders = ["millwright", "shap", "lightgbm"];
const sorted = (values) => values.toSorted((a, b) => a - b);
const median = (values) => sorted(values)[values.length >> 1];
const shown = (values) => ({ median: Math.round(median(values)), least: Math.round(Math.min(...values)) });

for (const [trees, leaves] of [
  [100, 31],
  [100, 255],
  [1000, 31],
]) {
  const folder = mkdtempSync(join(tmpdir(), "explain-"));
  call(python, [`${peers}explain_shap.py`, "prepare", folder, String(trees), String(leaves)]);
  const results = Object.fromEntries(contenders.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const name of round % 2 === 0 ? contenders : contenders.toReversed())
      results[name].push(
        JSON.parse(
          name === "millwright"
            ? call(process.execPath, [`${peers}explain.mjs`, folder])
            : call(python, [`${peers}explain_shap.py`, "run", folder, name]),
        ),
      );
  const read = (name) => {
    const bytes = readFileSync(join(folder, `${name}.bin`));
    return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  };
  const ours = read("millwright");
  for (const name of contenders) {
    const runs = results[name];
    const ratio = (what) =>
      Number(median(runs.map((run, round) => run[what] / results.millwright[round][what])).toFixed(2));
    const theirs = read(name);
    const difference = ours.reduce((most, each, at) => Math.max(most, Math.abs(each - theirs[at])), 0);
    const { version } = runs[0];
    const times = { batchUs: shown(runs.map((run) => run.batchUs)), singleUs: shown(runs.map((run) => run.singleUs)) };
    const ratios = { batch: ratio("batchUs"), single: ratio("singleUs") };
    console.log(JSON.stringify({ trees, leaves, name, version, ...times, timesOurs: ratios, difference }));
  }
  rmSync(folder, { recursive: true });
}
console.log(JSON.stringify({ rounds, load: loadavg().map((each) => Number(each.toFixed(2))) }));
