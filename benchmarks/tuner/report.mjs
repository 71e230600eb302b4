// Writes the tables of ../results/tuner.md anew from the recorded traces: what stands between its two markers is replaced.
//   node benchmarks/tuner/report.mjs
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import {
  againstOneWorker,
  matches,
  meanRanks,
  normalisedRegret,
  profile,
  runsFor,
  significance,
  volumeOf,
} from "./scores.mjs";
import { geometricMean } from "./statistics.mjs";
import { tasksOf } from "./tasks.mjs";
import { contenders, folder } from "./traces.mjs";

const text = (value, digits = 2) =>
  value === undefined ? "–" : value >= 0.01 || value === 0 ? value.toFixed(digits) : value.toExponential(0);
const table = (head, rows) => [
  `| ${head.join(" | ")} |`,
  `|${head.map(() => "---").join("|")}|`,
  ...rows.map((row) => `| ${row.join(" | ")} |`),
  "",
];
const known = contenders().toSorted(
  (a, b) => Number(b.startsWith("ours")) - Number(a.startsWith("ours")) || a.localeCompare(b),
);
const nameOf = (contender) =>
  contender
    .replace("ours:", "Millwright ")
    .replace("optuna:default", "Optuna default")
    .replace("optuna:", "Optuna ")
    .replace("+", " + ");
const groups = [
  { group: "C", title: "C: continuous, 2 to 20 dimensions", budgets: [25, 50, 100], of: "best" },
  { group: "M", title: "M: mixed kinds and conditions", budgets: [25, 50, 100], of: "best" },
  {
    group: "N",
    title: "N: noise of a tenth of the scale, judged by the best true value so far",
    budgets: [25, 50, 100],
    of: "best",
  },
  {
    group: "N",
    title: "N: the same, judged by the true value of the trial whose observed value is best",
    budgets: [25, 50, 100],
    of: "recommended",
  },
  {
    group: "F",
    title: "F: learning curves; the budget is epochs of so many full trainings",
    budgets: [5, 10, 20],
    of: "best",
  },
  { group: "P", title: "P: 4 and 8 workers in simulated time", budgets: [25, 50, 100], of: "best" },
];

/** Those that have runs of every task. */
const present = (tasks) => known.filter((contender) => tasks.every((task) => runsFor(contender, task).size > 0));

function section({ group, title, budgets, of }, heldOut) {
  const tasks = tasksOf([group], heldOut);
  const here = present(tasks);
  if (here.length === 0) return [`#### ${title}`, "", "Not recorded.", ""];
  const last = budgets.at(-1);
  const enough = here.filter((contender) => tasks.every((task) => runsFor(contender, task).size >= 20));
  const common = reached(here, tasks, budgets).at(-1);
  const { ranks, count } = meanRanks(here, tasks, common, of);
  const { ranks: ranksOfMany } = meanRanks(enough, tasks, last, of);
  const profiles = profile(here, tasks, common, [2, 10]);
  const lines = [`#### ${title}`, ""];
  lines.push(
    ...table(
      [
        "",
        "seeds",
        ...budgets.map((at) => `regret at ${at}`),
        `mean rank, ${enough.length} with 20 seeds`,
        `mean rank at ${common}, all (${count} runs)`,
        `tasks within 2 ×, 10 × of the best at ${common}`,
      ],
      here.map((contender, index) => [
        nameOf(contender),
        Math.min(...tasks.map((task) => runsFor(contender, task).size)),
        ...budgets.map((at) => text(normalisedRegret(contender, tasks, at, of), 3)),
        text(enough.includes(contender) ? ranksOfMany[enough.indexOf(contender)] : undefined),
        text(ranks[index]),
        profiles[index].map((share) => `${Math.round(100 * share)} %`).join(", "),
      ]),
    ),
  );
  return [...lines, ...against(here, tasks, budgets, of)];
}

/** Those budgets that all runs of the contenders go to. */
const reached = (all, tasks, budgets) =>
  budgets.filter((at) =>
    all.every((contender) =>
      tasks.every((task) => [...runsFor(contender, task).values()].every(({ trials }) => trials >= at)),
    ),
  );

/** Ours against each peer, at the largest budget both have. */
function against(here, tasks, all, of) {
  const rows = [];
  for (const ours of here.filter((contender) => contender.startsWith("ours"))) {
    for (const theirs of here.filter((contender) => !contender.startsWith("ours"))) {
      const budgets = reached([ours, theirs], tasks, all);
      const last = budgets.at(-1);
      const share = matches(ours, theirs, tasks, last, of);
      const { cells, better, worse, group } = significance(ours, theirs, tasks, budgets, of);
      rows.push([
        nameOf(ours),
        nameOf(theirs),
        last,
        text(geometricMean(share.map(({ ratio }) => ratio))),
        share.map(({ task, ratio, matched }) => `${task.id} ${matched ? text(ratio) : "–"}`).join(", "),
        cells === 0 ? "too few seeds" : `${better}, ${worse.length} of ${cells}`,
        worse.map(({ task, trials }) => `${task.id} at ${trials}`).join(", "),
        text(group.p, 3),
      ]);
    }
  }
  return rows.length === 0
    ? []
    : table(
        [
          "ours",
          "against",
          "budget",
          "evaluations to match ÷ budget",
          "of each task (– not matched, counts 2)",
          "cells significantly better, worse",
          "worse in",
          "p over tasks",
        ],
        rows,
      );
}

/** What workers cost in evaluations, against one that waits for each. */
function workers(heldOut) {
  const tasks = tasksOf(["P"], heldOut);
  const rows = present(tasks)
    .filter((contender) => contender !== "optuna:random")
    .flatMap((contender) =>
      [4, 8].map((count) => {
        const shares = againstOneWorker(contender, tasks, count, 50);
        return [
          nameOf(contender),
          count,
          text(geometricMean(shares.map(({ ratio }) => ratio))),
          shares.map(({ task, ratio, matched }) => `${task.id} ${matched ? text(ratio) : "–"}`).join(", "),
        ];
      }),
    );
  return rows.length === 0
    ? []
    : table(
        [
          "",
          "workers",
          "evaluations to be where one worker is at 50, ÷ 50",
          "of each task (– not within 100, counts 2)",
        ],
        rows,
      );
}

function volumes(heldOut) {
  const tasks = tasksOf(["O"], heldOut);
  const here = present(tasks);
  const lines = ["#### O: hypervolume, over that of Optuna's default; geometric mean", ""];
  const ratio = (contender, trials) => {
    const values = tasks.map((task) => [volumeOf(contender, task, trials), volumeOf("optuna:default", task, trials)]);
    return values.some(([a, b]) => a === undefined || b === undefined) ? undefined : values.map(([a, b]) => a / b);
  };
  return [
    ...lines,
    ...table(
      ["", "seeds", "at 100", "at 300", "of each task at 100"],
      here.map((contender) => {
        const [first, second] = [ratio(contender, 100), ratio(contender, 300)];
        return [
          nameOf(contender),
          Math.min(...tasks.map((task) => runsFor(contender, task).size)),
          text(first && geometricMean(first)),
          text(second && geometricMean(second)),
          first === undefined ? "–" : tasks.map((task, index) => `${task.id} ${text(first[index])}`).join(", "),
        ];
      }),
    ),
  ];
}

/** Processor time of ask and tell, from overhead.mjs. */
function overhead() {
  const file = new URL("overhead.json", folder);
  if (!existsSync(file)) return [];
  const { cells } = JSON.parse(readFileSync(file, "utf8"));
  const names = [...new Set(cells.flatMap(({ ms }) => Object.keys(ms)))];
  const pairs = [
    ["ours:tpe", "optuna:default"],
    ["ours:gp", "optuna:gp"],
    ["ours:auto", "optuna:default"],
    ["ours:auto", "optuna:gp"],
  ].filter((pair) => pair.every((name) => names.includes(name)));
  return [
    "### Processor time of one ask and tell, ms",
    "",
    ...table(
      ["dimensions", "trials before", ...names.map(nameOf), ...pairs.map(([a, b]) => `${nameOf(b)} ÷ ${nameOf(a)}`)],
      cells.map(({ dimensions, trials, ms }) => [
        dimensions,
        trials,
        ...names.map((name) => text(ms[name])),
        ...pairs.map(([a, b]) => (ms[a] === undefined || ms[b] === undefined ? "–" : `${(ms[b] / ms[a]).toFixed(1)}`)),
      ]),
    ),
  ];
}

const lines = [];
for (const [heldOut, title] of [
  [false, "### Tasks that were seen while developing"],
  [true, "### Tasks held out until the end"],
]) {
  lines.push(title, "");
  for (const each of groups) lines.push(...section(each, heldOut));
  lines.push(...workers(heldOut), ...volumes(heldOut));
}
lines.push(...overhead());

const page = new URL("../results/tuner.md", import.meta.url);
const [before, , after] = readFileSync(page, "utf8").split(/<!-- (?:begin|end) of the tables -->/);
writeFileSync(page, `${before}<!-- begin of the tables -->\n\n${lines.join("\n")}\n<!-- end of the tables -->${after}`);
