// What the counts of an objective take, and what reading them costs. `node benchmarks/monitor/slo-memory.mjs`
import { execFileSync } from "node:child_process";
import { createRandom } from "../../packages/contracts/dist/index.js";
import { createSloCounts, defineObjective, readObjective } from "../../packages/monitor/dist/slo.js";

const second = 1000;
const day = 86_400 * second;
const start = Date.UTC(2026, 0, 1);

const used = () => {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

/** Events every so often, each with about so many requests of which three in ten have an error. */
function measure(name, { days, everyMs, requests, objectives }) {
  const random = createRandom(1);
  const slos = Array.from({ length: objectives }, (_, at) => defineObjective({ name: `late-${at}`, objective: 0.999 }));
  const before = used();
  const counts = slos.map((slo) => createSloCounts(slo));
  const endMs = start + days * day;
  for (const each of counts) {
    for (let timeMs = start; timeMs <= endMs; timeMs += everyMs) {
      const total = Math.max(1, Math.round(requests + Math.sqrt(requests) * 2 * (random.next() - 0.5)));
      each.add(timeMs, total - (random.next() < 0.3 ? 1 : 0), total);
    }
  }
  const bytes = (used() - before) / objectives;
  const read = (rounds) => {
    const begun = process.cpuUsage();
    for (let round = 0; round < rounds; round += 1)
      for (let at = 0; at < objectives; at += 1) readObjective(slos[at], counts[at], endMs + round * 100);
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / (rounds * objectives);
  };
  read(20);
  console.log(`| ${name} | ${days} | ${(bytes / 1000).toFixed(0)} | ${read(20).toFixed(2)} |`);
}

const traffics = [
  ["once a minute, 1,000 requests", { everyMs: 60 * second, requests: 1000 }],
  ["every ten seconds, 10 requests", { everyMs: 10 * second, requests: 10 }],
  ["every ten seconds, 1,000 requests", { everyMs: 10 * second, requests: 1000 }],
];
const asked = process.argv[2];
if (asked === undefined) {
  console.log("| traffic | days | KB for each objective | `readObjective`, µs |\n|---|---|---|---|");
  // Each in a process of its own: what one has let go of does not count for the next.
  for (const days of [3, 30])
    for (const at of traffics.keys())
      execFileSync(process.execPath, ["--expose-gc", import.meta.filename, `${at}`, `${days}`], { stdio: "inherit" });
} else {
  const [name, options] = traffics[Number(asked)];
  const days = Number(process.argv[3]);
  measure(name, { ...options, days, objectives: days === 3 ? 400 : 60 });
}
