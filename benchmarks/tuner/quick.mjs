// A quick look while developing: our median regrets beside those recorded of Optuna, on the tasks that are not held out.
//   node benchmarks/tuner/quick.mjs --sampler gp --group C --seeds 5 --trials 60 [--task branin-2] [--pruner asha] [--against optuna:gp]
import { parseArgs } from "node:util";
import { run } from "./drive.mjs";
import { startOurs } from "./ours.mjs";
import { evaluationsToReach, geometricMean, median, medianAt } from "./statistics.mjs";
import { tasksOf } from "./tasks.mjs";
import { runsOf } from "./traces.mjs";

const { values } = parseArgs({
  options: {
    sampler: { type: "string", default: "tpe" },
    pruner: { type: "string" },
    group: { type: "string", default: "C" },
    task: { type: "string" },
    seeds: { type: "string", default: "5" },
    trials: { type: "string" },
    against: { type: "string" },
  },
});
const { group } = values;
const trials = Number(values.trials ?? (group === "F" ? 20 : 60));
const against = values.against ?? (group === "F" ? "optuna:default+hyperband" : "optuna:default");
const ours = startOurs(values.pruner === undefined ? values.sampler : `${values.sampler}+${values.pruner}`);
const number = (value) => (value === undefined || !Number.isFinite(value) ? "–" : value.toPrecision(3));
const recorded = (contender, task) =>
  runsOf(contender).filter((each) => each.task === task.id && each.error === undefined);

function compared(task, runs) {
  const units = task.epochs ?? 1;
  const traces = runs.map(({ best }) => best);
  const at = (name) => recorded(name, task).map(({ best }) => best);
  const theirs = at(against);
  const text = [medianAt(traces, trials * units), theirs.length === 0 ? undefined : medianAt(theirs, trials * units)];
  const random = at("optuna:random");
  const needed =
    theirs.length === 0
      ? undefined
      : evaluationsToReach(traces, text[1], trials * units, 1e-6 * medianAt(random, trials * units));
  const ratio = theirs.length === 0 ? undefined : needed === undefined ? 2 : needed / (trials * units);
  const line = `ours ${number(text[0])}  ${against} ${number(text[1])} (${theirs.length} seeds)  random ${number(random.length === 0 ? undefined : medianAt(random, trials * units))}`;
  return {
    line: `${line}  evaluations to match ÷ ${trials}: ${needed === undefined ? "not matched" : ratio.toFixed(2)}`,
    ratio,
  };
}

function volumes(task, runs) {
  const of = (each) => each.volumes?.find(([done]) => done === trials)?.[1];
  const theirs = recorded(against, task)
    .map(of)
    .filter((value) => value !== undefined);
  const mine = median(runs.map(of));
  const other = theirs.length === 0 ? undefined : median(theirs);
  return {
    line: `hypervolume ${number(mine)}  ${against} ${number(other)}`,
    ratio: other === undefined ? undefined : mine / other,
  };
}

const ratios = [];
for (const task of tasksOf([group]).filter(({ id }) => values.task === undefined || id === values.task)) {
  const runs = [];
  for (let seed = 0; seed < Number(values.seeds); seed += 1) runs.push(await run(ours, task, { seed, trials }));
  const { line, ratio } = group === "O" ? volumes(task, runs) : compared(task, runs);
  if (ratio !== undefined) ratios.push(ratio);
  const cpuMs = runs.reduce((sum, each) => sum + each.cpuMs, 0) / runs.length / trials;
  console.log(`${task.id.padEnd(26)} ${line}  ${cpuMs.toFixed(1)} ms CPU a trial`);
}
if (ratios.length > 0)
  console.log(
    `geometric mean of ${group === "O" ? "hypervolume, ours ÷ theirs" : "evaluations to match (not matched counts 2)"}: ${geometricMean(ratios).toFixed(2)}`,
  );
