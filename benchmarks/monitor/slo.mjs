// Objectives at scale, and alerts over incidents: the CPU that 10,000 objectives cost to evaluate, beside the prefix sums of one array and a walk over buckets; and, over replayed
// traces of 30 days, what pages tell of incidents, by table. `node benchmarks/monitor/slo.mjs [objectives]`
import { createRandom } from "../../packages/contracts/dist/index.js";
import {
  createObjectiveTable,
  createSloCounts,
  defineObjective,
  googleProfile,
  pyrraProfile,
  readObjective,
  replayTrace,
  slothProfile,
  sustainedProfile,
} from "../../packages/monitor/dist/slo.js";

const minute = 60_000;
const day = 1440 * minute;
const many = Number(process.argv[2] ?? 10_000);
const start = Date.UTC(2026, 0, 1);

/** Median of the processor time of some rounds, in milliseconds. */
function cpuOf(work, rounds = 15) {
  const times = Array.from({ length: rounds }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return times.toSorted((a, b) => a - b)[Math.floor(rounds / 2)];
}

/** All objectives in one table: rows of sums by bucket. */
function tableEvaluation() {
  const table = createObjectiveTable(
    Array.from({ length: many }, (_, at) =>
      defineObjective({ name: `late-${at}`, objective: 0.999, profile: googleProfile() }),
    ),
  );
  const minutes = 3 * 1440;
  // One of a hundred burns: it fires all rows.
  for (let at = 0; at < minutes; at += 1)
    for (let each = 0; each < many; each += 1)
      table.add(each, start + at * minute, each % 100 === 0 ? 980 : 1000, 1000);
  let now = start + (minutes - 1) * minute;
  let fired = 0;
  const still = cpuOf(() => (fired = table.evaluate(now).filter((bits) => bits !== 0).length));
  const fresh = cpuOf(() => {
    now += minute;
    for (let each = 0; each < many; each += 1) table.add(each, now, each % 100 === 0 ? 980 : 1000, 1000);
    fired = table.evaluate(now).filter((bits) => bits !== 0).length;
  });
  const heldMiB = process.memoryUsage.rss() / 2 ** 20;
  console.log(`| evaluation of ${many} objectives | CPU, ms |\n|---|---|`);
  console.log(`| table: three pairs of windows | ${still.toFixed(2)} |`);
  console.log(`| the same, with a minute begun and an event added to each before | ${fresh.toFixed(2)} |`);
  console.log(`\n${fired} fired; resident set with the table alone: ${heldMiB.toFixed(0)} MiB.\n`);
}

const windows = [
  [60, 5, 14.4],
  [360, 30, 6],
  [4320, 360, 1],
];

/** The prototype: one array of running sums for all. */
function prototypeCpu() {
  let fired = 0;
  const length = 43_200;
  const [goods, bads] = [new Float64Array(length + 1), new Float64Array(length + 1)];
  for (let at = 1; at <= length; at += 1) {
    goods[at] = goods[at - 1] + 1000;
    bads[at] = bads[at - 1] + (at % 97 === 0 ? 5 : 0);
  }
  const cpu = cpuOf(() => {
    for (let each = 0; each < many; each += 1) {
      const at = length - (each % 100);
      const burn = (window) => {
        const [bad, good] = [bads[at] - bads[at - window], goods[at] - goods[at - window]];
        return bad / (bad + good) / 0.001;
      };
      for (const [long, short, threshold] of windows)
        if (burn(long) >= threshold && burn(short) >= threshold) fired += 1;
    }
  });
  return fired < 0 ? Number.NaN : cpu;
}

/** A walk over a map of buckets, for a hundredth of the objectives. */
function walkCpu() {
  const minutes = 3 * 1440;
  let fired = 0;
  const buckets = new Map(Array.from({ length: minutes }, (_, at) => [at, [1, 1000]]));
  const cpu = cpuOf(() => {
    for (let each = 0; each < many / 100; each += 1)
      for (const [long, short, threshold] of windows)
        for (const window of [long, short]) {
          let [bad, total] = [0, 0];
          for (let at = minutes - window; at < minutes; at += 1) {
            const counts = buckets.get(at);
            bad += counts[0];
            total += counts[1];
          }
          if (bad / total / 0.001 >= threshold) fired += 1;
        }
  }, 3);
  return fired < 0 ? Number.NaN : 100 * cpu;
}

function evaluation() {
  const slo = defineObjective({ name: "late", objective: 0.999, profile: googleProfile() });
  const minutes = 3 * 1440;
  const random = createRandom(1);
  const all = Array.from({ length: many }, () => {
    const counts = createSloCounts(slo, { bucketMs: minute });
    const bad = random.next() < 0.01 ? 20 : 0;
    for (let at = 0; at < minutes; at += 1) counts.add(start + at * minute, at % 97 === 0 ? 1000 - bad : 1000, 1000);
    return counts;
  });
  const heldMiB = process.memoryUsage.rss() / 2 ** 20;
  let now = start + (minutes - 1) * minute;
  let fired = 0;
  const engine = cpuOf(() => {
    now += minute;
    for (const counts of all) if (readObjective(slo, counts, now).state === "burning") fired += 1;
  });
  // The same, where every objective took an event since it was last read.
  const fresh = cpuOf(() => {
    now += minute;
    for (const counts of all) counts.add(now, 1000, 1000);
    for (const counts of all) if (readObjective(slo, counts, now).state === "burning") fired += 1;
  });
  console.log(`| evaluation of ${many} objectives | CPU, ms |\n|---|---|`);
  console.log(`| one by one: three pairs of windows, the budget of 30 days, and all figures | ${engine.toFixed(1)} |`);
  console.log(`| the same, with an event added to each before | ${fresh.toFixed(1)} |`);
  console.log(`| prototype: running sums, one array for all, ratios only | ${prototypeCpu().toFixed(1)} |`);
  console.log(`| a walk over a map of buckets, ratios only (from a hundredth) | ${walkCpu().toFixed(0)} |`);
  console.log(`\nResident set with all counts: ${heldMiB.toFixed(0)} MiB (${fired} fired).\n`);
}

const between = (random, low, high) => low + Math.floor(random.next() * (high - low));

/** Thirty days with incidents of all sizes; those that spend 2 % of the month's budget or more are worth a page. */
function monthOf(seed, perMinute) {
  const random = createRandom(seed);
  const length = 30 * 1440;
  const incidents = [];
  for (let at = between(random, 300, 2000); at < length - 600; at += between(random, 600, 5000)) {
    const ratio = Math.min(1, 0.0015 / (0.0015 + random.next() ** 2) + 0.002);
    const until = at + between(random, 2, 300);
    incidents.push({ from: at, until, ratio });
    at = until;
  }
  let next = 0;
  const minutes = Array.from({ length }, (_, at) => {
    while (next < incidents.length && incidents[next].until <= at) next += 1;
    const incident = incidents[next];
    const ratio = incident !== undefined && at >= incident.from ? incident.ratio : 0.0002;
    const cycle = 1 + 0.6 * Math.sin((2 * Math.PI * at) / 1440);
    const total = Math.max(0, Math.round(perMinute * cycle + Math.sqrt(perMinute) * random.normal()));
    let bad = 0;
    if (ratio >= 1) bad = total;
    else if (total * ratio > 50)
      bad = Math.max(0, Math.min(total, Math.round(total * ratio + Math.sqrt(total * ratio) * random.normal())));
    else for (let each = 0; each < total; each += 1) if (random.next() < ratio) bad += 1;
    return { bad, total };
  });
  const spends = ({ from, until, ratio }) => (ratio * (until - from)) / (0.001 * length);
  return { minutes, incidents, worth: incidents.filter((each) => spends(each) >= 0.02) };
}

/** Stretches of minutes with a page. */
function pagesOf(replayed) {
  const pages = [];
  for (const [at, { page }] of replayed.entries()) {
    if (!page) continue;
    const last = pages.at(-1);
    if (last !== undefined && last.until === at) last.until = at + 1;
    else pages.push({ from: at, until: at + 1 });
  }
  return pages;
}

function incidentsBy(tables, months, title) {
  console.log(
    `| ${title} | pages | of an incident | incidents worth a page that paged | minutes until the page, median (90th percentile) |\n|---|---|---|---|---|`,
  );
  for (const [name, options] of Object.entries(tables)) {
    const slo = defineObjective({ name: "late", objective: 0.999, ...options });
    let [pages, right, worth, found] = [0, 0, 0, 0];
    const delays = [];
    for (const month of months) {
      const told = pagesOf(replayTrace(slo, month.minutes));
      pages += told.length;
      // Minute k of a replay ends minute k - 1 of the trace.
      right += told.filter(({ from }) =>
        month.incidents.some((each) => from > each.from && from <= each.until + 5),
      ).length;
      for (const each of month.worth) {
        worth += 1;
        const first = told.find(({ from, until }) => until > each.from && from <= each.until + 5);
        if (first === undefined) continue;
        found += 1;
        delays.push(Math.max(0, first.from - each.from));
      }
    }
    const at = (share) => delays.toSorted((a, b) => a - b)[Math.floor(share * (delays.length - 1))];
    console.log(
      `| ${name} | ${pages} | ${((100 * right) / pages).toFixed(1)} % | ${found} of ${worth} (${((100 * found) / worth).toFixed(1)} %) | ${at(0.5)} (${at(0.9)}) |`,
    );
  }
  console.log("");
}

tableEvaluation();
evaluation();
const pagesOnly = (rows) => rows.filter(({ severity }) => severity === "page");
const busy = Array.from({ length: 12 }, (_, at) => monthOf(at + 1, 300));
incidentsBy(
  {
    "Google's table": { profile: pagesOnly(googleProfile()) },
    "Sloth's table": { profile: pagesOnly(slothProfile()) },
    "Pyrra's table": { profile: pagesOnly(pyrraProfile()) },
    "over 2 for an hour": { profile: sustainedProfile() },
    "error ratio over 0.1 % in 5 minutes": {
      profile: [{ severity: "page", longMs: 5 * minute, shortMs: 5 * minute, burnRate: 1 }],
    },
  },
  busy,
  "12 months of 300 requests a minute",
);
const quiet = Array.from({ length: 12 }, (_, at) => monthOf(at + 101, 0.5));
incidentsBy(
  {
    "Google's table, no protection": { profile: pagesOnly(googleProfile()), minimumEvents: 0 },
    "10 events or more (default)": { profile: pagesOnly(googleProfile()) },
    "50 events or more": { profile: pagesOnly(googleProfile()), minimumEvents: 50 },
    "Wilson's interval, 95 %": { profile: pagesOnly(googleProfile()), minimumEvents: 0, lowTraffic: { wilsonZ: 1.96 } },
    "windows grow to 500 events": {
      profile: pagesOnly(googleProfile()),
      minimumEvents: 0,
      lowTraffic: { growUntilEvents: 500, growToMs: day },
    },
    "windows grow, and Wilson's interval": {
      profile: pagesOnly(googleProfile()),
      minimumEvents: 0,
      lowTraffic: { growUntilEvents: 500, growToMs: day, wilsonZ: 1.96 },
    },
  },
  quiet,
  "12 months of one request in two minutes",
);
