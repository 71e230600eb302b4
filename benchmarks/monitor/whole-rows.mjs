// Monitors of whole rows: false alarms and power; and intervals of estimated quality beside NannyML's. Prints tables: node benchmarks/monitor/whole-rows.mjs
import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf, profileOf } from "../../packages/data/dist/index.js";
import { estimateCbpe, fitCbpe } from "../../packages/monitor/dist/estimation.js";
import * as multivariate from "../../packages/monitor/dist/multivariate.js";
import { clopperPearsonInterval } from "../../packages/monitor/dist/statistics.js";

const scale = Number(process.argv[2] ?? 1);
const percent = (value) => `${(100 * value).toFixed(1)} %`;
const shareOf = (hits, of) => {
  const [low, high] = clopperPearsonInterval(hits, of);
  return `${percent(hits / of)} (${percent(low)} to ${percent(high)})`;
};

const profile = profileOf(batchOf({ x: [1] }));
const windowOf = (random, correlation, index, rows = 300) => {
  const a = Float64Array.from({ length: rows }, () => random.normal());
  const b = a.map((value) => correlation * value + Math.sqrt(1 - correlation ** 2) * random.normal());
  const [c, d] = [a.map(() => random.normal()), a.map(() => -Math.log(1 - random.next()))];
  return { startMs: index, endMs: index + 1, profile, rows: batchOf({ a, b, c, d }) };
};

const monitors = [
  ["reconstruction, 3 deviations (NannyML's)", 1000, () => multivariate.reconstructionDrift()],
  ["reconstruction, alpha 0.01", 1000, () => multivariate.reconstructionDrift({ alpha: 0.01 })],
  ["domain classifier, 0.45 to 0.65 (NannyML's)", 40, (seed) => multivariate.domainClassifierDrift({ seed })],
  ["mean discrepancy, alpha 0.05", 200, (seed) => multivariate.meanDiscrepancyDrift({ seed, maxRows: 300 })],
  ["density difference, alpha 0.05", 200, (seed) => multivariate.densityDifferenceDrift({ seed, maxRows: 300 })],
];
const correlations = [0.8, 0.7, 0.5, 0, -0.8];
console.log(
  `| monitor | ${correlations.map((each) => (each === 0.8 ? "as before: false alarms" : `${each}`)).join(" | ")} |`,
);
console.log(`|---|${correlations.map(() => "---|").join("")}`);
for (const [name, full, open] of monitors) {
  const runs = Math.max(10, Math.round(full * scale));
  const cells = correlations.map((correlation) => {
    const used = correlation === 0.8 ? runs : Math.min(runs, 40);
    let alarms = 0;
    for (let seed = 0; seed < used; seed += 1) {
      const random = createRandom(seed);
      const history = Array.from({ length: 10 }, (_, index) => windowOf(random, 0.8, index));
      if (open(seed)(history).judge(windowOf(random, correlation, 20)).verdict === "drift") alarms += 1;
    }
    return correlation === 0.8 ? shareOf(alarms, used) : percent(alarms / used);
  });
  console.log(`| ${name} | ${cells.join(" | ")} |`);
}

const logistic = (z) => 1 / (1 + Math.exp(-z));
const answered = (rows, shift, random, turn) => {
  const scores = new Float64Array(rows);
  const labels = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const z = 1.2 * (random.normal() + shift) + 0.8 * random.normal() - 0.5;
    scores[row] = logistic(1.8 * z);
    labels[row] = random.next() < logistic(turn * z) ? 1 : 0;
  }
  return { scores, labels };
};
const metrics = ["auc", "f1", "accuracy", "logLoss", "brier"];
console.log(`\n| change | ${metrics.join(" | ")} |\n|---|${metrics.map(() => "---|").join("")}`);
for (const [name, shift, turn] of [
  ["none", () => 0, 1],
  ["covariate shift", (random) => 0.5 + random.next(), 1],
  ["concept drift: labels hang on the inputs half as much", () => 0, 0.5],
]) {
  const runs = Math.max(10, Math.round(300 * scale));
  const inside = Object.fromEntries(metrics.map((metric) => [metric, [0, 0]]));
  for (let seed = 0; seed < runs; seed += 1) {
    const random = createRandom(seed);
    const estimator = fitCbpe(answered(3000, 0, random, 1));
    const current = answered(1000, shift(random), random, turn);
    const estimate = estimateCbpe(estimator, current);
    // What came true, by the same code: labels are probabilities of 0 and 1.
    const realized = fitCbpe(current, { calibrate: "never" }).metrics;
    for (const metric of metrics) {
      const { value, lower, upper, samplingError } = estimate.metrics[metric];
      const truth = realized[metric].realized;
      if (truth >= lower && truth <= upper) inside[metric][0] += 1;
      if (Math.abs(truth - value) <= 3 * samplingError) inside[metric][1] += 1;
    }
  }
  for (const [index, whose] of ["ours", "NannyML's"].entries())
    console.log(
      `| ${name}, ${whose} | ${metrics.map((metric) => percent(inside[metric][index] / runs)).join(" | ")} |`,
    );
}
