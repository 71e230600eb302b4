import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { judgeMetric, type MetricPoint } from "../src/index.ts";

const dayMs = 86_400_000;
/** A Monday. */
const start = Date.parse("2024-01-01T06:00:00Z");
const monday = 0;
const wednesday = 2;

/** One point a day; every Monday has 30 % less rows. */
function daily(days: number, { seed = 1, growth = 0, noise = 100 } = {}): MetricPoint[] {
  const random = createRandom(seed);
  return Array.from({ length: days }, (_, day) => ({
    timeMs: start + day * dayMs + random.integer(3_600_000),
    value: (day % 7 === monday ? 7000 : 10_000) * (1 + growth * day) + random.normal() * noise,
  }));
}

test("DQ-8: the dip of every Monday is expected, and an equal dip on a Wednesday is an anomaly", () => {
  let [mondays, wednesdays, others] = [0, 0, 0];
  for (let seed = 1; seed <= 40; seed += 1) {
    const history = daily(8 * 7 + wednesday, { seed });
    const at = (day: number, value: number): ReturnType<typeof judgeMetric> =>
      judgeMetric(history.slice(0, day), { timeMs: start + day * dayMs, value });
    const random = createRandom(seed).fork("today");
    const dip = 7000 + random.normal() * 100;
    if (at(8 * 7 + monday, dip).outcome === "anomaly") mondays += 1;
    if (at(8 * 7 + wednesday, dip).outcome === "anomaly") wednesdays += 1;
    if (at(8 * 7 + wednesday, 10_000 + random.normal() * 100).outcome === "anomaly") others += 1;
  }
  expect(mondays).toBe(0);
  expect(wednesdays).toBe(40);
  expect(others).toBe(0);
});

test("a Monday without its dip is as wrong as a Wednesday with one", () => {
  const history = daily(56);
  const verdict = judgeMetric(history, { timeMs: start + 56 * dayMs, value: 10_000 });
  expect(verdict).toMatchObject({ outcome: "anomaly", cycles: 8 });
  expect(verdict.score).toBeGreaterThan(4);
  expect(verdict.expected).toBeGreaterThan(6700);
  expect(verdict.upper).toBeLessThan(8000);
  expect(JSON.parse(JSON.stringify(verdict))).toEqual(verdict);
});

test("growth is followed by ratios, and its absence told", () => {
  const history = daily(56, { growth: 0.01 });
  const expectedValue = 7000 * (1 + 0.01 * 56);
  const today = { timeMs: start + 56 * dayMs, value: expectedValue };
  expect(judgeMetric(history, today, { scale: "ratio" })).toMatchObject({ outcome: "expected" });
  expect(judgeMetric(history, { ...today, value: 7000 }, { scale: "ratio" })).toMatchObject({ outcome: "anomaly" });
});

test("shares of nulls, gaps, disorder and old anomalies are borne", () => {
  const random = createRandom(9);
  const history = Array.from({ length: 70 }, (_, day) => ({
    timeMs: start + day * dayMs,
    // Twice in ten weeks, everything was null.
    value: day === 30 || day === 51 ? 1 : 0.02 + random.next() * 0.01,
  })).filter((_, day) => day % 11 !== 5);
  const shuffled = history.toSorted((a, b) => (a.timeMs % 977) - (b.timeMs % 977));
  const today = start + 70 * dayMs;
  for (const points of [history, shuffled]) {
    expect(judgeMetric(points, { timeMs: today, value: 0.027 })).toMatchObject({ outcome: "expected" });
    expect(judgeMetric(points, { timeMs: today, value: 0.2 })).toMatchObject({ outcome: "anomaly" });
  }
  // What comes after is not history.
  const later = [...history, { timeMs: today + dayMs, value: 5 }, { timeMs: today, value: 5 }];
  expect(judgeMetric(later, { timeMs: today, value: 0.2 })).toEqual(
    judgeMetric(history, { timeMs: today, value: 0.2 }),
  );
});

test("a constant history allows nothing else but what minDeviation lets pass", () => {
  const history = Array.from({ length: 56 }, (_, day) => ({ timeMs: start + day * dayMs, value: 5 }));
  const today = start + 56 * dayMs;
  expect(judgeMetric(history, { timeMs: today, value: 5 })).toMatchObject({ outcome: "expected", score: 0 });
  expect(judgeMetric(history, { timeMs: today, value: 6 })).toMatchObject({ outcome: "anomaly", score: 1e9 });
  expect(judgeMetric(history, { timeMs: today, value: 6 }, { minDeviation: 1 })).toMatchObject({
    outcome: "expected",
    lower: 4,
    upper: 6,
  });
  expect(judgeMetric(history, { timeMs: today, value: 5.5 }, { minDeviation: 0.1, scale: "ratio" })).toMatchObject({
    outcome: "expected",
  });
});

test("with too little history nothing is said, and options out of range are refused", () => {
  const point = { timeMs: start + 21 * dayMs, value: 1 };
  expect(judgeMetric([], point)).toEqual({ outcome: "unknown", value: 1, cycles: 0 });
  expect(judgeMetric(daily(21), point)).toEqual({ outcome: "unknown", value: 1, cycles: 3 });
  expect(judgeMetric(daily(21), point, { minCycles: 3 })).toMatchObject({ outcome: "anomaly" });
  const refused = (options: Parameters<typeof judgeMetric>[2], value = 1): void =>
    expect(() => judgeMetric([], { ...point, value }, options)).toThrow(RangeError);
  refused({ periodMs: 0 });
  refused({ toleranceMs: 5 * dayMs });
  refused({ threshold: 0 });
  refused({ minCycles: 1 });
  refused({ maxCycles: 3 });
  refused({ minDeviation: -1 });
  refused({}, Number.NaN);
  refused({ scale: "ratio" }, 0);
});

test("an hourly pattern is told by its period", () => {
  const hourMs = 3_600_000;
  const random = createRandom(2);
  const history = Array.from({ length: 24 * 10 }, (_, hour) => ({
    timeMs: start + hour * hourMs,
    value: 100 + 80 * Math.sin((hour / 24) * 2 * Math.PI) + random.normal() * 2,
  }));
  const options = { periodMs: dayMs, toleranceMs: hourMs / 2, maxCycles: 9 };
  const low = 100 - 80;
  expect(judgeMetric(history, { timeMs: start + (240 + 18) * hourMs, value: low }, options).outcome).toBe("expected");
  expect(judgeMetric(history, { timeMs: start + (240 + 6) * hourMs, value: low }, options).outcome).toBe("anomaly");
});

test("of days like those before, at most one in fifty is called an anomaly, with eight weeks of history", () => {
  let alarms = 0;
  for (let seed = 100; seed < 600; seed += 1) {
    const days = daily(8 * 7 + 1 + (seed % 7), { seed });
    const today = days.pop()!;
    if (judgeMetric(days, today).outcome === "anomaly") alarms += 1;
  }
  expect(alarms).toBeLessThanOrEqual(10);
});
