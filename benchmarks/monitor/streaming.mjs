// A million requests through the monitor: processor time for each feature of each, and the memory that is held after each tenth of them.
// node --expose-gc benchmarks/monitor/streaming.mjs [events] [features] [labels: that part alone]
import { createManualClock, createRandom, digestOf } from "../../packages/contracts/dist/index.js";
import { openMonitor } from "../../packages/monitor/dist/index.js";

const [events = 1_000_000, width = 10] = process.argv.slice(2).map(Number);
const start = Date.UTC(2026, 0, 1);
const model = { name: "late", digest: digestOf("m") };
const random = createRandom(1);
const pool = Array.from({ length: 4096 }, () => Float32Array.from({ length: width }, () => random.normal()));

/** @param how `tensors`: as serving hands them over. `labels`: with a label for each, by segments of none. */
async function run(how) {
  const clock = createManualClock(start);
  const quality = how === "labels" ? { late: { output: "late", kind: "binary" } } : {};
  const monitor = openMonitor({ clock, quality, maxWaitingForLabels: 10_000 });
  const held = [];
  const before = process.cpuUsage();
  let paused = 0;
  for (let index = 0; index < events; index += 1) {
    const data = pool[index % pool.length];
    const requestId = `r${index}`;
    const timeMs = start + index;
    const inputs = { features: { dtype: "float32", shape: [1, width], data } };
    const outputs = { late: { dtype: "float32", shape: [1], data: data.subarray(0, 1) } };
    monitor.captureTensors({
      requestId,
      endpoint: "late",
      variant: "main",
      model,
      timeMs,
      latencyMs: 1,
      inputs,
      outputs,
    });
    if (how === "labels") monitor.label({ requestId, value: index % 2, timeMs: timeMs + 5 });
    if (index % 1000 === 999) {
      await clock.advance(1000);
      monitor.read("late", "main", { windowMs: 1 });
    }
    if ((index + 1) % (events / 10) === 0) {
      const pause = process.cpuUsage();
      globalThis.gc?.();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      held.push(((heapUsed + arrayBuffers) / 2 ** 20).toFixed(1));
      const { user, system } = process.cpuUsage(pause);
      paused += user + system;
    }
  }
  await monitor.flush();
  const { user, system } = process.cpuUsage(before);
  const { captured, dropped, failed } = monitor.counts();
  await monitor[Symbol.asyncDispose]();
  const perFeature = (user + system - paused) / events / width;
  console.log(
    `${how}: ${events} events × ${width} features, ${perFeature.toFixed(3)} µs a feature and event; captured ${captured}, dropped ${dropped}, failed ${failed}; held MiB ${held.join(" ")}`,
  );
}

if (process.argv[4] !== "labels") await run("tensors");
await run("labels");
