// Processor time of one ask and its tell, after n trials at random points of the shifted sphere. Contenders take turns in every cell; each starts anew there.
//   PYTHON=… node benchmarks/tuner/overhead.mjs [--contenders ours:tpe,ours:gp,optuna:default,optuna:gp] [--dimensions 5,10,30] [--trials 10,…] [--rounds 3]
// A contender whose ask took over --limit-s seconds in a cell is left out of the larger ones.
import { cpus, loadavg } from "node:os";
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startOurs } from "./ours.mjs";
import { startPeer } from "./peer.mjs";
import { median } from "./statistics.mjs";
import { seedOf, uniforms } from "./streams.mjs";
import { floats } from "./tasks-continuous.mjs";
import { folder } from "./traces.mjs";

const { values } = parseArgs({
  options: {
    contenders: { type: "string", default: "ours:tpe,optuna:default,ours:gp,optuna:gp" },
    dimensions: { type: "string", default: "5,10,30" },
    trials: { type: "string", default: "10,50,100,200,500,1000,5000" },
    rounds: { type: "string", default: "3" },
    "limit-s": { type: "string", default: "20" },
    out: { type: "string", default: new URL("overhead.json", folder).pathname },
  },
});
const list = (text) => text.split(",").map(Number);
const names = values.contenders.split(",");
const started = Object.fromEntries(
  names.map((name) => [
    name,
    name.startsWith("ours:") ? startOurs(name.slice(5)) : startPeer(process.env.PYTHON ?? "python3", name),
  ]),
);

function taskOf(dimensions) {
  const space = floats(dimensions, 0, 1);
  const evaluate = (params) => Object.values(params).reduce((sum, value) => sum + (value - 0.3) ** 2, 0);
  return { id: `sphere-${dimensions}`, group: "C", space, evaluate };
}

/** Mean over the asks of a fresh study with `count` trials. */
async function measure(contender, task, count, round) {
  const uniform = uniforms(seedOf(task.id, count, round));
  const made = Array.from({ length: count }, () => {
    const params = Object.fromEntries(Object.keys(task.space).map((name) => [name, uniform()]));
    return [params, task.evaluate(params)];
  });
  const study = await contender.open(task, { seed: round, trials: count + 100 });
  await study.fill(made);
  const before = async () => {
    const { number, params } = await study.ask();
    await study.tell(number, [task.evaluate(params)]);
  };
  // A study that has so many trials made them itself: what the first ones compile and fit from nothing is not counted, up to 20 of them or 2 s.
  const cold = study.cpuMs();
  for (let asks = 0; asks < 20 && (asks < 1 || study.cpuMs() - cold < 2000); asks += 1) await before();
  const start = study.cpuMs();
  let asks = 0;
  // At most 20, in which the study does not grow by much; fewer where they are slow.
  while (asks < (count < 50 ? 10 : 20) && (asks < 2 || study.cpuMs() - start < 3000)) {
    await before();
    asks += 1;
  }
  const spent = (study.cpuMs() - start) / asks;
  await study.close();
  return spent;
}

const cells = [];
const loads = [loadavg()[0]];
const tooSlow = new Set();
for (const dimensions of list(values.dimensions)) {
  const task = taskOf(dimensions);
  tooSlow.clear();
  for (const trials of list(values.trials)) {
    const samples = Object.fromEntries(names.map((name) => [name, []]));
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        if (tooSlow.has(name)) continue;
        const spent = await measure(started[name], task, trials, round);
        samples[name].push(Number(spent.toFixed(3)));
        if (spent > 1000 * Number(values["limit-s"])) tooSlow.add(name);
      }
    }
    const ms = Object.fromEntries(
      names.filter((name) => samples[name].length > 0).map((name) => [name, median(samples[name])]),
    );
    cells.push({ dimensions, trials, ms, samples });
    console.log(dimensions, trials, JSON.stringify(ms));
  }
}
loads.push(loadavg()[0]);
for (const contender of Object.values(started)) contender.stop();
mkdirSync(folder, { recursive: true });
writeFileSync(
  values.out,
  `${JSON.stringify({ node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, loads, cells })}\n`,
);
