// What a whole evaluation of a monitor costs with 10,000 objectives. `node benchmarks/monitor/slo-evaluate.mjs [objectives]`
import { createManualClock, createRandom } from "../../packages/contracts/dist/index.js";
import {
  createMeter,
  defineSlo,
  errorIndicator,
  latencyIndicator,
  openMonitor,
} from "../../packages/monitor/dist/index.js";

const minute = 60_000;
const many = Number(process.argv[2] ?? 10_000);
const start = Date.UTC(2026, 0, 1);

/** Thousands of objectives in one monitor, errors and latencies of two variants of an endpoint each, with an event a minute for so many hours. */
async function openMany({ hours, burning, meter }) {
  const clock = createManualClock(start);
  const slos = Array.from({ length: many }, (_, at) => {
    const of = { endpoint: `e${at >> 2}`, variant: at & 2 ? "candidate" : "main" };
    const sli = at & 1 ? latencyIndicator({ ...of, thresholdMs: 92 }) : errorIndicator(of);
    return defineSlo({ name: `late-${at}`, objective: 0.999, sli });
  });
  const monitor = openMonitor({ clock, slos, ...(meter === undefined ? {} : { meter }) });
  const random = createRandom(1);
  const count = () => {
    for (let at = 0; at < many; at += 1) {
      // Three tenths of the minutes have an error: 0.3 times what is allowed.
      const bad = at % 100 < burning ? 50 : random.next() < 0.3 ? 1 : 0;
      monitor.count(`late-${at}`, 1000 - bad, 1000);
    }
  };
  const predict = async () => {
    for (let at = 0; at < many; at += 2) {
      const [endpoint, variant] = [`e${at >> 2}`, at & 2 ? "candidate" : "main"];
      const model = { name: endpoint, digest: `sha256:${"a".repeat(64)}` };
      monitor.capture({ requestId: `r${at}`, endpoint, variant, model, timeMs: clock.nowMs(), latencyMs: 20 });
    }
    await monitor.flush();
  };
  for (let at = 0; at < hours * 60; at += 1) {
    await clock.advance(minute);
    count();
  }
  return { monitor, clock, count, predict };
}

async function evaluationsOf(name, { everyMs, fed, rounds = 30, ...options }) {
  const { monitor, clock, ...feeds } = await openMany(options);
  const timed = async () => {
    const before = process.cpuUsage();
    const fires = await monitor.evaluate();
    const { user, system } = process.cpuUsage(before);
    return [(user + system) / 1000, fires.length];
  };
  const [first] = await timed();
  const times = [];
  let fires = 0;
  // All were read by the first evaluation: an hour later each is read when its own time has come.
  for (let round = 0; round < 60; round += 1) {
    await clock.advance(minute);
    feeds.count();
    await monitor.evaluate();
  }
  for (let round = 0; round < rounds; round += 1) {
    await clock.advance(everyMs);
    await feeds[fed]?.();
    const [took, firing] = await timed();
    times.push(took);
    fires = firing;
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (rounds - 1))].toFixed(1);
  console.log(
    `| ${name} | ${fires} | ${first.toFixed(0)} | ${at(0)} | ${at(0.5)} | ${at(0.9)} | ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} |`,
  );
  await monitor[Symbol.asyncDispose]();
}

async function wholeEvaluations() {
  console.log(
    `| \`monitor.evaluate()\` of ${many} objectives | alerts | the first, ms | least | median | 90th percentile | resident, MiB |\n|---|---|---|---|---|---|---|`,
  );
  const hours = 2;
  await evaluationsOf("every minute, nothing burns, all counted", { everyMs: minute, fed: "count", hours, burning: 0 });
  await evaluationsOf("every 10 s", { everyMs: 10_000, fed: "count", hours, burning: 0 });
  await evaluationsOf("every minute, one of a hundred burns", { everyMs: minute, fed: "count", hours, burning: 1 });
  await evaluationsOf("every minute, all with a prediction", { everyMs: minute, fed: "predict", hours: 1, burning: 0 });
  await evaluationsOf("every minute, with gauges for Prometheus", {
    everyMs: minute,
    fed: "count",
    hours,
    burning: 0,
    rounds: 15,
    meter: createMeter(),
  });
  console.log("");
}

await wholeEvaluations();
