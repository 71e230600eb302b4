// A multilayer perceptron against scikit-learn's on one thread: the same rows, layers and steps, in turns, processor time of the fit alone.
//   node benchmarks/training/mlp.mjs [rows] [rounds]      PYTHON names a Python with scikit-learn and numpy.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRows } from "./gbdt-data.mjs";

const rows = Number(process.argv[2] ?? 20_000);
const rounds = Number(process.argv[3] ?? 3);
const folder = mkdtempSync(join(tmpdir(), "mlp-"));
const { columns, labels } = makeRows(rows, 20, 1);
writeFileSync(join(folder, "train.bin"), Buffer.concat([...columns, labels].map((each) => Buffer.from(each.buffer))));
const here = new URL("./peers/", import.meta.url);
const env = { ...process.env, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" };
const contenders = {
  millwright: [process.execPath, new URL("mlp.mjs", here).pathname],
  sklearn: [process.env.PYTHON ?? "python3", new URL("mlp_sklearn.py", here).pathname],
};
const results = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
const names = Object.keys(contenders);
for (let round = 0; round < rounds; round += 1) {
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const [program, script] = contenders[name];
    results[name].push(JSON.parse(execFileSync(program, [script, folder, String(rows)], { env, encoding: "utf8" })));
  }
}
rmSync(folder, { recursive: true });
for (const [name, runs] of Object.entries(results)) {
  const times = runs.map(({ cpuMs }) => Math.round(cpuMs)).toSorted((a, b) => a - b);
  const ratios = runs.map(({ cpuMs }, round) => Number((cpuMs / results.sklearn[round].cpuMs).toFixed(2)));
  console.log(
    JSON.stringify({ name, version: runs[0].version, rows, times, timesSklearn: ratios, loss: runs[0].loss }),
  );
}
