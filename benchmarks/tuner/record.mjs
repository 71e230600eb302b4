// Records traces of a contender, one line a task and seed; what the file has already is not run again, so it can be stopped at any time.
//   node benchmarks/tuner/record.mjs --contender optuna:default --groups C,M --seeds 20 --trials 100 --out traces.jsonl [--held-out no|only|both] [--python …]
// Contenders: optuna:default, :gp, :cmaes, :nsga2, :random, :qmc, with +median or +hyperband in group F; hyperopt, hebo, smac; ours:auto, ours:gp, ….
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { run } from "./drive.mjs";
import { tasksOf } from "./tasks.mjs";

const { values } = parseArgs({
  options: {
    contender: { type: "string" },
    groups: { type: "string", default: "C,M,N" },
    seeds: { type: "string", default: "20" },
    from: { type: "string", default: "0" },
    trials: { type: "string", default: "100" },
    out: { type: "string" },
    "held-out": { type: "string", default: "no" },
    python: { type: "string", default: process.env.PYTHON ?? "python3" },
  },
});

const contender = values.contender.startsWith("ours:")
  ? (await import("./ours.mjs")).startOurs(values.contender.slice(5))
  : (await import("./peer.mjs")).startPeer(values.python, values.contender);
const held = { no: false, only: true, both: "both" }[values["held-out"]];
const done = new Set();
if (existsSync(values.out)) {
  for (const line of readFileSync(values.out, "utf8").split("\n").filter(Boolean)) {
    const { task, seed, contender: name } = JSON.parse(line);
    done.add(`${name} ${task} ${seed}`);
  }
}

// Seeds outside, tasks inside: whatever it is stopped at, all tasks have as many seeds, give or take one.
for (const group of values.groups.split(",")) {
  for (let seed = Number(values.from); seed < Number(values.seeds); seed += 1) {
    for (const task of tasksOf([group], held)) {
      if (done.has(`${values.contender} ${task.id} ${seed}`)) continue;
      let result;
      try {
        result = await run(contender, task, { seed, trials: Number(values.trials) });
      } catch (error) {
        result = { task: task.id, seed, error: error.message };
      }
      appendFileSync(values.out, `${JSON.stringify({ contender: values.contender, group, ...result })}\n`);
    }
  }
}
contender.stop();
