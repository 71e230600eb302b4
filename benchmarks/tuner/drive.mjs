// The referee: asks a contender for parameters, evaluates the task itself and tells the result. What it gives back is a trace: the least regret so far
// where it changed, by evaluations (group F: by epochs).
import { hypervolume } from "./tasks-objectives.mjs";

/** A list of [evaluations, value], one entry where the value improves. */
function trace() {
  const changes = [];
  return {
    changes,
    add(at, value) {
      const last = changes.at(-1);
      if (last === undefined || value < last[1]) changes.push([at, rounded(value)]);
    },
  };
}

const rounded = (value) => Number(value.toPrecision(6));

/** @param contender `open(task, { seed, trials })` gives `{ ask, tell, report?, close, cpuMs }`. */
export async function run(contender, task, { seed, trials }) {
  const study = await contender.open(task, { seed, trials });
  try {
    const result = await (task.group === "F" ? byEpochs : task.group === "P" ? byWorkers : inTurn)(study, task, {
      seed,
      trials,
    });
    return { task: task.id, seed, trials, ...result, cpuMs: Math.round(study.cpuMs()) };
  } finally {
    await study.close();
  }
}

async function inTurn(study, task, { seed, trials }) {
  if (task.group === "O") return front(study, task, trials);
  const [best, recommended] = [trace(), []];
  let least = Infinity;
  for (let done = 1; done <= trials; done += 1) {
    const { number, params } = await study.ask();
    const value = task.evaluate(params);
    const observed = task.observe === undefined ? value : task.observe(value, seed, number);
    await study.tell(number, [observed]);
    best.add(done, value - task.optimum);
    // What a user would take: the trial with the best value seen. Its true regret may be worse than before.
    if (observed < least) {
      least = observed;
      recommended.push([done, rounded(value - task.optimum)]);
    }
  }
  return { best: best.changes, ...(task.observe === undefined ? {} : { recommended }) };
}

async function front(study, task, trials) {
  const points = [];
  const volumes = [];
  for (let done = 1; done <= trials; done += 1) {
    const { number, params } = await study.ask();
    const values = task.evaluate(params);
    await study.tell(number, values);
    points.push(values);
    if (done % 10 === 0) volumes.push([done, rounded(hypervolume(points, task.reference))]);
  }
  return { volumes };
}

/** Trials last simulated time; whoever is free asks, without knowing what the others will give. */
async function byWorkers(study, task, { seed, trials }) {
  const best = trace();
  const running = [];
  let [begun, done, now] = [0, 0, 0];
  while (done < trials) {
    while (begun < trials && running.length < task.workers) {
      const { number, params } = await study.ask();
      running.push({ number, value: task.evaluate(params), ends: now + task.durationOf(seed, number) });
      begun += 1;
    }
    running.sort((a, b) => a.ends - b.ends);
    const { number, value, ends } = running.shift();
    now = ends;
    await study.tell(number, [value]);
    done += 1;
    best.add(done, value - task.optimum);
  }
  return { best: best.changes };
}

/** The budget is epochs: those of `trials` full trainings. A trial that was paused goes on with the epoch after its last. */
async function byEpochs(study, task, { seed, trials }) {
  const best = trace();
  const budget = trials * task.epochs;
  let [spent, made] = [0, 0];
  while (spent < budget) {
    const { number, params, from = 0 } = await study.ask();
    const curve = task.curve(params);
    let [epoch, answer, observed] = [from, "continue", 0];
    while (epoch < task.epochs && spent < budget && answer === "continue") {
      epoch += 1;
      spent += 1;
      const value = curve(epoch);
      observed = task.observeEpoch(value, seed, number, epoch);
      best.add(spent, value - task.optimum);
      answer = await study.report(number, epoch, observed);
    }
    made += from === 0 ? 1 : 0;
    if (spent < budget || answer !== "continue" || epoch === task.epochs)
      await study.tell(number, epoch === task.epochs ? [observed] : undefined, answer);
  }
  return { best: best.changes, made };
}
