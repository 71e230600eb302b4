import { type CapturedLabel, createManualClock, createRandom } from "@millwright/contracts";
import { openMonitor, qualityAlert, type QualityMetric } from "@millwright/monitor";
import { scoreBinary } from "@millwright/monitor/quality";
import { expect, test } from "vitest";
import { createTraffic } from "./traffic.ts";

const start = Date.UTC(2026, 0, 1);
const [hourMs, dayMs] = [3_600_000, 86_400_000];
const quality = { late: { output: "probability", kind: "binary", segments: ["carrier"] } } as const;

test("MO-16: labels that come over 30 days out of order, doubled, corrected and partial re-open their windows and end at an oracle's metrics, with the exact coverage", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, quality, retainMs: 60 * dayMs });
  const traffic = createTraffic(16);
  const random = createRandom(17);
  const answers = Array.from({ length: 3000 }, (_, index) => traffic.next(start + index * 20_000));
  for (const [index, { prediction }] of answers.entries()) {
    monitor.capture(prediction);
    if (index % 500 === 499) await clock.advance(500 * 20_000);
  }
  const events: CapturedLabel[] = [];
  const truths = new Map<number, number>();
  for (const [index, { prediction, label }] of answers.entries()) {
    if (index % 10 < 3) continue;
    const { requestId, timeMs } = prediction;
    const knownMs = timeMs + random.next() * 30 * dayMs;
    events.push({ requestId, value: label, timeMs: knownMs });
    if (index % 4 === 0) events.push({ requestId, value: label, timeMs: knownMs });
    if (index % 5 === 0) events.push({ requestId, value: 1 - label, timeMs: knownMs + dayMs });
    truths.set(index, index % 5 === 0 ? 1 - label : label);
  }
  // They arrive in an order that has nothing to do with when they became known.
  const arrivals = events.map((label) => ({ label, at: random.next() })).toSorted((a, b) => a.at - b.at);
  for (const [index, { label }] of arrivals.entries()) {
    monitor.label(label);
    if (index % 200 !== 199) continue;
    await clock.advance((31 * dayMs) / (arrivals.length / 200));
    await monitor.evaluate();
  }
  const found = monitor.read("late", "main").quality;
  const rows = [...truths.keys()];
  const scoreOf = (row: number): number => Number(answers[row]!.prediction.outputs!["probability"]!.data[0]);
  const oracle = scoreBinary(
    rows.map((row) => truths.get(row)!),
    rows.map(scoreOf),
    { resamples: 0 },
  );
  expect(found.predictions).toBe(3000);
  expect(found.labels).toBe(2100);
  expect(found.coverage).toBe(2100 / 3000);
  expect(found.logLoss.mean).toBeCloseTo(oracle.metrics.logLoss.value, 9);
  expect(found.brier.mean).toBeCloseTo(oracle.metrics.brier.value, 9);
  expect(found.meanActual).toBeCloseTo(oracle.metrics.positiveShare.value, 12);
  for (const metric of ["accuracy", "precision", "recall"] as const) {
    expect(found[metric].value).toBeCloseTo(oracle.metrics[metric].value, 12);
    expect(found[metric].low).toBeCloseTo(oracle.metrics[metric].low, 12);
  }
  expect(Math.abs(found.auc.value - oracle.metrics.auc.value)).toBeLessThanOrEqual(found.aucError);
  expect(found.aucError).toBeLessThan(0.01);
  const lags = events.length;
  const { joined, corrected, duplicated, superseded, unmatched } = monitor.counts().labels;
  expect([joined, unmatched]).toEqual([2100, 0]);
  expect(joined + corrected + duplicated + superseded).toBe(lags);
  expect(found.lag.medianMs).toBeGreaterThan(10 * dayMs);
  expect(found.lag.p99Ms).toBeGreaterThan(27 * dayMs);
  expect(found.selective).toBe(false);
  // By segment: the parts make the whole.
  const segments = Object.values(found.segments["carrier"]!);
  expect(Object.keys(found.segments["carrier"]!).toSorted()).toEqual(["AA", "B6", "UA"]);
  expect(segments.reduce((sum, { labels }) => sum + labels, 0)).toBe(2100);
  expect(segments.reduce((sum, { labels, brier }) => sum + labels * brier.mean, 0) / 2100).toBeCloseTo(
    found.brier.mean,
    9,
  );
  const rowsOfAa = rows.filter((row) => row % 3 === 2);
  const ofAa = scoreBinary(
    rowsOfAa.map((row) => truths.get(row)!),
    rowsOfAa.map(scoreOf),
    { resamples: 0 },
  );
  const aa = found.segments["carrier"]!["AA"]!;
  expect(aa.labels).toBe(rowsOfAa.length);
  expect(aa.brier.mean).toBeCloseTo(ofAa.metrics.brier.value, 9);
  expect(aa.recall.value).toBeCloseTo(ofAa.metrics.recall.value, 12);
});

test("10,000 corrections of 1,000 labels leave no trace of what was corrected", async () => {
  const clock = createManualClock(start);
  await using corrected = openMonitor({ clock, quality });
  await using once = openMonitor({ clock, quality });
  const traffic = createTraffic(3);
  const random = createRandom(4);
  const answers = Array.from({ length: 1000 }, (_, index) => traffic.next(start + index));
  for (const { prediction } of answers) for (const monitor of [corrected, once]) monitor.capture(prediction);
  for (let round = 0; round <= 10; round += 1)
    for (const { prediction, label } of answers) {
      const value = round === 10 ? label : random.integer(2);
      corrected.label({ requestId: prediction.requestId, value, timeMs: start + 2000 + round });
    }
  for (const { prediction, label } of answers)
    once.label({ requestId: prediction.requestId, value: label, timeMs: start + 2010 });
  const [a, b] = [corrected.read("late", "main").quality, once.read("late", "main").quality];
  expect(corrected.counts().labels).toMatchObject({ joined: 1000, corrected: 10_000 });
  expect([a.labels, a.meanActual, a.accuracy, a.auc, a.lag]).toEqual([
    b.labels,
    b.meanActual,
    b.accuracy,
    b.auc,
    b.lag,
  ]);
  expect(a.logLoss.mean).toBeCloseTo(b.logLoss.mean, 9);
  expect(a.brier.standardError).toBeCloseTo(b.brier.standardError, 9);
});

test("labels that come for high scores alone are told of, and strata of scores bring the loss back to that of all", async () => {
  const clock = createManualClock(start);
  await using partial = openMonitor({ clock, quality });
  await using whole = openMonitor({ clock, quality });
  const traffic = createTraffic(9);
  const random = createRandom(10);
  for (let index = 0; index < 8000; index += 1) {
    const { prediction, label } = traffic.next(start + index);
    const score = Number(prediction.outputs!["probability"]!.data[0]);
    for (const monitor of [partial, whole]) monitor.capture(prediction);
    const told = { requestId: prediction.requestId, value: label, timeMs: start + hourMs };
    whole.label(told);
    if (random.next() < 0.04 + 0.4 * score ** 3) partial.label(told);
  }
  const [found, truth] = [partial.read("late", "main").quality, whole.read("late", "main").quality];
  expect(truth.selective).toBe(false);
  expect(found.selective).toBe(true);
  expect(found.coverage).toBeLessThan(0.25);
  expect(found.corrected.unreached).toBe(0);
  for (const metric of ["brier", "logLoss"] as const)
    expect(Math.abs(found.corrected[metric] - truth[metric].mean)).toBeLessThan(
      Math.abs(found[metric].mean - truth[metric].mean) / 2,
    );
  expect(Math.abs(found.corrected.meanActual - truth.meanActual)).toBeLessThan(
    Math.abs(found.meanActual - truth.meanActual) / 4,
  );
});

test("predictions older than what is kept are counted as outdated, and kept by the capture all the same", async () => {
  const clock = createManualClock(start);
  const rows: unknown[] = [];
  const capture = {
    write: async (each: readonly unknown[]) => void rows.push(...each),
    [Symbol.asyncDispose]: async () => {},
  };
  await using monitor = openMonitor({ clock, quality, capture, retainMs: hourMs });
  const { prediction } = createTraffic(1).next(start - 2 * hourMs);
  const inputs = { x: { dtype: "float64", shape: [1], data: Float64Array.of(1) } } as const;
  const { features: _, ...asked } = prediction;
  monitor.capture(prediction);
  monitor.captureTensors({ ...asked, requestId: "tensors", inputs });
  await monitor.flush();
  expect(monitor.counts()).toMatchObject({ captured: 2, outdated: 2, rowsWritten: 2, failed: 0 });
  expect(rows).toHaveLength(2);
  expect(monitor.read("late", "main").requests).toBe(0);
});

test("a variant that answers at random is told of by accuracy, recall and the area under the curve, and one that is as good is not", async () => {
  const clock = createManualClock(start);
  const metrics: readonly QualityMetric[] = ["accuracy", "recall", "precision", "auc"];
  const rules = metrics.flatMap((metric) => [
    qualityAlert({ endpoint: "late", metric, name: metric }),
    qualityAlert({ endpoint: "late", metric, name: `${metric}-least`, against: 0.6 }),
  ]);
  await using monitor = openMonitor({ clock, quality, rules });
  const traffic = createTraffic(21);
  const random = createRandom(22);
  for (let index = 0; index < 3000; index += 1) {
    const variant = ["main", "same", "random"][index % 3]!;
    const answer = variant === "random" ? () => random.next() : (truth: number) => truth;
    const { prediction, label } = traffic.next(start + index, { variant, answer });
    monitor.capture(prediction);
    monitor.label({ requestId: prediction.requestId, value: label, timeMs: start + 5000 });
  }
  const fired = (await monitor.evaluate()).map(({ name, subject }) => `${name} ${subject}`);
  const subject = "endpoint/late/variant/random";
  expect(fired.toSorted()).toEqual(
    metrics.flatMap((name) => [`${name} ${subject}`, `${name}-least ${subject}`]).toSorted(),
  );
});
