import { createRandom } from "@millwright/contracts";
import { batchOf, mergeProfiles, profileOf } from "@millwright/data";
import { expect, test } from "vitest";
import { approveBacktest, backtest, detectorMonitor } from "../src/backtest.ts";
import { calibratedDrift, type DriftMonitorFactory, type DriftWindow } from "../src/drift.ts";
import { compare, type DriftPolicy, recommended } from "../src/index.ts";
import { missing, shift } from "../src/injection.ts";
import { clopperPearsonInterval } from "../src/statistics.ts";
import { createPageHinkley } from "../src/detectors.ts";

const hourMs = 3_600_000;

/** Four hours of a quiet service in each window. */
function quiet(count: number, rows = 600): DriftWindow[] {
  const random = createRandom(21);
  return Array.from({ length: count }, (_, index) => {
    const batch = batchOf({
      km: Float64Array.from({ length: rows }, () => random.normal()),
      kind: Array.from({ length: rows }, () => (random.next() < 0.3 ? "a" : "b")),
    });
    return { startMs: 4 * hourMs * index, endMs: 4 * hourMs * (index + 1), profile: profileOf(batch), rows: batch };
  });
}

/** Plain comparison with all of the history together. */
const comparing =
  (policy: DriftPolicy): DriftMonitorFactory =>
  (history) => {
    const baseline = history.map(({ profile }) => profile).reduce((a, b) => mergeProfiles(a, b));
    return { judge: ({ profile }) => compare(baseline, profile, policy) };
  };
const careless: DriftPolicy = {
  ...recommended(),
  alpha: 0.2,
  minimumDistance: 0,
  minimumDivergence: 0,
  correction: "none",
};
const windows = quiet(80);

test("MO-34: a monitor is tried over history before it is enabled: false alarms a year, how soon drift is found, and refused where they are too many", async () => {
  const drifts = {
    "half a deviation": [shift("km", 0.5)],
    "a tenth of a deviation": [shift("km", 0.1)],
    nulls: [missing("km", 0.2)],
  };
  const options = { drifts, historyWindows: 20, repetitions: 10, horizonWindows: 4 };
  const report = await backtest(comparing(recommended()), windows, options);
  const again = await backtest(comparing(recommended()), windows, options);
  expect(JSON.stringify(again)).toBe(JSON.stringify(report));
  expect(report.falseAlarms).toMatchObject({ windows: 60, alarms: 0, perYear: 0 });
  expect(report.falseAlarms.perYearInterval[1]).toBeCloseTo(365.25 * 6 * clopperPearsonInterval(0, 60)[1], 9);
  expect(report.drifts["half a deviation"]).toMatchObject({ found: 10, share: 1, medianDelayMs: 4 * hourMs });
  expect(report.drifts["nulls"]).toMatchObject({ found: 10 });
  expect(report.drifts["a tenth of a deviation"]?.share).toBeLessThan(0.5);
  const asked = { "half a deviation": { share: 0.9, medianDelayMs: 8 * hourMs } };
  expect(() => approveBacktest(report, { falseAlarmsPerYear: 12, drifts: asked })).not.toThrow();

  const noisy = await backtest(comparing(careless), windows, { historyWindows: 20 });
  expect(noisy.falseAlarms.perYear).toBeGreaterThan(300);
  const refused = {
    code: "MONITOR_BACKTEST_REFUSED",
    message: expect.stringMatching(/alarms in 60 windows .* false alarms a year .* 12 are allowed.*smaller alpha/),
  };
  expect(() => approveBacktest(noisy, { falseAlarmsPerYear: 12 })).toThrow(expect.objectContaining(refused));
});

test("a policy may ask for proof, for drifts to be found, and for verdicts at all", async () => {
  const drifts = { small: [shift("km", 0.1)] };
  const report = await backtest(comparing(recommended()), windows, { drifts, historyWindows: 20, repetitions: 8 });
  expect(() => approveBacktest(report, { falseAlarmsPerYear: 12, by: "proof" })).toThrow(/does not prove/);
  expect(() => approveBacktest(report, { falseAlarmsPerYear: 12, drifts: { small: { share: 0.9 } } })).toThrow(
    /"small" was found in/,
  );
  expect(() => approveBacktest(report, { falseAlarmsPerYear: 12, drifts: { large: { share: 1 } } })).toThrow(
    /no drift "large"/,
  );
  const mute = await backtest(comparing({ ...recommended(), minimumSamples: 10_000 }), windows);
  expect(() => approveBacktest(mute, { falseAlarmsPerYear: 12 })).toThrow(/had no verdict/);
});

test("a calibrated monitor and a detector of single values are tried the same way", async () => {
  const drifts = { shifted: [shift("km", 1)] };
  const options = { drifts, repetitions: 4, horizonWindows: 4 };
  const calibrated = await backtest(calibratedDrift({ alpha: 0.001 }), windows, options);
  expect(calibrated.drifts["shifted"]?.found).toBe(4);
  const detector = detectorMonitor({ column: "km", create: () => createPageHinkley({ threshold: 150, delta: 0.1 }) });
  const detected = await backtest(detector, windows, options);
  expect(detected.falseAlarms.alarms).toBe(0);
  expect(detected.drifts["shifted"]).toMatchObject({ found: 4, medianDelayMs: 4 * hourMs });
});

test("it tells how far it is, and stops when it is told to", async () => {
  const seen: number[] = [];
  const controller = new AbortController();
  const running = backtest(comparing(recommended()), windows, {
    judgedWindows: 5,
    signal: controller.signal,
    onProgress: ({ done, total }) => {
      seen.push(done / total);
      if (done === 4) controller.abort(new Error("enough"));
    },
  });
  await expect(running).rejects.toThrow("enough");
  expect(seen).toEqual([1, 2, 3, 4].map((done) => done / 8));
});

test("what cannot be backtested is refused by code", async () => {
  const code = "MONITOR_BACKTEST_INVALID";
  const monitor = comparing(recommended());
  await expect(backtest(monitor, windows.slice(0, 1))).rejects.toMatchObject({ code });
  await expect(backtest(monitor, windows.toReversed())).rejects.toMatchObject({ code });
  const bare = windows.map(({ startMs, endMs, profile }) => ({ startMs, endMs, profile }));
  await expect(backtest(monitor, bare, { drifts: { a: [shift("km", 1)] } })).rejects.toThrow(/hold their rows/);
  await expect(backtest(monitor, windows, { confidence: 1 })).rejects.toMatchObject({ code });
});
