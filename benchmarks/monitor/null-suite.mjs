// False alarms where nothing is wrong: our calibrated monitor beside Evidently's default rule, on the same windows.
//   node benchmarks/monitor/null-suite.mjs [result.json] [streams=20] [windows=100] [part of the names] [windows of history=112] [peers=yes]
// Of 50 columns there are a tenth of the streams. Anything but yes leaves Evidently out, which takes most of the time.
import { writeFile } from "node:fs/promises";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { toArray } from "../../packages/data/dist/index.js";
import { calibratedDrift } from "../../packages/monitor/dist/drift.js";
import { clopperPearsonInterval } from "../../packages/monitor/dist/statistics.js";
import { evidentlyDrifts } from "./evidently-rule.mjs";
import { createStream, nullStreams } from "./drift-streams.mjs";

const [resultPath, streams = 20, windows = 100, part = "", historyWindows = 112, peers = "yes"] = process.argv.slice(2);
const [perDay, rows, referenceRows] = [4, 1000, 10_000];
const alphas = [0.05, 0.01, 0.001];
/** The default sizes that matter. */
const smallest = 0.05;

const numbersOf = (column) => Float64Array.from(toArray(column).filter((value) => typeof value === "number"));

/** Rows drawn from all of history, so that they cover every phase of a cycle: the best reference that the rule can have. */
function referencesOf(history, random) {
  const names = Object.keys(history[0].batch.columns);
  const all = names.map((name) => history.flatMap(({ batch }) => Array.from(numbersOf(batch.columns[name]))));
  const draw = (values, count) =>
    Float64Array.from({ length: count }, () => values[random.integer(values.length)]).sort();
  return all.map((values) => (values.length === 0 ? undefined : [draw(values, referenceRows), draw(values, 1000)]));
}

function judgeStream(name, seed) {
  const stream = createStream(name, seed, { rows, perDay });
  const history = Array.from({ length: Number(historyWindows) }, () => stream.next());
  const monitor = calibratedDrift({ minimumDistance: 0, minimumMissingChange: 0, correction: "none" })(history);
  const references = peers === "yes" ? referencesOf(history, createRandom(seed).fork("reference")) : [];
  const counts = { tests: 0, ours: alphas.map(() => 0), gated: 0, evidently: 0, evidentlySmall: 0, peers: 0 };
  for (let window = 0; window < Number(windows); window += 1) {
    const next = stream.next();
    const { columns } = monitor.judge(next);
    for (const [index, { measures }] of columns.entries()) {
      counts.tests += 1;
      const { pValue = Number.NaN, distance = 0, missing = 0, missingUsually = 0 } = measures.calibrated ?? {};
      for (const [at, alpha] of alphas.entries()) if (pValue <= alpha) counts.ours[at] += 1;
      const matters = distance >= smallest || Math.abs(missing - missingUsually) >= smallest;
      if (pValue <= 0.05 && matters) counts.gated += 1;
      if (references[index] === undefined) continue;
      counts.peers += 1;
      const current = numbersOf(next.batch.columns[columns[index].name]).sort();
      if (evidentlyDrifts(references[index][0], current)) counts.evidently += 1;
      if (evidentlyDrifts(references[index][1], current)) counts.evidentlySmall += 1;
    }
  }
  return counts;
}

const percent = (share) => `${(100 * share).toFixed(2)} %`;

export function runSuite(names = Object.keys(nullStreams).filter((name) => new RegExp(part).test(name))) {
  return names.map((name) => {
    const count = name.startsWith("50 ") ? Math.ceil(Number(streams) / 10) : Number(streams);
    const all = Array.from({ length: count }, (_, index) => judgeStream(name, 1000 + index));
    const sum = (pick) => all.reduce((total, counts) => total + pick(counts), 0);
    const tests = sum((counts) => counts.tests);
    const ours = alphas.map((alpha, at) => {
      const hits = sum((counts) => counts.ours[at]);
      // Columns of one window move together: the interval is that of the windows of one column.
      const trials = count * Number(windows);
      const [low, high] = clopperPearsonInterval(Math.round((hits / tests) * trials), trials);
      return { alpha, rate: hits / tests, low, high, inside: hits / tests >= alpha / 2 && hits / tests <= alpha * 1.5 };
    });
    const perStream = all.map((counts) => counts.ours[0] / counts.tests);
    const compared = sum((counts) => counts.peers);
    const row = {
      name,
      tests,
      ours,
      streams: [Math.min(...perStream), Math.max(...perStream)],
      gated: sum((counts) => counts.gated) / tests,
      evidently: compared === 0 ? undefined : sum((counts) => counts.evidently) / compared,
      evidentlySmall: compared === 0 ? undefined : sum((counts) => counts.evidentlySmall) / compared,
    };
    const shown = ours.map(
      ({ rate, low, high, inside }) =>
        `${percent(rate)} [${percent(low)}, ${percent(high)}]${inside ? "" : " OUTSIDE"}`,
    );
    console.log(
      `| ${name} | ${shown.join(" | ")} | ${percent(row.streams[0])} to ${percent(row.streams[1])} | ${percent(row.gated)} | ${row.evidently === undefined ? "–" : percent(row.evidently)} | ${row.evidentlySmall === undefined ? "–" : percent(row.evidentlySmall)} |`,
    );
    return row;
  });
}

if (process.argv[1] === import.meta.filename) {
  console.log(
    `${streams} streams × ${windows} windows of ${rows} rows, each after a history of ${historyWindows} quarter days; false alarms a column and window`,
  );
  console.log(
    `| nothing is wrong in | α = 0.05 | α = 0.01 | α = 0.001 | single streams at 0.05 | with sizes that matter, 0.05 | Evidently, ${referenceRows} rows | Evidently, 1000 rows |`,
  );
  console.log("|---|---|---|---|---|---|---|---|");
  const result = runSuite();
  if (resultPath !== undefined && resultPath !== "-") await writeFile(resultPath, JSON.stringify(result, null, 1));
}
