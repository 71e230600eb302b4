// The regression pack: each sampler on 12 synthetic and 6 recorded tasks, three seeds, 30 evaluations. All is seeded, so results change only where a sampler does.
//   node benchmarks/tuner/pack.mjs                     runs and compares with baseline.csv; ends with 1 where a sampler's median regret is over 10 % worse
//   node benchmarks/tuner/pack.mjs --update            runs and writes baseline.csv
//   … [--samplers tpe,gp] [--out results.csv] [--baseline other.csv] [--seeds 3] [--trials 30]
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { run } from "./drive.mjs";
import { startOurs } from "./ours.mjs";
import { median } from "./statistics.mjs";
import { scaleOf } from "./tasks-continuous.mjs";
import { tasksOf } from "./tasks.mjs";

const { values } = parseArgs({
  options: {
    samplers: { type: "string" },
    out: { type: "string" },
    baseline: { type: "string", default: fileURLToPath(new URL("baseline.csv", import.meta.url)) },
    seeds: { type: "string", default: "3" },
    trials: { type: "string", default: "30" },
    update: { type: "boolean", default: false },
  },
});
const synthetic = ["branin-2", "rastrigin-4", "ackley-5", "rosenbrock-5", "hartmann-6", "levy-8"];
const mixed = ["two-choices", "ackley-switches", "whole-ellipsoid", "network", "model-choice", "layer-widths"];
const tasks = [...tasksOf(["C", "M"]).filter(({ id }) => [...synthetic, ...mixed].includes(id)), ...tasksOf(["T"])];

/** Samplers of one objective, with their defaults; those for finite spaces, several objectives, stopped trials, other studies and costs have other tests. */
const all = ["auto", "cma-es", "gp", "halton", "random", "random-forest", "sobol", "tpe"];

const header = "sampler,task,seed,trials,regret,share";
const rowsOf = (text) =>
  text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [sampler, task, seed, trials, regret, share] = line.split(",");
      return {
        sampler,
        task,
        seed: Number(seed),
        trials: Number(trials),
        regret: Number(regret),
        share: Number(share),
      };
    });

async function measure(samplers) {
  const rows = [];
  const trials = Number(values.trials);
  for (const sampler of samplers) {
    const contender = startOurs(sampler);
    for (const task of tasks) {
      const scale = scaleOf(task);
      for (let seed = 0; seed < Number(values.seeds); seed += 1) {
        const regret = (await run(contender, task, { seed, trials })).best.at(-1)[1];
        rows.push({ sampler, task: task.id, seed, trials, regret, share: Number((regret / scale).toPrecision(6)) });
      }
    }
  }
  return rows;
}

/** Median over tasks and seeds of the regret as a share of what one random point leaves. */
const medianOf = (rows, sampler) => median(rows.filter((row) => row.sampler === sampler).map(({ share }) => share));

const baseline = values.update ? [] : rowsOf(readFileSync(values.baseline, "utf8"));
const samplers = values.samplers?.split(",") ?? all;
const rows = await measure(samplers);
const csv = `${[header, ...rows.map((row) => Object.values(row).join(","))].join("\n")}\n`;
if (values.out !== undefined) writeFileSync(values.out, csv);
if (values.update) {
  const kept =
    values.samplers === undefined
      ? []
      : rowsOf(readFileSync(values.baseline, "utf8")).filter(({ sampler }) => !samplers.includes(sampler));
  const merged = [...kept, ...rows].toSorted((a, b) => (a.sampler < b.sampler ? -1 : a.sampler > b.sampler ? 1 : 0));
  writeFileSync(values.baseline, `${[header, ...merged.map((row) => Object.values(row).join(","))].join("\n")}\n`);
}
for (const sampler of samplers) {
  const now = medianOf(rows, sampler);
  if (values.update) {
    console.log(`${sampler}: median regret ${now.toPrecision(4)}`);
    continue;
  }
  if (!baseline.some((row) => row.sampler === sampler))
    throw new Error(`The baseline has no ${sampler}: add it with --update.`);
  const before = medianOf(baseline, sampler);
  const worse = now > 1.1 * before;
  if (worse) process.exitCode = 1;
  console.log(
    `${sampler}: median regret ${now.toPrecision(4)}, before ${before.toPrecision(4)}${worse ? "; over 10 % worse" : ""}`,
  );
}
if (process.exitCode === 1)
  console.log(
    "If the change is meant, say why in its commit and write the baseline anew: node benchmarks/tuner/pack.mjs --update",
  );
