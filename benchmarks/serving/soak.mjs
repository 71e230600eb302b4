// An hour of traffic, good and bad, with all the usual things on: does anything grow? After `npx tsc -b`:
// node benchmarks/serving/soak.mjs [minutes] [requests a second] [result.jsonl]
import { fork } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { machine, seededRandom } from "../feature-store/referee.mjs";
import { createTraffic } from "./soak-traffic.mjs";
import { trend } from "./trend.mjs";

const [minutes = "60", rate = "300", result] = process.argv.slice(2);
const root = mkdtempSync(join(tmpdir(), "millwright-soak-"));
const record = result ?? join(root, "samples.jsonl");
writeFileSync(record, "");
const child = fork(fileURLToPath(new URL("soak-server.mjs", import.meta.url)), [root], { execArgv: ["--expose-gc"] });
const failures = [];
child.on("message", (message) => message.kind === "failed" && failures.push(message.text));
child.on("exit", (code, signal) => failures.push(`the server ended: ${code ?? signal}`));
const told = async (kind) => {
  for (;;) {
    const [message] = await once(child, "message");
    if (message.kind === kind) return message;
  }
};
const { port, width, flights } = await told("ready");
const random = seededRandom(11);
const traffic = createTraffic({ port, width, flights, random });
const slow = traffic.trickle(20);

const window = { sent: 0, wrong: new Map(), statuses: new Map(), latencies: [] };
const count = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);
let inFlight = 0;
async function send() {
  inFlight += 1;
  window.sent += 1;
  const { kind, status, well, ms } = await traffic.one();
  inFlight -= 1;
  count(window.statuses, status);
  if (!well) count(window.wrong, `${kind}: ${status}`);
  else if (status === 200) window.latencies.push(ms);
}
const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(values.length * share)];

async function sample(collect, minute) {
  child.send({ kind: "state", collect });
  const state = await told("state");
  const { sent, wrong, statuses, latencies } = window;
  const line = {
    minute: Number(minute.toFixed(3)),
    ...state,
    descriptors: readdirSync(`/proc/${child.pid}/fd`).length,
    threads: Number(/Threads:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]),
    cutOff: slow.cut.count,
    sent,
    inFlight,
    statuses: Object.fromEntries(statuses),
    wrong: Object.fromEntries(wrong),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
  Object.assign(window, { sent: 0, wrong: new Map(), statuses: new Map(), latencies: [] });
  appendFileSync(record, `${JSON.stringify(line)}\n`);
  return line;
}

// Open loop: what is due is sent, whether or not earlier requests were answered. Gaps are exponential.
const startMs = performance.now();
const endMs = startMs + Number(minutes) * 60_000;
let due = startMs;
let nextSample = startMs + 10_000;
let samples = 0;
let reloads = 0;
const lines = [];
let sampling = Promise.resolve();
while (performance.now() < endMs && child.exitCode === null) {
  const now = performance.now();
  for (; due <= now; due += (-Math.log(1 - random()) * 1000) / Number(rate)) void send();
  if (now >= nextSample) {
    nextSample += 10_000;
    samples += 1;
    const collect = samples % 3 === 0;
    const minute = (now - startMs) / 60_000;
    sampling = sampling.then(() => sample(collect, minute)).then((line) => lines.push(line));
    if (minute >= reloads + 1) {
      reloads += 1;
      child.send({ kind: "reload" });
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 2));
}
await sampling;
slow.stop();
while (inFlight > 0 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 50));
traffic.close();
// What is left when everybody is gone.
await new Promise((resolve) => setTimeout(resolve, 2000));
const idle = await sample(true, Number(minutes));
child.removeAllListeners("exit");
const exit = once(child, "exit");
child.send({ kind: "stop" });
const [exitCode] = await exit;
if (result === undefined) rmSync(root, { recursive: true, force: true });
else for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true, force: true });

const warmUp = Math.min(10, Number(minutes) / 4);
const late = lines.filter(({ minute }) => minute >= warmUp);
const floors = late.filter(({ heapFloor }) => heapFloor !== undefined);
const perHour = (of, values) =>
  trend(
    of.map(({ minute }) => minute / 60),
    values,
  );
const sum = (pick) => lines.concat(idle).reduce((total, line) => total + pick(line), 0);
const totals = (name) => {
  const all = {};
  for (const line of lines.concat(idle))
    for (const [key, value] of Object.entries(line[name])) all[key] = (all[key] ?? 0) + value;
  return all;
};
const mib = (value) => Number((value / 2 ** 20).toFixed(2));
const scaled = ({ slope, low, high, median }) => ({
  perHourMiB: mib(slope),
  from: mib(low),
  to: mib(high),
  medianMiB: mib(median),
});
const heap = perHour(
  floors,
  floors.map(({ heapFloor }) => heapFloor),
);
const rss = perHour(
  late,
  late.map((line) => line.rss),
);
// Flat: whatever the slope is, with 95 % confidence it is under a twentieth of the heap an hour.
const flat = heap.high < heap.median / 20;
console.log(
  JSON.stringify(
    {
      machine: machine(),
      minutes: Number(minutes),
      requestsPerSecond: Number((sum(({ sent }) => sent) / (60 * Number(minutes))).toFixed(1)),
      verdict: flat ? "flat" : heap.low > 0 ? "grows" : "undecided",
      heapFloor: {
        ...scaled(heap),
        samples: floors.length,
        firstMiB: mib(floors[0].heapFloor),
        lastMiB: mib(floors.at(-1).heapFloor),
        idleMiB: mib(idle.heapFloor),
      },
      external: scaled(
        perHour(
          floors,
          floors.map(({ externalFloor }) => externalFloor),
        ),
      ),
      rss: scaled(rss),
      rssMaxMiB: mib(Math.max(...lines.map((line) => line.rss))),
      descriptors: {
        median: quantile(
          late.map((line) => line.descriptors),
          0.5,
        ),
        max: Math.max(...late.map((line) => line.descriptors)),
        idle: idle.descriptors,
      },
      threads: { first: lines[0].threads, last: lines.at(-1).threads },
      series: { first: late[0].series, last: lines.at(-1).series },
      resourcesIdle: idle.resources,
      loopDelayMs: {
        p50: quantile(
          late.map(({ loop }) => loop.p50),
          0.5,
        ),
        p99: quantile(
          late.map(({ loop }) => loop.p99),
          0.5,
        ),
        max: Math.max(...late.map(({ loop }) => loop.max)),
      },
      latencyMs: {
        p50: quantile(
          late.map(({ p50 }) => p50),
          0.5,
        ),
        p99: quantile(
          late.map(({ p99 }) => p99),
          0.5,
        ),
      },
      cpuMicrosecondsPerRequest: Math.round((1000 * sum(({ cpuMs }) => cpuMs)) / sum(({ sent }) => sent)),
      gcShare: Number((sum(({ gcMs }) => gcMs) / sum(({ cpuMs }) => cpuMs)).toFixed(3)),
      statuses: totals("statuses"),
      wrong: totals("wrong"),
      cutOff: idle.cutOff,
      captured: idle.captured,
      deployments: idle.deployments,
      reloads,
      warnings: idle.warnings,
      exitCode,
      failures,
    },
    undefined,
    1,
  ),
);
if (!flat || failures.length > 0) process.exitCode = 1;
