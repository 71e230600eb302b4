import { createRandom, type Random } from "@millwright/contracts";
import { column, type ColumnProfile, createQuantileSketcher } from "@millwright/data";
import { expect, test } from "vitest";
import { calibratedDrift, type CalibratedDriftOptions, type DriftWindow } from "../src/drift.ts";
import { autoregressive, binomialBounds, dayMs, type Draw, monday, normal, windowsOf } from "./drift-windows.ts";

/** Windows whose p-values are at most 0.05, of those judged in all streams. */
function falseAlarms(draw: (random: Random) => Draw, options: CalibratedDriftOptions = {}): [number, number] {
  let [alarms, judged] = [0, 0];
  for (let seed = 0; seed < 6; seed += 1) {
    const next = draw(createRandom(seed));
    const monitor = calibratedDrift({ correction: "none", ...options })(windowsOf(next, 112));
    for (const window of windowsOf(next, 60, { from: 112 })) {
      const measured = monitor.judge(window).columns[0]!.measures.calibrated!;
      judged += 1;
      if (measured.pValue <= 0.05) alarms += 1;
    }
  }
  return [alarms, judged];
}

test.each<[string, (random: Random) => Draw]>([
  ["independent rows", (random) => () => ({ x: normal(random, 500) })],
  [
    "a daily cycle",
    (random) => (window) => ({
      x: Float64Array.from(
        { length: 500 },
        (_, row) => random.normal() + Math.sin((Math.PI * (window + row / 500)) / 2),
      ),
    }),
  ],
  [
    "strongly dependent rows",
    (random) => {
      const next = autoregressive(random, 0.99);
      return () => ({ x: next(500) });
    },
  ],
  ["heavy tails", (random) => () => ({ x: normal(random, 500).map((value) => value / Math.abs(random.normal())) })],
  [
    "a share of nulls that wanders",
    (random) => {
      let level = 0;
      return () => {
        level = 0.5 * level + 0.3 * random.normal();
        const share = 1 / (1 + Math.exp(3 - level));
        return {
          x: column(
            "float64",
            Array.from(normal(random, 500), (value) => (random.next() < share ? null : value)),
          ),
        };
      };
    },
  ],
])("false alarms are as rare as asked with %s", (_, draw) => {
  const [alarms, judged] = falseAlarms(draw);
  const [low] = binomialBounds(0.025, judged);
  const [, high] = binomialBounds(0.075, judged);
  expect(alarms).toBeGreaterThanOrEqual(low);
  expect(alarms).toBeLessThanOrEqual(high);
});

test("false alarms are as rare as asked where the same must be seen in 2 of 3 windows that depend on each other", () => {
  const [alarms, judged] = falseAlarms(
    (random) => {
      const level = autoregressive(random, 0.6);
      return () => ({ x: normal(random, 500, 0.2 * level(1)[0]!) });
    },
    { persistence: { windows: 2, of: 3 } },
  );
  // Alarms come in runs of about two, so twice the variance.
  const [low, high] = [binomialBounds(0.025, judged / 2)[0] * 2, binomialBounds(0.075, judged / 2)[1] * 2];
  expect(alarms).toBeGreaterThanOrEqual(low);
  expect(alarms).toBeLessThanOrEqual(high);
});

test("MO-5: 200 columns in which nothing is wrong raise no alarm in 100 windows that share one alpha", () => {
  const random = createRandom(15);
  const names = Array.from({ length: 200 }, (_, index) => `x${index}`);
  // Whole profiles would cost five times as much to make, and hold nothing more that counts here.
  const sketched = (): ColumnProfile => {
    const sketcher = createQuantileSketcher();
    sketcher.addAll(normal(random, 120));
    return { type: "float64", count: 120, missing: 0, nonFinite: 0, quantiles: sketcher.sketch() };
  };
  const drawn = (count: number, from: number): DriftWindow[] =>
    Array.from({ length: count }, (_, index) => ({
      startMs: monday + (from + index) * dayMs,
      endMs: monday + (from + index + 1) * dayMs,
      profile: { rows: 120, columns: Object.fromEntries(names.map((name) => [name, sketched()])) },
    }));
  const history = drawn(60, 0);
  const common = { alpha: 0.05, minimumSamples: 100, minimumDistance: 0, minimumMissingChange: 0 };
  const spending = calibratedDrift({ ...common, acrossWindows: { kind: "spending", windows: 100 } })(history);
  const alone = calibratedDrift({ ...common, correction: "none" })(history);
  const windows = drawn(100, 60);
  expect(windows.filter((window) => spending.judge(window).verdict === "drift")).toEqual([]);
  // Without either there is an alarm in every window.
  const rates = windows.map((window) => alone.judge(window).driftedShare);
  expect(Math.min(...rates)).toBeGreaterThan(0);
  expect(rates.reduce((sum, rate) => sum + rate, 0) / 100).toBeGreaterThan(0.025);
  expect(rates.reduce((sum, rate) => sum + rate, 0) / 100).toBeLessThan(0.075);
});

test("a short history is judged by the autocorrelation of its rows, and says so; without their order it is not judged", () => {
  let [alarms, judged] = [0, 0];
  for (let seed = 0; seed < 20; seed += 1) {
    const next = autoregressive(createRandom(seed), 0.8);
    const draw: Draw = () => ({ x: next(2000) });
    const monitor = calibratedDrift({ correction: "none" })(windowsOf(draw, 5, { rows: true }));
    for (const window of windowsOf(draw, 12, { from: 5 })) {
      const { columns, notes } = monitor.judge(window);
      expect(notes![0]).toContain("autocorrelation");
      expect(columns[0]!.measures.calibrated!.null).toBe("autocorrelation");
      judged += 1;
      if (columns[0]!.measures.calibrated!.pValue <= 0.05) alarms += 1;
    }
  }
  expect(alarms).toBeGreaterThanOrEqual(binomialBounds(0.02, judged)[0]);
  expect(alarms).toBeLessThanOrEqual(binomialBounds(0.08, judged)[1]);
  const next = autoregressive(createRandom(1), 0.8);
  const draw: Draw = () => ({ x: next(2000) });
  const [window] = windowsOf(draw, 1, { from: 5 });
  expect(calibratedDrift()(windowsOf(draw, 5)).judge(window!).verdict).toBe("not-enough-data");
  // Rows so dependent that a window holds but a few independent ones say nothing either.
  const slow = autoregressive(createRandom(1), 0.999);
  const few = calibratedDrift()(windowsOf(() => ({ x: slow(2000) }), 5, { rows: true }));
  expect(few.judge(window!).verdict).toBe("not-enough-data");
});

test("between a few windows of history and many the spread of windows serves as Student's t", () => {
  let [alarms, judged] = [0, 0];
  for (let seed = 0; seed < 30; seed += 1) {
    const next = autoregressive(createRandom(seed), 0.9);
    const draw: Draw = () => ({ x: next(500) });
    const monitor = calibratedDrift({ correction: "none" })(windowsOf(draw, 12));
    for (const window of windowsOf(draw, 12, { from: 12 })) {
      const { columns, notes } = monitor.judge(window);
      expect(notes![0]).toContain("Student's t");
      judged += 1;
      if (columns[0]!.measures.calibrated!.pValue <= 0.05) alarms += 1;
    }
  }
  expect(alarms).toBeGreaterThanOrEqual(binomialBounds(0.02, judged)[0]);
  expect(alarms).toBeLessThanOrEqual(binomialBounds(0.09, judged)[1]);
});
