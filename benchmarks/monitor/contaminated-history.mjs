// What bad windows in a history of thirty cost: false alarms and what is seen.
//   node benchmarks/monitor/contaminated-history.mjs [streams=40]
import { createRandom } from "../../packages/contracts/dist/index.js";
import { createQuantileSketcher } from "../../packages/data/dist/index.js";
import { calibratedDrift } from "../../packages/monitor/dist/drift.js";
import { dayMs, startMs } from "./drift-streams.mjs";

const [streams = 40] = process.argv.slice(2);
const [historyWindows, calmWindows, rows] = [30, 20, 1000];
const changes = { "0.1 sd": [0.1, 1], "0.15 sd": [0.15, 1], "0.25 sd": [0.25, 1], "scale × 1.25": [0, 1.25] };
const cases = [[0, 0], ...[1, 3].flatMap((bad) => [0.5, 2, 5].map((size) => [bad, size]))];

function windowOf(random, index, shift, scale = 1) {
  const sketcher = createQuantileSketcher();
  sketcher.addAll(Float64Array.from({ length: rows }, () => random.normal() * scale + shift));
  const from = startMs + index * dayMs;
  const x = { type: "float64", count: rows, missing: 0, nonFinite: 0, quantiles: sketcher.sketch() };
  return { startMs: from, endMs: from + dayMs, profile: { rows, columns: { x } } };
}

console.log(`${streams} streams, ${calmWindows} calm windows each, α = 0.05 and 0.01; seen at α = 0.01`);
console.log(`| bad windows | calm windows that alarm, 0.05, 0.01 | left out | ${Object.keys(changes).join(" | ")} |`);
console.log(
  `|---|---|---|${Object.keys(changes)
    .map(() => "---|")
    .join("")}`,
);
for (const [bad, size] of cases) {
  const seen = Object.values(changes).map(() => 0);
  const alarms = [0, 0];
  let leftOut = 0;
  for (let seed = 0; seed < Number(streams); seed += 1) {
    const random = createRandom(90_000 + seed);
    const where = new Set();
    while (where.size < bad) where.add(random.integer(historyWindows));
    const history = Array.from({ length: historyWindows }, (_, index) =>
      windowOf(random, index, where.has(index) ? size : 0),
    );
    const monitor = calibratedDrift({ minimumDistance: 0 })(history);
    const judge = (window) => monitor.judge(window).columns[0].measures.calibrated;
    for (let index = 0; index < calmWindows; index += 1) {
      const { pValue } = judge(windowOf(random, historyWindows + index, 0));
      for (const [at, alpha] of [0.05, 0.01].entries()) if (pValue <= alpha) alarms[at] += 1;
    }
    for (const [at, [shift, scale]] of Object.values(changes).entries()) {
      const { pValue, outlyingWindows } = judge(windowOf(random, historyWindows, shift, scale));
      if (pValue <= 0.01) seen[at] += 1;
      if (at === 0) leftOut += outlyingWindows ?? 0;
    }
  }
  const calm = alarms.map((count) => `${((100 * count) / calmWindows / Number(streams)).toFixed(1)} %`);
  const power = seen.map((count) => `${Math.round((100 * count) / Number(streams))} %`);
  console.log(
    `| ${bad === 0 ? "none" : `${bad}, by ${size} sd`} | ${calm.join(", ")} | ${(leftOut / Number(streams)).toFixed(1)} | ${power.join(" | ")} |`,
  );
}
