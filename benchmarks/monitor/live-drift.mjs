// A live drift rule over weeks of hours: history that swallows what drifts, beside history that holds it out until it is accepted.
//   node benchmarks/monitor/live-drift.mjs [history days=28] [streams=4] [part of the names]
import { createRandom } from "../../packages/contracts/dist/index.js";
import { createQuantileSketcher } from "../../packages/data/dist/index.js";
import { judgeStream } from "../../packages/monitor/dist/alerts/history-judge.js";
import { forgetWindows, nothingRemembered } from "../../packages/monitor/dist/drift/drift-memory.js";
import { calibratedDrift } from "../../packages/monitor/dist/drift.js";
import { startMs } from "./drift-streams.mjs";

const [historyDays = 28, streams = 4, part = ""] = process.argv.slice(2);
const [hourMs, rows, recentWindows] = [3_600_000, 600, 3];
const historyHours = Number(historyDays) * 24;

/** Hours of a run, when what is counted begins, and what shifts the values of an hour. */
const scenarios = {
  calm: { days: 28, shift: () => 0 },
  "daily cycle, calm": { days: 28, shift: (hour) => Math.sin((2 * Math.PI * hour) / 24) },
  "levels that wander from hour to hour": { days: 28, wander: 0.1, shift: () => 0 },
  "drift of 0.3 sd on day 12, for good": { days: 40, from: 12, shift: (hour) => (hour >= 12 * 24 ? 0.3 : 0) },
  "drift of 0.15 sd on day 12, for good": { days: 40, from: 12, shift: (hour) => (hour >= 12 * 24 ? 0.15 : 0) },
  "drift of 0.3 sd on day 12, for two days": {
    days: 40,
    from: 12,
    shift: (hour) => (hour >= 288 && hour < 336 ? 0.3 : 0),
  },
  "slow trend, 0.02 sd a day": { days: 40, from: 12, shift: (hour) => (0.02 * hour) / 24 },
  "a cycle of the day, and weekends 0.8 sd higher": {
    days: 56,
    shift: (hour) => Math.sin((2 * Math.PI * hour) / 24) + (Math.floor(hour / 24) % 7 >= 5 ? 0.8 : 0),
  },
  "weekends 0.8 sd higher": { days: 56, shift: (hour) => (Math.floor(hour / 24) % 7 >= 5 ? 0.8 : 0) },
};

function windowOf(random, hour, shift) {
  const sketcher = createQuantileSketcher();
  sketcher.addAll(Float64Array.from({ length: rows }, () => random.normal() + shift));
  const from = startMs + hour * hourMs;
  const x = { type: "float64", count: rows, missing: 0, nonFinite: 0, quantiles: sketcher.sketch() };
  return { startMs: from, endMs: from + hourMs, profile: { rows, columns: { x } } };
}

const monitor = calibratedDrift({ persistence: { windows: 2, of: 3 } });
const rules = {
  swallows: () => (past, recent) => {
    const fitted = monitor(past);
    return recent.map((window) => fitted.judge(window)).at(-1);
  },
  "holds out": () => {
    let remembered = nothingRemembered;
    return (past, recent) => {
      const all = [...past, ...recent];
      // As a live rule: of windows that are gone nothing is remembered.
      const known = forgetWindows(remembered, new Set(all.map(({ startMs: at }) => at)), all[0].startMs);
      const judged = judgeStream(monitor, { past, recent }, known, 0.75 * Math.min(historyHours, 144) * hourMs);
      remembered = judged.remembered;
      return judged.report;
    };
  },
};

console.log(`| | hours that alarm, day by day from the first that is counted, of ${streams} streams |`);
for (const [name, { days, from = 0, wander = 0, shift }] of Object.entries(scenarios)) {
  if (!name.includes(part)) continue;
  const alarms = Object.keys(rules).map(() => new Float64Array(days));
  for (let seed = 0; seed < Number(streams); seed += 1) {
    const random = createRandom(400 + seed);
    const levels = random.fork("levels");
    let level = 0;
    const windows = Array.from({ length: days * 24 }, (_, hour) => {
      level = 0.6 * level + wander * levels.normal();
      return windowOf(random, hour, shift(hour) + level);
    });
    const judges = Object.values(rules).map((make) => make());
    for (let last = 8 + recentWindows; last < windows.length; last += 1) {
      const all = windows.slice(Math.max(0, last + 1 - historyHours), last + 1);
      for (const [at, judge] of judges.entries()) {
        const { verdict } = judge(all.slice(0, -recentWindows), all.slice(-recentWindows));
        if (verdict === "drift") alarms[at][Math.floor(last / 24)] += 1 / 24 / Number(streams);
      }
    }
  }
  for (const [at, rule] of Object.keys(rules).entries())
    console.log(
      `| ${name} | ${rule} | ${Array.from(alarms[at].slice(from), (share) => Math.round(100 * share)).join(" ")} |`,
    );
}
