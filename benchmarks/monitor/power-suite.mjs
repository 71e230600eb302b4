// How many drifts are seen, and how late: our calibrated monitor beside `compare` and Evidently's default rule, on the same windows.
//   node benchmarks/monitor/power-suite.mjs [result.json] [streams=20]
import { writeFile } from "node:fs/promises";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { batchOf, column, mergeProfiles, profileOf } from "../../packages/data/dist/index.js";
import { calibratedDrift } from "../../packages/monitor/dist/drift.js";
import { compare, recommended } from "../../packages/monitor/dist/index.js";
import { dayMs, startMs } from "./drift-streams.mjs";
import { evidentlyCategoriesDrift, evidentlyDrifts } from "./evidently-rule.mjs";

const [resultPath, streams = 20] = process.argv.slice(2);
const [perDay, historyWindows, before, after, rows] = [4, 112, 10, 20, 1000];

/** The magnitude of each pattern in the windows after the change, and whether rows mix both distributions. */
const patterns = {
  abrupt: () => ({ share: 1, size: 1 }),
  "gradual over 10 windows": (window) => ({ share: Math.min(1, (window + 1) / 10), size: 1 }),
  "incremental over 10 windows": (window) => ({ share: 1, size: Math.min(1, (window + 1) / 10) }),
  "recurring, 5 on and 5 off": (window) => ({ share: 1, size: window % 10 < 5 ? 1 : 0 }),
};

const shiftBy = (shift) => (random, size) => random.normal() + shift * size;
const changes = {
  "mean + 0.1 sd": shiftBy(0.1),
  "mean + 0.25 sd": shiftBy(0.25),
  "mean + 0.5 sd": shiftBy(0.5),
  "scale × 1.25": (random, size) => random.normal() * (1 + 0.25 * size),
  "category swap, 30 % and 15 %": (random, size) => {
    const [first, second] = random.next() < size ? ["B6", "UA"] : ["UA", "B6"];
    const u = random.next();
    return u < 0.55 ? "AA" : u < 0.85 ? first : second;
  },
  "null burst, 2 % to 12 %": (random, size) => (random.next() < 0.02 + 0.1 * size ? null : random.normal()),
};

const cycles = { "i.i.d.": 0, "daily cycle, amplitude 1 sd": 1 };

function windowOf(random, index, change, amplitude, share, size) {
  const draw = changes[change];
  const phase = amplitude * Math.sin((2 * Math.PI * index) / perDay);
  const values = Array.from({ length: rows }, () => {
    const value = draw(random, random.next() < share ? size : 0);
    return typeof value === "number" ? value + phase : value;
  });
  const x =
    typeof values.find((value) => value !== null) === "string" ? column("utf8", values) : column("float64", values);
  const from = startMs + (index * dayMs) / perDay;
  return { startMs: from, endMs: from + dayMs / perDay, profile: profileOf(batchOf({ x })), values };
}

/** Each contender: history → window → alarm. */
const contenders = {
  "calibrated, α = 0.01": (history) => judgeWith(calibratedDrift()(history)),
  "calibrated, any size": (history) =>
    judgeWith(calibratedDrift({ minimumDistance: 0, minimumMissingChange: 0 })(history)),
  "calibrated, 2 of 3": (history) => judgeWith(calibratedDrift({ persistence: { windows: 2, of: 3 } })(history)),
  "compare, recommended()": (history) => {
    const [first, ...rest] = history.map(({ profile }) => profile);
    const baseline = mergeProfiles(first, ...rest);
    return (window) => compare(baseline, window.profile, recommended()).verdict === "drift";
  },
  "Evidently 0.7, 10,000 rows": (history, random) => {
    const all = history.flatMap(({ values }) => values.filter((value) => value !== null));
    const reference = Array.from({ length: 10_000 }, () => all[random.integer(all.length)]);
    if (typeof reference[0] === "string") return ({ values }) => evidentlyCategoriesDrift(reference, values);
    const sorted = Float64Array.from(reference).sort();
    return ({ values }) => evidentlyDrifts(sorted, Float64Array.from(values.filter((value) => value !== null)).sort());
  },
};
const judgeWith = (monitor) => (window) => monitor.judge(window).verdict === "drift";

function runStream(change, amplitude, seed) {
  const random = createRandom(seed);
  const history = Array.from({ length: historyWindows }, (_, index) =>
    windowOf(random, index, change, amplitude, 1, 0),
  );
  return Object.entries(patterns).map(([pattern, at]) => {
    const judges = Object.entries(contenders).map(([name, make]) => ({
      name,
      judge: make(history, random.fork(name)),
      early: 0,
      delay: undefined,
    }));
    for (let window = 0; window < before + after; window += 1) {
      const { share, size } = window < before ? { share: 1, size: 0 } : at(window - before);
      const next = windowOf(random, historyWindows + window, change, amplitude, share, size);
      for (const each of judges) {
        const alarm = each.judge(next);
        if (window < before) each.early += alarm ? 1 : 0;
        else if (alarm) each.delay ??= window - before + 1;
      }
    }
    return { pattern, judges: judges.map(({ name, early, delay }) => ({ name, early, delay })) };
  });
}

const results = [];
const names = Object.keys(contenders);
for (const [cycle, amplitude] of Object.entries(cycles)) {
  console.log(
    `\n### ${cycle}\n\n| change | pattern | ${names.join(" | ")} |\n|---|---|${names.map(() => "---|").join("")}`,
  );
  const early = new Map(names.map((name) => [name, [0, 0]]));
  for (const change of Object.keys(changes)) {
    const all = Array.from({ length: Number(streams) }, (_, index) => runStream(change, amplitude, 500 + index));
    for (const [index, pattern] of Object.keys(patterns).entries()) {
      const cells = names.map((name, at) => {
        const runs = all.map((stream) => stream[index].judges[at]);
        const delays = runs.flatMap(({ delay }) => delay ?? []).sort((a, b) => a - b);
        for (const run of runs) {
          early.get(name)[0] += run.early;
          early.get(name)[1] += before;
        }
        results.push({
          cycle,
          change,
          pattern,
          name,
          detected: delays.length / runs.length,
          medianDelay: delays[delays.length >> 1],
        });
        return delays.length === 0
          ? "0 %"
          : `${Math.round((100 * delays.length) / runs.length)} %, ${delays[delays.length >> 1]}`;
      });
      console.log(`| ${change} | ${pattern} | ${cells.join(" | ")} |`);
    }
  }
  const rates = names.map((name) => `${((100 * early.get(name)[0]) / early.get(name)[1]).toFixed(2)} %`);
  console.log(`| none: false alarms a window | | ${rates.join(" | ")} |`);
  results.push({ cycle, falseAlarms: Object.fromEntries(names.map((name, at) => [name, rates[at]])) });
}
if (resultPath !== undefined && resultPath !== "-") await writeFile(resultPath, JSON.stringify(results, null, 1));
