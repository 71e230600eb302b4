import { type CapturedPrediction, createManualClock, digestOf } from "@millwright/contracts";
import { expect, test } from "vitest";
import { type MonitorOptions, openMonitor } from "../src/index.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const startMs = Date.UTC(2026, 0, 1);
const options: MonitorOptions = { quality: { late: { output: "p", kind: "binary" } } };

const answered = (requestId: string, version: number, timeMs: number, p: number): CapturedPrediction => ({
  requestId,
  endpoint: "late",
  variant: "main",
  model: { name: "late", version, digest: digestOf(`v${version}`) },
  timeMs,
  latencyMs: 1,
  outputs: { p: { dtype: "float64", shape: [1], data: Float64Array.of(p) } },
});

// In the minute of the change, in the windows of minutes after it, in an hour that both models answered in, and in one that only the first did.
test.each([
  ["the same minute", 0, 30_000],
  ["an hour that was merged since", 0, 20 * minuteMs],
  ["an earlier hour", 0, 2 * hourMs],
])("labels of a model that was replaced within %s count for none that follows", async (_, firstMs, secondMs) => {
  for (const waitMs of [minuteMs, 5 * hourMs]) {
    const clock = createManualClock(startMs);
    await using monitor = openMonitor({ ...options, clock });
    await clock.advance(firstMs);
    for (let at = 0; at < 10; at += 1) monitor.capture(answered(`bad${at}`, 2, clock.nowMs(), 0.99));
    monitor.label({ requestId: "bad0", value: 0, timeMs: clock.nowMs() });
    expect(monitor.read("late", "main").quality.labels).toBe(1);
    await clock.advance(secondMs - firstMs);
    for (let at = 0; at < 20; at += 1) monitor.capture(answered(`good${at}`, 3, clock.nowMs(), 0.99));
    await clock.advance(waitMs);
    await monitor.evaluate();
    // Corrections of what counted for the first model take nothing away from the second.
    for (let at = 0; at < 10; at += 1) monitor.label({ requestId: `bad${at}`, value: 0, timeMs: clock.nowMs() });
    for (let at = 0; at < 20; at += 1) monitor.label({ requestId: `good${at}`, value: 1, timeMs: clock.nowMs() });
    const { predictions, labels, accuracy } = monitor.read("late", "main").quality;
    expect({ predictions, labels, right: accuracy.value }).toEqual({ predictions: 20, labels: 20, right: 1 });
    expect(monitor.counts().labels).toMatchObject({ joined: 21, corrected: 0, forgotten: 10, unmatched: 0 });
  }
});

test("after a restart they count for none either, and answers of other variants go on", async () => {
  const clock = createManualClock(startMs);
  const before = openMonitor({ ...options, clock });
  for (let at = 0; at < 10; at += 1) {
    before.capture(answered(`bad${at}`, 2, clock.nowMs(), 0.99));
    before.capture({ ...answered(`other${at}`, 2, clock.nowMs(), 0.99), variant: "b" });
  }
  await clock.advance(30_000);
  before.capture(answered("good", 3, clock.nowMs(), 0.99));
  const state = JSON.parse(JSON.stringify(before.state())) as unknown;
  await before[Symbol.asyncDispose]();
  await using after = openMonitor({ ...options, clock, state });
  for (let at = 0; at < 10; at += 1)
    for (const kind of ["bad", "other"]) after.label({ requestId: `${kind}${at}`, value: 0, timeMs: clock.nowMs() });
  after.label({ requestId: "good", value: 1, timeMs: clock.nowMs() });
  expect(after.read("late", "main").quality.accuracy.value).toBe(1);
  expect(after.read("late", "main").quality.labels).toBe(1);
  expect(after.read("late", "b").quality.labels).toBe(10);
});
