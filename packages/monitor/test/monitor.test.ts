import { mkdtemp, readdir, rm, appendFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createManualClock,
  type EventDraft,
  type EventLog,
  type JsonObject,
  redactFields,
} from "@millwright/contracts";
import {
  concatBatches,
  mergeProfiles,
  profileOf,
  profileToJson,
  quantileOf,
  summarizeProfile,
  batchOf,
} from "@millwright/data";
import { expect, test } from "vitest";
import { defineSlo, driftAlert, errorIndicator, errorRateAlert, latencyIndicator, openMonitor } from "../src/index.ts";
import { openNdjsonCapture, readNdjsonCapture } from "../src/drivers/ndjson.ts";
import { createTraffic } from "./traffic.ts";

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const hour = 60 * minute;
const quality = { late: { output: "probability", kind: "binary" } } as const;

test("windows merge into what one look at all rows gives", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock });
  const traffic = createTraffic(1);
  const distances: number[] = [];
  const latencies: number[] = [];
  for (let round = 0; round < 300; round += 1) {
    for (let index = 0; index < 10; index += 1) {
      const { prediction } = traffic.next(clock.nowMs(), { latencyMs: (random) => 1 + random.next() * 100 });
      monitor.capture(prediction);
      distances.push((prediction.features!.columns["distance"]!.values as Float64Array)[0]!);
      latencies.push(prediction.latencyMs);
    }
    await clock.advance(minute);
    await monitor.evaluate();
  }
  // Five hours: the first three were merged by the hour.
  const { requests, errors, latency, features, outputs } = monitor.read("late", "main");
  expect([requests, errors, features.rows, outputs.rows]).toEqual([3000, 0, 3000, 3000]);
  const whole = profileOf(batchOf({ distance: Float64Array.from(distances) }));
  expect(features.columns["distance"]!.quantiles).toEqual(whole.columns["distance"]!.quantiles);
  expect(features.columns["distance"]!.distinct).toEqual(whole.columns["distance"]!.distinct);
  const p99 = latencies.toSorted((a, b) => a - b)[Math.ceil(0.99 * 3000) - 1]!;
  expect(quantileOf(latency, 0.99) / p99).toBeCloseTo(1, 2);
  expect(monitor.read("late", "main", { windowMs: 10 * minute }).requests).toBe(100);
});

test("two monitors' windows merge into the profile of all traffic", async () => {
  const clock = createManualClock(start);
  await using one = openMonitor({ clock });
  await using two = openMonitor({ clock });
  await using both = openMonitor({ clock });
  const traffic = createTraffic(5);
  for (let index = 0; index < 400; index += 1) {
    const { prediction } = traffic.next(start);
    (index % 3 === 0 ? one : two).capture(prediction);
    both.capture(prediction);
  }
  const merged = mergeProfiles(one.read("late", "main").outputs, two.read("late", "main").outputs);
  const all = both.read("late", "main").outputs;
  expect(merged.rows).toBe(all.rows);
  expect(merged.columns["probability"]!.quantiles).toEqual(all.columns["probability"]!.quantiles);
});

test("a full queue drops, counts what it dropped, and goes on", async () => {
  await using monitor = openMonitor({ clock: createManualClock(start), maxQueue: 100 });
  const traffic = createTraffic(1);
  for (let index = 0; index < 250; index += 1) monitor.capture(traffic.next(start).prediction);
  expect(monitor.read("late", "main").requests).toBe(100);
  expect(monitor.counts()).toMatchObject({ captured: 100, dropped: 150, failed: 0 });
  monitor.capture(traffic.next(start).prediction);
  await monitor.flush();
  expect(monitor.counts().captured).toBe(101);
});

test("what is captured is counted behind the request's back, without anybody asking", async () => {
  await using monitor = openMonitor({ clock: createManualClock(start) });
  const traffic = createTraffic(1);
  for (let index = 0; index < 3000; index += 1) monitor.capture(traffic.next(start).prediction);
  expect(monitor.counts().captured).toBe(0);
  for (let turns = 0; turns < 10; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(monitor.counts().captured).toBe(3000);
});

test("sampling thins features and outputs, never the counts", async () => {
  await using monitor = openMonitor({ clock: createManualClock(start), sampleShare: 0.25 });
  const traffic = createTraffic(2);
  for (let index = 0; index < 4000; index += 1) monitor.capture(traffic.next(start, { errorShare: 0.5 }).prediction);
  const { requests, errors, features } = monitor.read("late", "main");
  expect(requests).toBe(4000);
  expect(errors / 4000).toBeCloseTo(0.5, 1);
  // Five standard deviations of a binomial share of 4,000 requests.
  expect(Math.abs(features.rows / 4000 - 0.25)).toBeLessThan(0.035);
});

test("labels join late, out of order, twice and wrong; coverage and lag are told", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, quality });
  const traffic = createTraffic(4);
  const predictions = Array.from({ length: 100 }, (_, index) => traffic.next(start + index).prediction);
  for (const prediction of predictions) monitor.capture(prediction);
  await clock.advance(30 * hour);
  await monitor.evaluate();
  const probability = (index: number): number =>
    (predictions[index]!.outputs!["probability"]!.data as Float32Array)[0]!;
  const label = (index: number, value: number | string | boolean, lagMs: number): void =>
    monitor.label({ requestId: predictions[index]!.requestId, value, timeMs: predictions[index]!.timeMs + lagMs });
  label(0, 1, hour);
  label(1, false, 3 * hour);
  label(2, 1, 2 * hour);
  label(2, 0, 2 * hour + 5); // corrects
  label(2, 1, hour); // older than what is known
  label(3, "perhaps", hour); // no truth
  monitor.label({ requestId: "nobody", value: 1, timeMs: start });
  monitor.label({ requestId: predictions[4]!.requestId, row: 7, value: 1, timeMs: start });
  const { quality: read } = monitor.read("late", "main");
  expect(monitor.counts().labels).toEqual({
    joined: 3,
    corrected: 1,
    duplicated: 0,
    superseded: 1,
    forgotten: 0,
    unmatched: 1,
    invalid: 1,
    held: 1,
  });
  expect([read.predictions, read.labels, read.coverage]).toEqual([100, 3, 0.03]);
  expect(read.meanLagMs).toBeCloseTo((hour + 3 * hour + 2 * hour + 5) / 3, 6);
  expect(read.largestLagMs).toBe(3 * hour);
  const wanted = [-Math.log(probability(0)), -Math.log(1 - probability(1)), -Math.log(1 - probability(2))];
  expect(read.logLoss.mean).toBeCloseTo(wanted.reduce((sum, each) => sum + each) / 3, 12);
  expect(read.brier.mean).toBeCloseTo(((1 - probability(0)) ** 2 + probability(1) ** 2 + probability(2) ** 2) / 3, 12);
  expect(read.meanActual).toBeCloseTo(1 / 3, 12);
});

test("what the redactor masks reaches neither profile nor file", async () => {
  const rows: JsonObject[] = [];
  const capture = {
    write: async (each: readonly JsonObject[]) => void rows.push(...each),
    [Symbol.asyncDispose]: async () => {},
  };
  await using monitor = openMonitor({
    clock: createManualClock(start),
    capture,
    redactor: redactFields(["carrier", "distance"]),
  });
  const traffic = createTraffic(6);
  for (let index = 0; index < 50; index += 1) monitor.capture(traffic.next(start).prediction);
  await monitor.flush();
  const summary = summarizeProfile(monitor.read("late", "main").features);
  expect(summary.map(({ name, top }) => [name, top])).toEqual([["carrier", [["[redacted]", 50]]]]);
  expect(rows).toHaveLength(50);
  expect(rows[0]).toMatchObject({
    formatVersion: 1,
    endpoint: "late",
    variant: "main",
    features: { carrier: ["[redacted]"], distance: ["[redacted]"] },
    outputs: { probability: [expect.any(Number)] },
  });
});

test("captured rows survive a torn last line, over several segments", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millwright-monitor-"));
  try {
    const clock = createManualClock(start);
    for (const part of [0, 1]) {
      await using capture = await openNdjsonCapture({ directory, segmentBytes: 4000, clock });
      await using monitor = openMonitor({ clock, capture });
      const traffic = createTraffic(part);
      for (let index = 0; index < 20; index += 1) {
        monitor.capture(traffic.next(start).prediction);
        await monitor.flush();
      }
      expect(monitor.counts().rowsWritten).toBe(20);
      // Segments are named by the time of their writer.
      await clock.advance(1000);
    }
    const names = (await readdir(directory)).toSorted();
    expect(names.length).toBeGreaterThan(3);
    await appendFile(join(directory, names.at(-1)!), '{"requestId":"torn');
    const ids: unknown[] = [];
    for await (const row of readNdjsonCapture(directory)) ids.push(row["requestId"]);
    expect(ids).toEqual([0, 1].flatMap((seed) => Array.from({ length: 20 }, (_, index) => `${seed}-${index + 1}`)));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

function memoryLog(): EventLog & { readonly events: EventDraft[]; failing: boolean } {
  const events: EventDraft[] = [];
  return {
    events,
    failing: false,
    async append(drafts) {
      if (this.failing) throw new Error("The disk is full.");
      events.push(...drafts);
      return [];
    },
    async *read() {},
  };
}

test("objectives and rules tell the log, in order, through a failure of the log", async () => {
  const clock = createManualClock(start);
  const events = memoryLog();
  const slo = defineSlo({ name: "availability", objective: 0.99, sli: errorIndicator({ endpoint: "late" }) });
  const fast = defineSlo({
    name: "fast",
    objective: 0.9,
    sli: latencyIndicator({ endpoint: "late", thresholdMs: 20 }),
  });
  await using monitor = openMonitor({
    clock,
    events,
    slos: [slo, fast],
    rules: [errorRateAlert({ endpoint: "late" })],
  });
  const traffic = createTraffic(8);
  const run = async (minutes: number, errorShare: number): Promise<void> => {
    for (let now = 0; now < minutes; now += 1) {
      for (let index = 0; index < 30; index += 1)
        monitor.capture(traffic.next(clock.nowMs() + index, { errorShare }).prediction);
      await clock.advance(minute);
      await monitor.evaluate();
    }
  };
  await run(10, 0);
  expect(events.events).toEqual([]);
  events.failing = true;
  await run(10, 0.6);
  expect(monitor.slo("availability").state).toBe("burning");
  expect(monitor.slo("fast").state).toBe("ok");
  events.failing = false;
  await run(40, 0);
  const told = events.events.map(({ type, subject, data }) => [type, subject, data["name"]]);
  expect(told.filter(([type]) => type === "slo.burning")).toEqual([["slo.burning", "endpoint/late", "availability"]]);
  expect(told).toContainEqual(["alert.firing", "endpoint/late", "availability"]);
  expect(told).toContainEqual(["alert.firing", "endpoint/late/variant/main", "error-rate"]);
  expect(told).toContainEqual(["alert.resolved", "endpoint/late/variant/main", "error-rate"]);
  expect(told).toContainEqual(["slo.exhausted", "endpoint/late", "availability"]);
  expect(told.findIndex(([type]) => type === "alert.firing")).toBeLessThan(
    told.findIndex(([type]) => type === "alert.resolved"),
  );
  expect(() => monitor.slo("nope")).toThrow("Known: availability, fast.");
});

test("feature drift against the training profile is told with its columns, and its end", async () => {
  const clock = createManualClock(start);
  const events = memoryLog();
  const training = createTraffic(30);
  const rows = Array.from({ length: 3000 }, () => training.next(start).prediction.features!);
  const baseline = profileOf(concatBatches(rows));
  const json = JSON.parse(JSON.stringify(profileToJson(baseline))) as JsonObject;
  await using monitor = openMonitor({
    clock,
    events,
    rules: [driftAlert({ endpoint: "late", baseline: json, windowMs: hour })],
  });
  const traffic = createTraffic(31);
  const run = async (shift: number): Promise<number> => {
    for (let index = 0; index < 600; index += 1)
      monitor.capture(traffic.next(clock.nowMs() + index, { shift }).prediction);
    const firing = await monitor.evaluate();
    await clock.advance(2 * hour);
    return firing.length;
  };
  expect(await run(0)).toBe(0);
  expect(await run(0.5)).toBe(1);
  expect(await run(0)).toBe(0);
  const drift = events.events.filter(({ type }) => type.startsWith("drift."));
  expect(drift.map(({ type }) => type)).toEqual(["drift.detected", "drift.ended"]);
  const columns = drift[0]!.data["columns"] as readonly { readonly name: string; readonly verdict: string }[];
  expect(columns.map(({ name, verdict }) => [name, verdict])).toEqual([
    ["distance", "drift"],
    ["carrier", "ok"],
  ]);
});

test("a monitor with an interval evaluates by itself until it is disposed", async () => {
  const clock = createManualClock(start);
  const monitor = openMonitor({ clock, rules: [errorRateAlert({ endpoint: "late" })], evaluateEveryMs: minute });
  const traffic = createTraffic(1);
  for (let index = 0; index < 60; index += 1) monitor.capture(traffic.next(start, { errorShare: 1 }).prediction);
  await clock.advance(minute + 1);
  expect(await monitor.alerts("endpoint/late")).toHaveLength(1);
  await monitor[Symbol.asyncDispose]();
  expect(monitor.counts().captured).toBe(60);
});

test("rules and objectives with one name, and options out of range, are refused", () => {
  const rule = errorRateAlert({ endpoint: "late" });
  expect(() => openMonitor({ rules: [rule, rule] })).toThrow("its name is taken");
  expect(() => errorRateAlert({ endpoint: "late", threshold: 0 })).toThrow("threshold must be greater than 0");
  const slo = defineSlo({ name: "a", objective: 0.9, sli: errorIndicator({ endpoint: "late" }) });
  expect(() => openMonitor({ slos: [slo, slo] })).toThrow("its name is taken");
  expect(() => openMonitor({ slos: [slo], rules: [errorRateAlert({ endpoint: "late", name: "a" })] })).toThrow(
    "by an objective",
  );
});
