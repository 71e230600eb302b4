import { createRandom, type Random } from "@millwright/contracts";
import { column } from "@millwright/data";
import { expect, test } from "vitest";
import { calibratedDrift, type DriftMonitor } from "../src/drift.ts";
import { binomialBounds, type Draw, normal, windowsOf } from "./drift-windows.ts";

/** Thirty windows, of which some are of an incident that moved all values by so much. */
function monitorOf(random: Random, incidents: readonly number[], shift: number): DriftMonitor {
  const draw: Draw = (window) => ({ x: normal(random, 1000, incidents.includes(window) ? shift : 0) });
  return calibratedDrift()(windowsOf(draw, 30));
}

const judged = (monitor: DriftMonitor, random: Random, shift: number) =>
  monitor.judge(windowsOf(() => ({ x: normal(random, 1000, shift) }), 1, { from: 30 })[0]!);

test.each([
  ["no incident", [], 0],
  ["one small incident", [11], 0.5],
  ["one large incident", [11], 5],
  ["three small incidents", [4, 11, 23], 0.5],
  ["three large ones that hide each other", [4, 11, 23], 5],
] as const)("a shift of a quarter is seen after a history with %s, and calm is none", (_, incidents, shift) => {
  let [seen, alarms, judgedCalm] = [0, 0, 0];
  for (let seed = 0; seed < 15; seed += 1) {
    const random = createRandom(600 + seed);
    const monitor = monitorOf(random, incidents, shift);
    if (judged(monitor, random, 0.25).verdict === "drift") seen += 1;
    for (let window = 0; window < 20; window += 1) {
      const { calibrated } = judged(monitor, random, 0).columns[0]!.measures;
      judgedCalm += 1;
      if (calibrated!.pValue <= 0.05) alarms += 1;
      expect(calibrated!.historyWindows + calibrated!.outlyingWindows).toBe(30);
    }
  }
  expect(seen).toBeGreaterThanOrEqual(13);
  expect(alarms).toBeLessThanOrEqual(binomialBounds(0.075, judgedCalm)[1]);
});

test("windows that are left out are told, and more than a tenth of them are what windows do", () => {
  const random = createRandom(641);
  const told = judged(monitorOf(random, [3, 20], 1), random, 0);
  expect(told.columns[0]!.measures.calibrated).toMatchObject({ historyWindows: 28, outlyingWindows: 2 });
  expect(told.notes).toContain("x: 2 windows of history are unlike all others, and left out.");
  const often = judged(monitorOf(random, [0, 5, 10, 15, 20, 25], 1), random, 1);
  expect(often.columns[0]!.measures.calibrated).toMatchObject({ historyWindows: 30, outlyingWindows: 0 });
  expect(often.verdict).toBe("ok");
  expect(often.notes).toEqual([]);
});

test("an outlier of its phase is found though other phases hold such values", () => {
  const random = createRandom(642);
  const cycle = (window: number): number => 3 * Math.sin((Math.PI * window) / 2);
  const draw: Draw = (window) => ({ x: normal(random, 1000, window === 41 ? -cycle(window) : cycle(window)) });
  const monitor = calibratedDrift()(windowsOf(draw, 80));
  const report = monitor.judge(
    windowsOf((window) => ({ x: normal(random, 1000, cycle(window) + 0.3) }), 1, { from: 81 })[0]!,
  );
  expect(report.columns[0]!.measures.calibrated).toMatchObject({ cycle: "day", outlyingWindows: 1 });
  expect(report.verdict).toBe("drift");
});

test("windows that rise and fall together, or lack some values, are left out of few histories in which nothing is wrong", () => {
  const histories: readonly ((random: Random) => Draw)[] = [
    (random) => () => ({ x: normal(random, 500) }),
    (random) => {
      let level = 0;
      return () => ({ x: normal(random, 500, (level = 0.8 * level + 0.2 * random.normal())) });
    },
    (random) => () => ({
      x: column(
        "float64",
        Array.from(normal(random, 500), (value) => (random.next() < 0.02 ? null : value)),
      ),
    }),
  ];
  let left = 0;
  for (const [index, history] of histories.entries()) {
    for (let seed = 0; seed < 25; seed += 1) {
      const draw = history(createRandom(700 + 100 * index + seed));
      const monitor = calibratedDrift()(windowsOf(draw, 40));
      const { calibrated } = monitor.judge(windowsOf(draw, 1, { from: 40 })[0]!).columns[0]!.measures;
      if (calibrated!.outlyingWindows > 0) left += 1;
    }
  }
  expect(left).toBeLessThanOrEqual(binomialBounds(0.01, 75)[1]);
});

test("levels with a heavy tail lose windows, and alarm no more often for it", () => {
  const student = (random: Random): number =>
    random.normal() / Math.sqrt((random.normal() ** 2 + random.normal() ** 2 + random.normal() ** 2) / 3);
  let [alarms, judgedCalm] = [0, 0];
  for (let seed = 0; seed < 12; seed += 1) {
    const random = createRandom(3000 + seed);
    const draw: Draw = () => ({ x: normal(random, 500, 0.1 * student(random)) });
    const monitor = calibratedDrift()(windowsOf(draw, 40));
    for (const window of windowsOf(draw, 30, { from: 40 })) {
      judgedCalm += 1;
      if (monitor.judge(window).columns[0]!.measures.calibrated!.pValue <= 0.05) alarms += 1;
    }
  }
  expect(alarms).toBeLessThanOrEqual(binomialBounds(0.075, judgedCalm)[1]);
});

test("windows in which a column has too few values keep their place in the history of the others", () => {
  const random = createRandom(643);
  // Every third window lacks most values: its p-value is that of the share of nulls alone.
  const draw: Draw = (window) => ({
    x: column(
      "float64",
      Array.from(normal(random, 800), (value, row) => (window % 3 === 0 && row > 300 ? null : value)),
    ),
  });
  let alarms = 0;
  const monitor = calibratedDrift({ correction: "none" })(windowsOf(draw, 120));
  for (const window of windowsOf(draw, 90, { from: 120 }))
    if (monitor.judge(window).columns[0]!.measures.calibrated!.pValue <= 0.05) alarms += 1;
  expect(alarms).toBeLessThanOrEqual(binomialBounds(0.075, 90)[1]);
});
