import { createManualClock, type Alert } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  errorRateAlert,
  latencyAlert,
  openMonitor,
  predictionShiftAlert,
  qualityAlert,
  type Monitor,
} from "../src/index.ts";
import { createTraffic, type Traffic } from "./traffic.ts";

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const candidate = "endpoint/late/variant/candidate";

const rules = [
  errorRateAlert({ endpoint: "late" }),
  latencyAlert({ endpoint: "late", thresholdMs: 50 }),
  predictionShiftAlert({ endpoint: "late" }),
  qualityAlert({ endpoint: "late" }),
];

interface Bake {
  readonly candidate: Traffic;
  /** Requests a minute to the candidate; main has four times as many. */
  readonly perMinute?: number;
  readonly minutes?: number;
  readonly labelLagMs?: number;
}

/** Traffic split between main and a candidate, labels some minutes later, an evaluation each minute. @returns the first minute of each alert, by subject and name. */
async function bake({ candidate: options, perMinute = 20, minutes = 60, labelLagMs = 10 * minute }: Bake) {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, rules, quality: { late: { output: "probability", kind: "binary" } } });
  const traffic = createTraffic(17);
  const labels: { readonly requestId: string; readonly value: number; readonly timeMs: number }[] = [];
  const first = new Map<string, number>();
  for (let now = 0; now < minutes; now += 1) {
    for (let index = 0; index < perMinute * 5; index += 1) {
      const { prediction, label } = traffic.next(
        clock.nowMs() + index,
        index % 5 === 0 ? { variant: "candidate", ...options } : {},
      );
      monitor.capture(prediction);
      labels.push({ requestId: prediction.requestId, value: label, timeMs: prediction.timeMs + labelLagMs });
    }
    while (labels.length > 0 && labels[0]!.timeMs <= clock.nowMs()) monitor.label(labels.shift()!);
    await clock.advance(minute);
    for (const { subject, name } of await monitor.evaluate())
      if (!first.has(`${subject} ${name}`)) first.set(`${subject} ${name}`, now + 1);
  }
  return { first, alerts: await monitor.alerts("endpoint/late"), quality: monitor.read("late", "candidate").quality };
}

test("a good candidate raises no alert in two hours", async () => {
  const { first, alerts } = await bake({ candidate: {}, minutes: 120 });
  expect([...first]).toEqual([]);
  expect(alerts).toEqual([]);
});

test("a candidate that answers the opposite is caught from its answers within minutes, and from late labels after them", async () => {
  const { first, alerts } = await bake({ candidate: { answer: (truth) => 1 - truth ** 2 } });
  // 200 answers at 20 a minute.
  expect(first.get(`${candidate} prediction-shift`)).toBeLessThanOrEqual(12);
  // 100 labels, ten minutes late.
  expect(first.get(`${candidate} quality`)).toBeLessThanOrEqual(20);
  expect([...first.keys()].every((key) => key.startsWith(candidate))).toBe(true);
  expect(alerts.find(({ name }) => name === "quality")).toMatchObject({
    subject: candidate,
    severity: "ticket",
    state: "firing",
    threshold: 0.02,
  });
});

test("wrong answers of the right distribution are caught by labels alone", async () => {
  // The mirror image has the same distribution: only the truth tells.
  const { first, quality } = await bake({ candidate: { answer: (truth) => 1 - truth } });
  expect([...first.keys()]).toEqual([`${candidate} quality`]);
  expect(quality.logLoss.mean).toBeGreaterThan(0.9);
  expect(quality.brier.low).toBeGreaterThan(0.3);
  // Ten minutes of the sixty are not labelled yet.
  expect(quality.coverage).toBeCloseTo(50 / 60, 1);
  expect(quality.meanLagMs).toBeCloseTo(10 * minute, 3);
});

test("overconfident answers are caught though they order rightly", async () => {
  const { first } = await bake({ candidate: { answer: (truth) => (truth > 0.5 ? 0.999 : 0.001) } });
  expect(first.has(`${candidate} quality`)).toBe(true);
  expect([...first.keys()].filter((key) => !key.startsWith(candidate))).toEqual([]);
});

test("errors and slowness of a candidate are its own", async () => {
  const failing = await bake({ candidate: { errorShare: 0.3 }, minutes: 10 });
  expect([...failing.first]).toEqual([[`${candidate} error-rate`, expect.any(Number)]]);
  expect(failing.first.get(`${candidate} error-rate`)).toBeLessThanOrEqual(2);
  const slow = await bake({ candidate: { latencyMs: (random) => (random.next() < 0.2 ? 400 : 5) }, minutes: 10 });
  expect([...slow.first.keys()]).toEqual([`${candidate} latency`]);
});

async function feed(
  monitor: Monitor,
  fromMs: number,
  count: number,
  traffic: Traffic,
  seed = 3,
): Promise<readonly Alert[]> {
  const source = createTraffic(seed + fromMs);
  for (let index = 0; index < count; index += 1) monitor.capture(source.next(fromMs + index, traffic).prediction);
  return monitor.evaluate();
}

test("silence neither fires nor resolves; after an hour of it the alert ends and says that nothing was proved", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, rules: [errorRateAlert({ endpoint: "late" })] });
  expect(await feed(monitor, start, 100, { variant: "candidate", errorShare: 0.5 })).toHaveLength(1);
  await clock.advance(30 * minute);
  expect(await monitor.evaluate()).toHaveLength(1);
  const controller = new AbortController();
  const change = monitor.changes("endpoint/late", { signal: controller.signal })[Symbol.asyncIterator]().next();
  await clock.advance(31 * minute);
  expect(await monitor.evaluate()).toEqual([]);
  expect((await change).value).toMatchObject({ state: "resolved", summary: expect.stringContaining("unknown") });
  controller.abort();
});

test("an alert resolves once the share is right again", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, rules: [errorRateAlert({ endpoint: "late" })] });
  await feed(monitor, start, 100, { errorShare: 0.5 });
  await clock.advance(10 * minute);
  expect(await feed(monitor, clock.nowMs(), 100, {})).toEqual([]);
});

test("a variant that begins to serve another model starts over, whatever its last model did", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, rules });
  expect(await feed(monitor, start, 100, { variant: "candidate", model: "v2", errorShare: 0.9 })).toHaveLength(1);
  await clock.advance(10 * minute);
  expect(await feed(monitor, clock.nowMs(), 30, { variant: "candidate", model: "v3" })).toEqual([]);
  expect(monitor.read("late", "candidate").requests).toBe(30);
  // An answer of the old model that comes in late is not the new one's.
  monitor.capture(
    createTraffic(9).next(clock.nowMs() + 50, { variant: "candidate", model: "v2", errorShare: 1 }).prediction,
  );
  expect(monitor.read("late", "candidate", { nowMs: clock.nowMs() + 100 }).errors).toBe(0);
});

test("a rule that fails keeps its alerts, and the others go on", async () => {
  const clock = createManualClock(start);
  let broken = false;
  const inner = errorRateAlert({ endpoint: "late" });
  const fragile = {
    name: inner.name,
    evaluate: (view: Parameters<typeof inner.evaluate>[0]) => {
      if (broken) throw new Error("broken");
      return inner.evaluate(view);
    },
  };
  await using monitor = openMonitor({ clock, rules: [fragile, latencyAlert({ endpoint: "late", thresholdMs: 50 })] });
  await feed(monitor, start, 100, { errorShare: 0.5 });
  broken = true;
  const names = (await feed(monitor, start + 200, 100, { latencyMs: () => 900 })).map(({ name }) => name);
  expect(names.toSorted()).toEqual(["error-rate", "latency"]);
});

test("a lone failure in light traffic fires nothing", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, rules: [errorRateAlert({ endpoint: "late" })] });
  expect(await feed(monitor, start, 1, { errorShare: 1 })).toEqual([]);
  expect(await feed(monitor, start + 10, 25, { errorShare: 1 })).toHaveLength(1);
});
