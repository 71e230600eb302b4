import { createManualClock } from "@millwright/contracts";
import { expect, test } from "vitest";
import { type Monitor, openMonitor } from "../src/index.ts";
import { createTraffic } from "./traffic.ts";

const start = Date.UTC(2026, 0, 1);
const quality = { late: { output: "probability", kind: "binary" } } as const;
const none = {
  joined: 0,
  corrected: 0,
  duplicated: 0,
  superseded: 0,
  unmatched: 0,
  forgotten: 0,
  invalid: 0,
  held: 0,
};

const labelsOf = (monitor: Monitor) => {
  monitor.read("late", "main"); // counts what waits
  return monitor.counts().labels;
};

test("a label that comes before its prediction joins when the prediction comes", async () => {
  const clock = createManualClock(start);
  await using early = openMonitor({ clock, quality });
  await using inOrder = openMonitor({ clock, quality });
  const { prediction } = createTraffic(1).next(start);
  const labels = [1, 0].map((value, at) => ({ requestId: prediction.requestId, value, timeMs: start + 10 + at }));
  for (const label of labels) early.label(label);
  expect(labelsOf(early)).toEqual({ ...none, held: 2 });
  await clock.advance(59_000);
  early.capture(prediction);
  inOrder.capture(prediction);
  for (const label of labels) inOrder.label(label);
  expect(labelsOf(early)).toEqual({ ...none, joined: 1, corrected: 1 });
  expect(early.read("late", "main").quality).toEqual(inOrder.read("late", "main").quality);
});

test("labels whose prediction does not come in time, or for a row it has not, count as unmatched", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, quality, holdLabelsMs: 1000 });
  const { prediction } = createTraffic(2).next(start);
  const { requestId } = prediction;
  monitor.label({ requestId: "nobody", value: 1, timeMs: start });
  expect(labelsOf(monitor)).toEqual({ ...none, held: 1 });
  await clock.advance(500);
  monitor.label({ requestId, row: 9, value: 1, timeMs: start });
  expect(labelsOf(monitor)).toEqual({ ...none, held: 2 });
  monitor.capture(prediction);
  expect(labelsOf(monitor)).toEqual({ ...none, held: 1, unmatched: 1 });
  await clock.advance(501);
  expect(labelsOf(monitor)).toEqual({ ...none, unmatched: 2 });
});

test("no more labels are held than may be: the oldest are given up", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, quality, maxHeldLabels: 3 });
  const traffic = createTraffic(3);
  const predictions = Array.from({ length: 5 }, (_, index) => traffic.next(start + index).prediction);
  for (const { requestId } of predictions) monitor.label({ requestId, value: 1, timeMs: start });
  expect(labelsOf(monitor)).toEqual({ ...none, unmatched: 2, held: 3 });
  for (const prediction of predictions) monitor.capture(prediction);
  expect(labelsOf(monitor)).toEqual({ ...none, unmatched: 2, joined: 3 });
  expect(monitor.read("late", "main").quality.labels).toBe(3);
});
