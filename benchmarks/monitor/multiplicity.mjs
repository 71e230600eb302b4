// 200 columns × 100 windows in which nothing is wrong: how often a family of them raises any alarm, and what is still seen.
//   node benchmarks/monitor/multiplicity.mjs [families.jsonl] [families=100] [first=0]
// What is found of each family is appended to the file, so that several processes may share the families, and the table is of all that it holds. Every family has a history of its own: families that share one
// would alarm together, and intervals of independent families would be too narrow.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { createQuantileSketcher } from "../../packages/data/dist/index.js";
import { createAlphaSchedule } from "../../packages/monitor/dist/calibration/alpha-schedule.js";
import { adjustPValues, calibratedDrift } from "../../packages/monitor/dist/drift.js";
import { clopperPearsonInterval } from "../../packages/monitor/dist/statistics.js";
import { dayMs, startMs } from "./drift-streams.mjs";

const [resultPath = "-", families = 100, first = 0] = process.argv.slice(2);
const [columns, windows, history, rows, shifted, groupSize] = [200, 100, 100, 200, 10, 20];
const alpha = 0.05;
const shifts = [0.2, 0.3, 0.5];
const groups = Array.from({ length: columns }, (_, index) => `group ${Math.floor(index / groupSize)}`);
const policies = ["none", "bonferroni", "benjamini-hochberg", "benjamini-yekutieli", "hierarchical"].flatMap(
  (correction) =>
    [{ kind: "none" }, { kind: "spending", windows }, { kind: "online-fdr" }].map((across) => ({ correction, across })),
);

function windowOf(random, index, shift = 0) {
  const values = new Float64Array(rows);
  const profiles = Array.from({ length: columns }, (_, column) => {
    const moved = column < shifted ? shift : 0;
    for (let row = 0; row < rows; row += 1) values[row] = random.normal() + moved;
    const sketcher = createQuantileSketcher();
    sketcher.addAll(values);
    return [`x${column}`, { type: "float64", count: rows, missing: 0, nonFinite: 0, quantiles: sketcher.sketch() }];
  });
  const from = startMs + index * dayMs;
  return { startMs: from, endMs: from + dayMs, profile: { rows, columns: Object.fromEntries(profiles) } };
}

/** p-values of every column and window, then of one more window a shift. */
function pValuesOf(seed) {
  const random = createRandom(seed);
  const monitor = calibratedDrift({
    minimumSamples: rows,
    minimumDistance: 0,
    minimumMissingChange: 0,
    correction: "none",
    cycle: "none",
  })(Array.from({ length: history }, (_, index) => windowOf(random, index)));
  const judge = (window) => monitor.judge(window).columns.map(({ measures }) => measures.calibrated.pValue);
  return {
    calm: Array.from({ length: windows }, (_, index) => judge(windowOf(random, history + index))),
    moved: shifts.map((shift) => judge(windowOf(random, history + windows, shift))),
  };
}

/** For each policy: windows with an alarm, and columns that are seen by shift. */
function outcomesOf(seed) {
  const { calm, moved } = pValuesOf(seed);
  return policies.map(({ correction, across }) => {
    const schedule = createAlphaSchedule(alpha, across);
    const adjust = (pValues) => adjustPValues(pValues, correction, groups);
    let alarms = 0;
    for (const pValues of calm) {
      const rejected = Math.min(...adjust(pValues)) <= schedule.level();
      schedule.advance(rejected);
      if (rejected) alarms += 1;
    }
    const level = schedule.level();
    const seen = moved.map(
      (pValues) =>
        adjust(pValues)
          .slice(0, shifted)
          .filter((pValue) => pValue <= level).length,
    );
    return { alarms, seen };
  });
}

const kept = new Map();
if (resultPath !== "-" && existsSync(resultPath)) {
  for (const line of readFileSync(resultPath, "utf8").trim().split("\n")) {
    const { family, outcomes } = JSON.parse(line);
    kept.set(family, outcomes);
  }
}
for (let family = Number(first); family < Number(first) + Number(families); family += 1) {
  if (kept.has(family)) continue;
  const outcomes = outcomesOf(7000 + family);
  kept.set(family, outcomes);
  if (resultPath !== "-") appendFileSync(resultPath, `${JSON.stringify({ family, outcomes })}\n`);
}

console.log(
  `${kept.size} families of ${columns} columns × ${windows} windows of ${rows} rows, after a history of ${history}; α = ${alpha}`,
);
console.log(
  `| correction | across windows | windows with an alarm | families with an alarm | seen of ${shifted} columns that shift by ${shifts.join(", ")} sd |`,
);
console.log("|---|---|---|---|---|");
const percent = (share) => `${(100 * share).toFixed(1)} %`;
for (const [at, { correction, across }] of policies.entries()) {
  const all = [...kept.values()].map((outcomes) => outcomes[at]);
  const alarmed = all.filter(({ alarms }) => alarms > 0).length;
  const alarms = all.reduce((sum, outcome) => sum + outcome.alarms, 0);
  const power = shifts.map((_, index) => all.reduce((sum, { seen }) => sum + seen[index], 0) / (all.length * shifted));
  const [low, high] = clopperPearsonInterval(alarmed, all.length);
  console.log(
    `| ${correction} | ${across.kind} | ${percent(alarms / (all.length * windows))} | ${percent(alarmed / all.length)} [${percent(low)}, ${percent(high)}] | ${power.map(percent).join(", ")} |`,
  );
}
