import { createManualClock, createRandom, digestOf, type ManualClock, type Random } from "@millwright/contracts";
import { batchOf, profileOf } from "@millwright/data";
import { expect, test } from "vitest";
import { calibratedDrift, type DriftMonitorFactory } from "../src/drift.ts";
import { driftAlert, type Monitor, openMonitor } from "../src/index.ts";
import { dayMs, monday, normal } from "./drift-windows.ts";

const hourMs = 3_600_000;
const cycle = (hour: number): number => Math.sin((2 * Math.PI * hour) / 24);

/** What an hour asks: 600 rows in ten requests, which count when they are taken off the queue. */
async function ask(monitor: Monitor, clock: ManualClock, random: Random, hour: number, shift = 0): Promise<void> {
  await clock.advance(monday + (hour + 1) * hourMs - 1 - clock.nowMs());
  for (let request = 0; request < 10; request += 1) {
    const timeMs = monday + hour * hourMs + request * 60_000;
    monitor.capture({
      requestId: `${hour}-${request}`,
      endpoint: "late",
      variant: "main",
      model: { name: "late", digest: digestOf("v1") },
      timeMs,
      latencyMs: 4,
      features: batchOf({ distance: normal(random, 60, cycle(hour) + shift) }),
      outputs: {},
    });
  }
  await monitor.flush();
}

test("live windows are judged by those before them: a daily cycle is none, a shift is drift, and silence is never ok", async () => {
  const random = createRandom(31);
  const clock = createManualClock(monday);
  const fits: number[] = [];
  const counted: DriftMonitorFactory = (history) => {
    fits.push(history.length);
    return calibratedDrift({ persistence: { windows: 2, of: 3 } })(history);
  };
  const wholeDays = batchOf({
    distance: Float64Array.from({ length: 4800 }, (_, row) => random.normal() + cycle(row / 200)),
  });
  await using monitor = openMonitor({
    clock,
    holdMs: dayMs,
    rules: [
      driftAlert({ name: "stream", endpoint: "late", monitor: counted }),
      driftAlert({ name: "plain", endpoint: "late", baseline: profileOf(wholeDays), windowMs: 3 * hourMs }),
    ],
  });
  const firingAt = async (hour: number): Promise<readonly string[]> => {
    await clock.advance(monday + hour * hourMs - clock.nowMs());
    const firing = await monitor.evaluate();
    return firing.map(({ name }) => name);
  };
  for (let hour = 0; hour < 30; hour += 1) await ask(monitor, clock, random, hour);
  // Six hours of history of each phase at most: too few to say anything.
  expect(await firingAt(30)).not.toContain("stream");
  for (let hour = 30; hour < 6 * 24 + 6; hour += 1) await ask(monitor, clock, random, hour);
  const before = await firingAt(6 * 24 + 6);
  expect(before).toEqual(["plain"]);
  const fitted = fits.length;
  const [alert] = await monitor.evaluate();
  expect(alert).toBeDefined();
  // Evaluated again, the same windows are not fitted again.
  expect(fits).toHaveLength(fitted);
  for (let hour = 6 * 24 + 6; hour < 6 * 24 + 9; hour += 1) await ask(monitor, clock, random, hour, 0.4);
  expect(await firingAt(6 * 24 + 9)).toContain("stream");
  const drift = (await monitor.evaluate()).find(({ name }) => name === "stream");
  expect(drift!.summary).toContain("moved the most");
  expect(drift!.evidence).toMatchObject({
    window: { fromMs: monday + 6 * dayMs + 8 * hourMs, toMs: monday + 6 * dayMs + 9 * hourMs },
    samples: 600,
  });
  // An hour without a request proves nothing right: the alert stays.
  expect(await firingAt(6 * 24 + 10)).toContain("stream");
  for (let hour = 6 * 24 + 10; hour < 6 * 24 + 14; hour += 1) await ask(monitor, clock, random, hour);
  expect(await firingAt(6 * 24 + 14)).not.toContain("stream");
});
