// What the report tells of a group: from recorded traces, nothing is run.
import {
  evaluationsToReach,
  geometricMean,
  holm,
  mean,
  median,
  medianAt,
  ranksOf,
  regretAt,
  signedRank,
} from "./statistics.mjs";
import { runsOf } from "./traces.mjs";

/** Regrets below this share of what random search leaves count as the same: as good as solved. */
export const solved = 1e-6;

const cache = new Map();
const runsBy = (contender) => {
  if (!cache.has(contender)) {
    const byTask = new Map();
    for (const run of runsOf(contender)) {
      if (run.error === undefined) byTask.set(run.task, (byTask.get(run.task) ?? new Map()).set(run.seed, run));
    }
    cache.set(contender, byTask);
  }
  return cache.get(contender);
};

/** A contender's runs of a task by seed; none where it has none. */
export const runsFor = (contender, task) => runsBy(contender).get(task.id) ?? new Map();

/** @param of Which trace: "best", or "recommended" of noisy tasks. */
const tracesFor = (contender, task, of) => [...runsFor(contender, task).values()].map((run) => run[of]).filter(Boolean);
const unitsOf = (task) => task.epochs ?? 1;
const floorOf = (task, at, of) => {
  const random = tracesFor("optuna:random", task, of);
  return random.length === 0 ? 0 : solved * medianAt(random, at);
};

/** How far a contender goes in all runs of a task. */
const reach = (contender, task) => Math.min(...[...runsFor(contender, task).values()].map(({ trials }) => trials));

/** Median regret of each task over what random search leaves after as many; the geometric mean over tasks. */
export function normalisedRegret(contender, tasks, trials, of = "best") {
  const shares = tasks
    .filter((task) => reach(contender, task) >= trials && runsFor(contender, task).size > 0)
    .map((task) => {
      const at = trials * unitsOf(task);
      return Math.max(
        solved,
        medianAt(tracesFor(contender, task, of), at) / medianAt(tracesFor("optuna:random", task, of), at),
      );
    });
  return shares.length === tasks.length ? geometricMean(shares) : undefined;
}

/** Mean rank of each contender over tasks and the seeds that all of them have. */
export function meanRanks(contenders, tasks, trials, of = "best") {
  const ranks = [];
  for (const task of tasks) {
    const at = trials * unitsOf(task);
    const floor = floorOf(task, at, of);
    const all = contenders.map((contender) => runsFor(contender, task));
    for (const seed of all[0]?.keys() ?? []) {
      if (!all.every((runs) => (runs.get(seed)?.trials ?? 0) >= trials)) continue;
      ranks.push(ranksOf(all.map((runs) => Math.max(floor, regretAt(runs.get(seed)[of], at)))).ranks);
    }
  }
  return {
    count: ranks.length,
    ranks: contenders.map((_, index) => (ranks.length === 0 ? undefined : mean(ranks.map((each) => each[index])))),
  };
}

/** Evaluations the median of `ours` needs to be where the median of `theirs` is after `trials`, as a share of them; 2 where it never gets there. */
export function matches(ours, theirs, tasks, trials, of = "best") {
  return tasks
    .filter((task) => runsFor(ours, task).size > 0 && runsFor(theirs, task).size > 0 && reach(theirs, task) >= trials)
    .map((task) => {
      const at = trials * unitsOf(task);
      const target = medianAt(tracesFor(theirs, task, of), at);
      const most = reach(ours, task) * unitsOf(task);
      const needed = evaluationsToReach(tracesFor(ours, task, of), target, most, floorOf(task, at, of));
      return { task, ratio: needed === undefined ? 2 : needed / at, matched: needed !== undefined };
    });
}

/** Evaluations that so many workers need to be where one is after `trials`, as a share of them, per task; 2 where they never get there. */
export function againstOneWorker(contender, tasks, workers, trials) {
  return tasks
    .filter((task) => task.workers === workers)
    .map((task) => {
      const one = { ...task, id: task.id.replace(`-${workers}-workers`, "") };
      const target = medianAt(tracesFor(contender, one, "best"), trials);
      const floor = floorOf(one, trials, "best");
      const needed = evaluationsToReach(tracesFor(contender, task, "best"), target, reach(contender, task), floor);
      return { task, ratio: needed === undefined ? 2 : needed / trials, matched: needed !== undefined };
    });
}

/** Signed-rank tests of paired seeds for each task and budget; Holm over all cells of the call. */
export function significance(ours, theirs, tasks, budgets, of = "best") {
  const cells = [];
  for (const task of tasks) {
    for (const trials of budgets) {
      const [a, b] = [runsFor(ours, task), runsFor(theirs, task)];
      const at = trials * unitsOf(task);
      const floor = floorOf(task, at, of);
      const far = (run) => (run?.trials ?? 0) >= trials;
      const seeds = [...a.keys()].filter((seed) => far(a.get(seed)) && far(b.get(seed)));
      if (seeds.length < 6) continue;
      // On a logarithmic scale, so that a rare disaster does not decide alone.
      const score = (run) => Math.log(Math.max(floor, regretAt(run[of], at), 1e-300));
      const differences = seeds.map((seed) => score(a.get(seed)) - score(b.get(seed)));
      cells.push({ task, trials, ...signedRank(differences) });
    }
  }
  const adjusted = holm(cells.map(({ p }) => p));
  const worse = cells.filter(({ positive, negative }, index) => adjusted[index] < 0.05 && positive > negative);
  const better = cells.filter(({ positive, negative }, index) => adjusted[index] < 0.05 && positive < negative);
  // One test for the group: medians of the tasks at the last budget.
  return {
    cells: cells.length,
    better: better.length,
    worse,
    group: groupTest(ours, theirs, tasks, budgets.at(-1), of),
  };
}

function groupTest(ours, theirs, tasks, trials, of) {
  const differences = tasks
    .filter((task) => runsFor(ours, task).size > 0 && runsFor(theirs, task).size > 0)
    .map((task) => {
      const at = trials * unitsOf(task);
      const score = (contender) =>
        Math.log(Math.max(floorOf(task, at, of), medianAt(tracesFor(contender, task, of), at)));
      return score(ours) - score(theirs);
    });
  return signedRank(differences);
}

/** Share of tasks on which a contender's median regret is within `factor` of the best contender's. */
export function profile(contenders, tasks, trials, factors) {
  const scores = tasks.map((task) => {
    const at = trials * unitsOf(task);
    return contenders.map((contender) =>
      Math.max(floorOf(task, at, "best"), medianAt(tracesFor(contender, task, "best"), at)),
    );
  });
  return contenders.map((_, index) =>
    factors.map((factor) => mean(scores.map((row) => (row[index] <= factor * Math.min(...row) ? 1 : 0)))),
  );
}

/** Median hypervolume after `trials`. */
export function volumeOf(contender, task, trials) {
  const values = [...runsFor(contender, task).values()]
    .map(({ volumes }) => volumes?.find(([done]) => done === trials)?.[1])
    .filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}
