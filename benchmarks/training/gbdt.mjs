// Gradient-boosted trees against LightGBM and scikit-learn: the same rows and settings, in turns, processor time and time passed of the fit alone.
//   node benchmarks/training/gbdt.mjs [rows] [rounds] [threads]      PYTHON names a Python with lightgbm, scikit-learn and numpy.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { areaUnder, makeRows } from "./gbdt-data.mjs";

const rows = Number(process.argv[2] ?? 100_000);
const rounds = Number(process.argv[3] ?? 5);
const threads = process.argv[4] ?? "1";
const folder = mkdtempSync(join(tmpdir(), "gbdt-"));
const train = makeRows(rows, 20, 1);
const test = makeRows(20_000, 20, 2);
const write = (name, arrays) =>
  writeFileSync(join(folder, name), Buffer.concat(arrays.map((each) => Buffer.from(each.buffer))));
write("train.bin", [...train.columns, train.labels]);
write("test.bin", [...test.columns, test.labels]);

const here = new URL("./peers/", import.meta.url);
const environment = { ...process.env, OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: "1" };
const python = process.env.PYTHON ?? "python3";
const contenders = {
  millwright: [process.execPath, [new URL("gbdt.mjs", here).pathname]],
  lightgbm: [python, [new URL("gbdt_lightgbm.py", here).pathname]],
  sklearn: [python, [new URL("gbdt_sklearn.py", here).pathname]],
};
const run = (name) => {
  const [program, args] = contenders[name];
  return JSON.parse(
    execFileSync(program, [...args, folder, String(rows), threads], { env: environment, encoding: "utf8" }),
  );
};

const results = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
const names = Object.keys(contenders);
for (let round = 0; round < rounds; round += 1) {
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    const { answers, ...result } = run(name);
    results[name].push({ ...result, auc: areaUnder(test.labels, Float64Array.from(answers)) });
  }
}
rmSync(folder, { recursive: true });

const sorted = (values) => values.toSorted((a, b) => a - b);
const median = (values) => sorted(values)[values.length >> 1];
for (const [name, runs] of Object.entries(results)) {
  const first = runs.map(({ cpuMs }) => cpuMs[0]);
  const later = runs.map(({ cpuMs }) => cpuMs.at(-1));
  const passed = runs.map(({ wallMs }) => wallMs.at(-1));
  const ratios = later.map((ms, round) => ms / results.lightgbm[round].cpuMs.at(-1));
  console.log(
    JSON.stringify({
      name,
      version: runs[0].version,
      rows,
      rounds,
      threads: Number(threads),
      firstFitMs: { median: Math.round(median(first)), least: Math.round(Math.min(...first)) },
      laterFitMs: { median: Math.round(median(later)), least: Math.round(Math.min(...later)) },
      laterFitPassedMs: { median: Math.round(median(passed)), least: Math.round(Math.min(...passed)) },
      timesLightgbm: {
        median: Number(median(ratios).toFixed(2)),
        range: sorted(ratios).map((ratio) => Number(ratio.toFixed(2))),
      },
      auc: Number(runs[0].auc.toFixed(5)),
      sameEachTime: runs.every(({ auc }) => auc === runs[0].auc),
    }),
  );
}
