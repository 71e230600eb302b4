// Evidently 0.7's default rule, as it stands in its `registry.py`; `evidently-rule.py` proves the equality: `node benchmarks/monitor/evidently-rule.mjs PYTHON`.
import { spawnSync } from "node:child_process";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { kolmogorovSmirnovPValue } from "../../packages/monitor/dist/index.js";

/** What the rule computes for numbers with more than five values: from a reference of more than 1,000 rows on Wasserstein's distance over the deviation, below the p-value of Kolmogorov and Smirnov. Samples are sorted. */
export function evidentlyScore(reference, current) {
  if (reference.length <= 1000) return kolmogorovSmirnovOf(reference, current);
  const mean = reference.reduce((sum, value) => sum + value, 0) / reference.length;
  const variance = reference.reduce((sum, value) => sum + (value - mean) ** 2, 0) / reference.length;
  return wassersteinOf(reference, current) / Math.max(Math.sqrt(variance), 0.001);
}

export const evidentlyDrifts = (reference, current) =>
  reference.length <= 1000 ? evidentlyScore(reference, current) <= 0.05 : evidentlyScore(reference, current) >= 0.1;

/** Texts, from a reference of more than 1,000 rows: the Jensen–Shannon distance with natural logarithms. */
export function evidentlyCategoryScore(reference, current) {
  const share = (values) => {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1 / values.length);
    return counts;
  };
  const [p, q] = [share(reference), share(current)];
  let sum = 0;
  for (const key of new Set([...p.keys(), ...q.keys()])) {
    const [a, b] = [p.get(key) ?? 0, q.get(key) ?? 0];
    const middle = (a + b) / 2;
    if (a > 0) sum += (a * Math.log(a / middle)) / 2;
    if (b > 0) sum += (b * Math.log(b / middle)) / 2;
  }
  return Math.sqrt(Math.max(0, sum));
}

export const evidentlyCategoriesDrift = (reference, current) => evidentlyCategoryScore(reference, current) >= 0.1;

/** Of sorted samples. */
function wassersteinOf(a, b) {
  let [i, j, sum] = [0, 0, 0];
  let last = Math.min(a[0], b[0]);
  while (i < a.length || j < b.length) {
    const next = j >= b.length || (i < a.length && a[i] <= b[j]) ? a[i] : b[j];
    sum += Math.abs(i / a.length - j / b.length) * (next - last);
    last = next;
    if (j >= b.length || (i < a.length && a[i] <= b[j])) i += 1;
    else j += 1;
  }
  return sum;
}

function kolmogorovSmirnovOf(a, b) {
  let [i, j, distance] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i], b[j]);
    while (i < a.length && a[i] === value) i += 1;
    while (j < b.length && b[j] === value) j += 1;
    distance = Math.max(distance, Math.abs(i / a.length - j / b.length));
  }
  return kolmogorovSmirnovPValue(distance, a.length, b.length);
}

/** Scores of the real Evidently beside ours, on the same samples. */
function prove(python) {
  const random = createRandom(9);
  const normal = (size, shift = 0) => Float64Array.from({ length: size }, () => random.normal() + shift).sort();
  const texts = (size, share) => Array.from({ length: size }, () => (random.next() < share ? "a" : "b"));
  const cases = Array.from({ length: 24 }, (_, index) => {
    const size = 300 + 60 * index;
    if (index % 3 === 0) return { reference: normal(900), current: normal(size, index / 100) };
    if (index % 3 === 1) return { reference: normal(3000), current: normal(size, index / 100) };
    return { reference: texts(3000, 0.5), current: texts(size, 0.5 + index / 100) };
  });
  const lines = cases.map(({ reference, current }) => JSON.stringify([Array.from(reference), Array.from(current)]));
  const path = new URL("evidently-rule.py", import.meta.url).pathname;
  const { stdout, stderr } = spawnSync(python, [path], { input: lines.join("\n"), encoding: "utf8", maxBuffer: 1e8 });
  const theirs = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  if (theirs.length !== cases.length) throw new Error(stderr);
  const methods = new Map();
  for (const [index, { reference, current }] of cases.entries()) {
    const { score, method } = theirs[index];
    const isText = typeof current[0] === "string";
    const own = isText ? evidentlyCategoryScore(reference, current) : evidentlyScore(reference, current);
    const drifts = (value) => (method.includes("p_value") ? value <= 0.05 : value >= 0.1);
    const found = methods.get(method) ?? { scores: 0, difference: 0, verdicts: 0 };
    found.scores += 1;
    found.difference = Math.max(found.difference, Math.abs(own - score));
    found.verdicts += drifts(own) === drifts(score) ? 1 : 0;
    methods.set(method, found);
  }
  for (const [method, { scores, difference, verdicts }] of methods)
    console.log(
      `Evidently ${theirs[0].version}, ${method}: ${verdicts} of ${scores} verdicts equal, scores within ${difference.toExponential(1)}`,
    );
}

if (process.argv[1] === import.meta.filename) prove(process.argv[2] ?? "python3");
