// 200 columns × 100 windows in which nothing is wrong: how often a family of them raises any alarm, and what is still seen.
//   node benchmarks/monitor/multiplicity.mjs [result.json] [families=40]
import { writeFile } from "node:fs/promises";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { createQuantileSketcher } from "../../packages/data/dist/index.js";
import { createAlphaSchedule } from "../../packages/monitor/dist/calibration/alpha-schedule.js";
import { adjustPValues, calibratedDrift } from "../../packages/monitor/dist/drift.js";
import { clopperPearsonInterval } from "../../packages/monitor/dist/statistics.js";
import { dayMs, startMs } from "./drift-streams.mjs";

const [resultPath, families = 40] = process.argv.slice(2);
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

const counts = policies.map(() => ({ families: 0, windows: 0, seen: shifts.map(() => 0) }));
for (let family = 0; family < Number(families); family += 1) {
  const { calm, moved } = pValuesOf(7000 + family);
  for (const [at, { correction, across }] of policies.entries()) {
    const schedule = createAlphaSchedule(alpha, across);
    const adjust = (pValues) => adjustPValues(pValues, correction, groups);
    const alarms = calm.map((pValues) => {
      const rejected = Math.min(...adjust(pValues)) <= schedule.level();
      schedule.advance(rejected);
      return rejected;
    });
    const count = counts[at];
    count.windows += alarms.filter(Boolean).length;
    count.families += alarms.includes(true) ? 1 : 0;
    for (const [index, pValues] of moved.entries()) {
      const level = schedule.level();
      count.seen[index] += adjust(pValues)
        .slice(0, shifted)
        .filter((pValue) => pValue <= level).length;
    }
  }
}

console.log(
  `${families} families of ${columns} columns × ${windows} windows of ${rows} rows, after a history of ${history}; α = ${alpha}`,
);
console.log(
  `| correction | across windows | windows with an alarm | families with an alarm | seen of ${shifted} columns that shift by ${shifts.join(", ")} sd |`,
);
console.log("|---|---|---|---|---|");
const result = policies.map(({ correction, across }, at) => {
  const { families: alarmed, windows: alarms, seen } = counts[at];
  const [low, high] = clopperPearsonInterval(alarmed, Number(families));
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const power = seen.map((count) => count / (Number(families) * shifted));
  console.log(
    `| ${correction} | ${across.kind} | ${percent(alarms / (Number(families) * windows))} | ${percent(alarmed / Number(families))} [${percent(low)}, ${percent(high)}] | ${power.map(percent).join(", ")} |`,
  );
  return {
    correction,
    across: across.kind,
    windowRate: alarms / (Number(families) * windows),
    familyRate: alarmed / Number(families),
    power,
  };
});
if (resultPath !== undefined && resultPath !== "-") await writeFile(resultPath, JSON.stringify(result, null, 1));
