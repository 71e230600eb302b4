import {
  type CapturedPrediction,
  createManualClock,
  createRandom,
  digestOf,
  redactFields,
  type Tensor,
} from "@millwright/contracts";
import { batchOf, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import { type AlertRule, type Monitor, openMonitor, type SampledRows } from "../src/index.ts";

const start = Date.UTC(2026, 0, 5);
const hourMs = 3_600_000;
const quality = { late: { output: "probability", kind: "binary" } } as const;
const model = { name: "late", digest: digestOf("v1") };

const tensor = (values: readonly number[], width = 1): Tensor => ({
  dtype: "float32",
  shape: [values.length / width, width],
  data: Float32Array.from(values),
});

const asked = (requestId: string, more: Partial<CapturedPrediction> = {}): CapturedPrediction => ({
  requestId,
  endpoint: "late",
  variant: "main",
  model,
  timeMs: start,
  latencyMs: 4,
  features: batchOf({ km: [1, 2], carrier: ["AA", "B6"] }),
  outputs: { probability: tensor([0.25, 0.75]) },
  ...more,
});

/** What is kept of each row, by request and row. */
function rowsOf(monitor: Monitor): Record<string, unknown> {
  const rows = monitor.read("late", "main").rows as SampledRows;
  const columns = Object.entries({ ...rows.features.columns, ...rows.outputs.columns });
  const values = columns.map(([name, column]) => [name, toArray(column)] as const);
  return Object.fromEntries(
    rows.requestIds.map((id, at) => [
      `${id} ${rows.requestRows[at]}`,
      { ...Object.fromEntries(values.map(([name, all]) => [name, all[at]])), label: rows.labels[at] },
    ]),
  );
}

test("rows are kept with their answers and labels, whichever comes first, and the last label counts", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, quality, rows: {} });
  monitor.label({ requestId: "b", row: 1, value: true, timeMs: start + 5 });
  monitor.capture(asked("a"));
  monitor.capture(asked("b"));
  monitor.capture(asked("c", { errorCode: "SERVING_MODEL_FAILED" }));
  monitor.label({ requestId: "a", value: 1, timeMs: start + 50 });
  expect(rowsOf(monitor)).toEqual({
    "a 0": { km: 1, carrier: "AA", probability: 0.25, label: 1 },
    "a 1": { km: 2, carrier: "B6", probability: 0.75, label: undefined },
    "b 0": { km: 1, carrier: "AA", probability: 0.25, label: undefined },
    "b 1": { km: 2, carrier: "B6", probability: 0.75, label: true },
    "c 0": { km: 1, carrier: "AA", probability: null, label: undefined },
    "c 1": { km: 2, carrier: "B6", probability: null, label: undefined },
  });
  monitor.label({ requestId: "a", value: 0, timeMs: start + 70 });
  monitor.label({ requestId: "a", value: 1, timeMs: start + 60 });
  expect(rowsOf(monitor)).toMatchObject({ "a 0": { label: 0 } });
  expect(monitor.counts().labels).toMatchObject({ joined: 2, corrected: 1, superseded: 1 });
});

test("nothing is kept unasked, of other endpoints, or of requests that were not drawn", async () => {
  const clock = createManualClock(start);
  await using none = openMonitor({ clock });
  none.capture(asked("a"));
  expect(none.read("late", "main").rows).toBeUndefined();
  await using others = openMonitor({ clock, rows: { endpoints: ["early"] } });
  others.capture(asked("a"));
  expect(others.read("late", "main").rows).toBeUndefined();
  await using few = openMonitor({ clock, rows: { perWindow: 5000 }, sampleShare: 0.25, random: createRandom(3) });
  for (let at = 0; at < 2000; at += 1) few.capture(asked(`r${at}`));
  const { rows } = few.read("late", "main");
  // 2,000 requests, each drawn with a quarter: four standard deviations.
  expect(Math.abs(rows!.length / 2 - 500)).toBeLessThan(4 * Math.sqrt(2000 * 0.25 * 0.75));
  const rule: AlertRule = { name: "own", evaluate: () => [], rows: { endpoint: "late", perWindow: 3 } };
  await using asking = openMonitor({ clock, rules: [rule] });
  for (let at = 0; at < 20; at += 1) asking.capture(asked(`r${at}`));
  expect(asking.read("late", "main").rows).toMatchObject({ length: 3 });
});

test("limits out of range are refused", () => {
  for (const perWindow of [0, 1.5, 5001, Number.NaN])
    expect(() => openMonitor({ rows: { perWindow } })).toThrow(RangeError);
  const rule: AlertRule = { name: "own", evaluate: () => [], rows: { endpoint: "late", perWindow: 6000 } };
  expect(() => openMonitor({ rules: [rule] })).toThrow(expect.objectContaining({ code: "MONITOR_RULE_INVALID" }));
});

test("what the redactor masks is in no row and no profile, of features or of outputs", async () => {
  const redactor = redactFields(["carrier", "km", "why"]);
  await using monitor = openMonitor({ clock: createManualClock(start), rows: {}, redactor });
  const why: Tensor = { dtype: "string", shape: [2], data: ["secret", "secret"] };
  monitor.capture(asked("a", { outputs: { probability: tensor([0.25, 0.75]), why } }));
  monitor.captureTensors({ ...asked("b"), inputs: { km: tensor([7, 8]), hours: tensor([1, 2]) } });
  expect(rowsOf(monitor)).toEqual({
    "a 0": { carrier: "[redacted]", hours: null, probability: 0.25, why: "[redacted]", label: undefined },
    "a 1": { carrier: "[redacted]", hours: null, probability: 0.75, why: "[redacted]", label: undefined },
    "b 0": { carrier: null, hours: 1, probability: 0.25, why: null, label: undefined },
    "b 1": { carrier: null, hours: 2, probability: 0.75, why: null, label: undefined },
  });
  expect(monitor.read("late", "main").outputs.columns["why"]?.frequent?.counts).toEqual(new Map([["[redacted]", 2]]));
  expect(JSON.stringify(monitor.state({ rowsPerWindow: 100 }))).not.toContain("secret");
});

test("tensors and columns give the same rows", async () => {
  const clock = createManualClock(start);
  await using byTensors = openMonitor({ clock, quality, rows: {}, random: createRandom(5) });
  await using byColumns = openMonitor({ clock, quality, rows: {}, random: createRandom(5) });
  for (let at = 0; at < 40; at += 1) {
    const { features: _, ...rest } = asked(`r${at}`, { outputs: { probability: tensor([0.5, at / 40]) } });
    byTensors.captureTensors({ ...rest, inputs: { x: tensor([at, 1, at + 0.5, 2], 2), one: tensor([3, 4]) } });
    const features = batchOf({
      x_0: Float32Array.of(at, at + 0.5),
      x_1: Float32Array.of(1, 2),
      one: Float32Array.of(3, 4),
    });
    byColumns.capture({ ...rest, features });
    for (const monitor of [byTensors, byColumns])
      monitor.label({ requestId: `r${at}`, row: 1, value: at % 2, timeMs: start + 10 });
  }
  const found = rowsOf(byTensors);
  expect(found).toEqual(rowsOf(byColumns));
  expect(Object.keys(found)).toHaveLength(80);
  expect(found["r7 1"]).toEqual({ x_0: 7.5, x_1: 2, one: 4, probability: Math.fround(7 / 40), label: 1 });
  const types = (monitor: Monitor) =>
    Object.entries(monitor.read("late", "main").rows!.features.columns).map(([name, { type }]) => [name, type]);
  expect(types(byTensors)).toEqual(types(byColumns));
});

test("another model begins anew", async () => {
  await using monitor = openMonitor({ clock: createManualClock(start), quality, rows: {} });
  monitor.capture(asked("a"));
  await monitor.flush();
  monitor.capture(asked("b", { model: { name: "late", digest: digestOf("v2") }, timeMs: start + 1 }));
  monitor.label({ requestId: "a", value: 1, timeMs: start + 5 });
  expect(Object.keys(rowsOf(monitor)).toSorted()).toEqual(["b 0", "b 1"]);
  expect(rowsOf(monitor)).toMatchObject({ "b 0": { label: undefined } });
});

test("memory is bounded: windows keep what they may, an hour no more, and labels still find its rows", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, quality, rows: { perWindow: 20 } });
  for (let minute = 0; minute < 60; minute += 1) {
    for (let at = 0; at < 60; at += 1) monitor.capture(asked(`r${minute}-${at}`, { timeMs: start + minute * 60_000 }));
    await clock.advance(60_000);
    await monitor.flush();
  }
  // Of 120 rows a minute 20: about a sixth, and of sixty windows the smallest limit.
  const fine = monitor.read("late", "main").rows!;
  expect(fine.length).toBeGreaterThan(20);
  expect(fine.length).toBeLessThan(60 * 20);
  expect(fine.share).toBeLessThan(1 / 6);
  await clock.advance(3 * hourMs);
  await monitor.evaluate();
  const merged = monitor.read("late", "main", { windowMs: 24 * hourMs }).rows!;
  expect(merged.length).toBe(20);
  expect(fine.requestIds.slice(0, 20)).toEqual(merged.requestIds);
  for (const [at, requestId] of merged.requestIds.entries())
    monitor.label({ requestId, row: merged.requestRows[at], value: 1, timeMs: start + hourMs });
  expect(monitor.read("late", "main", { windowMs: 24 * hourMs }).rows!.labels).toEqual(new Array(20).fill(1));
  await clock.advance(8 * 24 * hourMs);
  await monitor.evaluate();
  expect(monitor.read("late", "main").rows).toBeUndefined();
});

test("rows leave the process only where that is asked for, as JSON, and merge with those of others", async () => {
  const clock = createManualClock(start);
  const open = () => openMonitor({ clock, quality, rows: { perWindow: 30 } });
  await using one = open();
  await using two = open();
  for (let at = 0; at < 200; at += 1) {
    one.capture(asked(`one ${at}`, { features: batchOf({ km: [Number.NaN, at], carrier: [null, "AA"] }) }));
    two.capture(asked(`two ${at}`));
    one.label({ requestId: `one ${at}`, value: at % 2 === 0, timeMs: start + 1 });
  }
  expect(JSON.stringify(one.state({ waiting: false }))).not.toContain("one 1");
  const state = JSON.parse(JSON.stringify(one.state({ rowsPerWindow: 10 }))) as Record<string, unknown>;
  await using other = open();
  other.merge("one", state);
  const told = other.read("late", "main").rows!;
  const own = one.read("late", "main").rows!;
  expect(told.requestIds).toEqual(own.requestIds.slice(0, 10));
  expect(told.labels).toEqual(own.labels.slice(0, 10));
  expect(toArray(told.features.columns["km"]!)).toEqual(toArray(own.features.columns["km"]!).slice(0, 10));
  two.merge("one", JSON.parse(JSON.stringify(one.state({ rowsPerWindow: 30 }))));
  const both = two.read("late", "main").rows!;
  expect(both.length).toBeGreaterThanOrEqual(30);
  // Of 400 rows each: processes of one seed do not draw the same.
  const ofOne = both.requestIds.filter((id) => id.startsWith("one")).length;
  expect(Math.abs(ofOne - both.length / 2)).toBeLessThan(4 * Math.sqrt(both.length) * 0.5);
  const places = both.requestIds.map((id) => id.slice(4));
  expect(new Set(places).size).toBeGreaterThan(places.length / 2);
  expect(() => one.state({ rowsPerWindow: -1 })).toThrow(RangeError);
});

test("samples that are none are refused whole", async () => {
  await using one = openMonitor({ clock: createManualClock(start), rows: {} });
  for (let at = 0; at < 3; at += 1) one.capture(asked(`r${at}`));
  const text = JSON.stringify(one.state({ rowsPerWindow: 5 }));
  await using other = openMonitor({ clock: createManualClock(start), rows: {} });
  const wrong = (change: (rows: { below: unknown; layouts: unknown; rows: unknown[][] }) => void): unknown => {
    const state = JSON.parse(text);
    change(state.variants[0].windows[0].rows);
    return state;
  };
  const changes: Parameters<typeof wrong>[0][] = [
    (rows) => (rows.below = 2),
    (rows) => (rows.below = undefined),
    (rows) => (rows.rows = [5] as never),
    (rows) => (rows.layouts = []),
    (rows) => (rows.layouts = [{ features: [["km", "list"]], outputs: [] }]),
    (rows) => rows.rows.reverse(),
    (rows) => rows.rows.forEach((row) => (row[0] = -1)),
    (rows) => rows.rows.forEach((row) => (row[3] = 7)),
    (rows) => (rows.rows[0]![4] as unknown[]).pop(),
    (rows) => ((rows.rows[0]![4] as unknown[])[0] = "far"),
    (rows) => rows.rows[0]!.push({}),
  ];
  for (const change of changes)
    expect(() => other.merge("one", wrong(change))).toThrow(expect.objectContaining({ code: "MONITOR_STATE_INVALID" }));
  expect(other.read("late", "main").rows).toBeUndefined();
  other.merge(
    "one",
    wrong(() => {}),
  );
  expect(other.read("late", "main").rows).toMatchObject({ length: 5 });
});
