import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type CapturedTensors, createManualClock, createRandom, digestOf } from "@millwright/contracts";
import { batchOf, createProfiler, quantileOf, relativeErrorOf } from "@millwright/data";
import { openMonitor } from "@millwright/monitor";
import { expect, test } from "vitest";

const start = Date.UTC(2026, 0, 1);
const model = { name: "late", digest: digestOf("m") };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Memory of buffers is given back in the background, some time after it was found to be garbage: the least that was seen until it fell no more. */
async function heldBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let still = 0; still < 4; still += 1) {
    collectGarbage();
    await setTimeout(25);
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    if (heapUsed + arrayBuffers < least - 2 ** 16) still = 0;
    least = Math.min(least, heapUsed + arrayBuffers);
  }
  return least;
}

/** What is held beyond so many bytes, on its way back or not: where it comes back in time, it is no leak. */
const grownBytes = (before: number) => expect.poll(async () => (await heldBytes()) - before);

const width = 10;

test("MO-27: memory does not grow with events, and a window is exact when it closes", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, retainMs: 120_000, windowMs: 60_000 });
  const random = createRandom(27);
  const names = Array.from({ length: width }, (_, at) => `features_${at}`);
  const profiler = createProfiler(names.map((name) => ({ name, type: "float32" as const })));
  const pool = Array.from({ length: 512 }, () => Float32Array.from({ length: width }, () => random.normal()));
  let index = 0;
  /** Two minutes of traffic: what is kept, and no more. */
  const twoMinutes = async (events: number, seen?: typeof profiler): Promise<void> => {
    for (let event = 0; event < events; event += 1, index += 1) {
      const data = pool[random.integer(pool.length)]!;
      const timeMs = start + (index % events) * (120_000 / events) + Math.floor(index / events) * 120_000;
      const inputs = { features: { dtype: "float32", shape: [1, width], data } } as const;
      const outputs = { late: { dtype: "float32", shape: [1], data: data.subarray(0, 1) } } as const;
      const request: CapturedTensors = {
        requestId: `r${index}`,
        endpoint: "late",
        variant: "main",
        model,
        timeMs,
        latencyMs: 1,
        inputs,
        outputs,
      };
      monitor.captureTensors(request);
      seen?.update(batchOf(Object.fromEntries(names.map((name, at) => [name, data.slice(at, at + 1)]))));
      if (index % 5000 === 4999) {
        await clock.advance(timeMs - clock.nowMs());
        monitor.read("late", "main", { windowMs: 1 });
      }
    }
    await monitor.evaluate();
  };
  await twoMinutes(20_000, profiler);
  const { requests, features } = monitor.read("late", "main", { windowMs: 240_000, nowMs: start + 120_000 });
  expect(requests).toBe(20_000);
  const wanted = profiler.profile();
  for (const name of names) {
    const { moments, ...exact } = wanted.columns[name]!;
    expect(features.columns[name]).toMatchObject(exact);
    expect(features.columns[name]!.moments).toMatchObject({
      count: moments!.count,
      min: moments!.min,
      max: moments!.max,
    });
    expect(features.columns[name]!.moments!.mean).toBeCloseTo(moments!.mean, 12);
  }
  // What sketches fill up to is reached before the first look; both looks are at the end of a window.
  await twoMinutes(80_000);
  const before = await heldBytes();
  for (let round = 0; round < 3; round += 1) await twoMinutes(80_000);
  // 240,000 requests: a leak of 20 bytes for each would show.
  await grownBytes(before).toBeLessThan(2 ** 22);
  expect(monitor.counts()).toMatchObject({ captured: 340_000, dropped: 0, failed: 0 });
}, 300_000);

test("a million categories cost no more memory than some hundred, and are counted within the sketch", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock });
  const capture = (from: number, rows: number): void =>
    monitor.capture({
      requestId: `r${from}`,
      endpoint: "late",
      variant: "main",
      model,
      timeMs: start,
      latencyMs: 1,
      features: batchOf({
        id: Array.from({ length: rows }, (_, at) => (at % 4 === 0 ? "often" : `value-${from + at}`)),
      }),
    });
  for (let from = 0; from < 100_000; from += 10_000) capture(from, 10_000);
  expect(monitor.read("late", "main").features.columns["id"]!.count).toBe(100_000);
  const before = await heldBytes();
  for (let from = 100_000; from < 1_400_000; from += 10_000) {
    capture(from, 10_000);
    monitor.read("late", "main", { windowMs: 1 });
  }
  const { frequent, count } = monitor.read("late", "main").features.columns["id"]!;
  expect(count).toBe(1_400_000);
  await grownBytes(before).toBeLessThan(2 ** 21);
  const often = frequent!.counts.get("often")!;
  expect(Math.abs(often - 350_000)).toBeLessThanOrEqual(frequent!.error);
  expect(frequent!.counts.size).toBeLessThanOrEqual(256);
}, 300_000);

test("a column that changes its type, NaN, infinities and clocks that jump leave the monitor whole", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock });
  let index = 0;
  const capture = (km: readonly unknown[], timeMs: number, latencyMs = 5): void =>
    monitor.capture({
      requestId: `r${index++}`,
      endpoint: "late",
      variant: "main",
      model,
      timeMs,
      latencyMs,
      features: batchOf({ km: km as number[] }),
    });
  capture([1, 2, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], start, Number.NaN);
  const numbers = monitor.read("late", "main").features.columns["km"]!;
  expect(numbers).toMatchObject({ type: "float64", count: 5, nonFinite: 3, moments: { count: 2, min: 1, max: 2 } });
  expect(monitor.read("late", "main").latency.count).toBe(0);
  capture(["one", "two"], start + 1);
  expect(monitor.read("late", "main").features.columns["km"]).toMatchObject({ type: "utf8", count: 2 });
  capture([3], start + 2);
  expect(monitor.read("late", "main").features.columns["km"]!.type).toBe("float64");
  // From the far future, of no time at all, and after the clock was set back by an hour.
  capture([4], start + 1e12);
  capture([5], Number.NaN);
  await clock.advance(3_600_000);
  capture([6], clock.nowMs());
  await monitor.evaluate(start);
  await monitor.evaluate(start + 3_600_000);
  const { requests, latency } = monitor.read("late", "main");
  expect(requests).toBe(6);
  expect(Math.abs(quantileOf(latency, 0.5) / 5 - 1)).toBeLessThanOrEqual(relativeErrorOf(latency));
  expect(monitor.counts()).toMatchObject({ captured: 6, failed: 0, outdated: 0 });
});
