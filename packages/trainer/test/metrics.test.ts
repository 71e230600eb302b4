import { createRandom } from "@millwright/contracts";
import {
  areaUnderRoc,
  binaryMetrics,
  calibrationBins,
  calibrationError,
  logLoss,
  meanSquaredError,
  regressionMetrics,
} from "@millwright/trainer";
import { expect, test } from "vitest";

const floats = (...values: readonly number[]): Float32Array => Float32Array.from(values);

test("the area under the curve equals the count over all pairs, ties counted half", () => {
  const random = createRandom(3);
  for (let round = 0; round < 50; round += 1) {
    const rows = 2 + random.integer(60);
    const labels = Float32Array.from({ length: rows }, () => random.integer(2));
    const scores = Float32Array.from({ length: rows }, () => random.integer(8) / 8); // many ties
    let pairs = 0;
    let wins = 0;
    for (let one = 0; one < rows; one += 1) {
      for (let zero = 0; zero < rows; zero += 1) {
        if (labels[one] !== 1 || labels[zero] !== 0) continue;
        pairs += 1;
        const difference = (scores[one] as number) - (scores[zero] as number);
        wins += difference > 0 ? 1 : difference === 0 ? 0.5 : 0;
      }
    }
    if (pairs === 0) expect(areaUnderRoc(labels, scores)).toBeNaN();
    else expect(areaUnderRoc(labels, scores)).toBeCloseTo(wins / pairs, 12);
  }
});

test("scikit-learn's example has the area 0.75", () => {
  expect(areaUnderRoc(floats(0, 0, 1, 1), floats(0.1, 0.4, 0.35, 0.8))).toBe(0.75);
});

test("log loss and Brier score are what their formulas give", () => {
  const labels = floats(1, 0, 1);
  const probabilities = floats(0.5, 0.25, 1);
  // The last is kept at 1 − 1e-7, so it adds about 1e-7.
  expect(logLoss(labels, probabilities)).toBeCloseTo((Math.log(2) - Math.log(0.75)) / 3, 6);
  expect(meanSquaredError(labels, probabilities)).toBeCloseTo((0.25 + 0.0625) / 3, 12);
  expect(Number.isFinite(logLoss(floats(1, 0), floats(0, 1)))).toBe(true);
});

test("calibration bins hold every row once; a model that is right on average in each bin has no error", () => {
  const labels = floats(0, 1, 1, 1);
  const probabilities = floats(0.5, 0.5, 1, 1);
  const bins = calibrationBins(labels, probabilities, 4);
  expect(bins.map(({ count }) => count)).toEqual([0, 2, 0, 2]);
  expect(bins[1]).toMatchObject({ from: 0.25, to: 0.5, meanPrediction: 0.5, meanLabel: 0.5 });
  expect(calibrationError(bins)).toBe(0);
  expect(calibrationError(calibrationBins(floats(0, 0), floats(0.9, 0.7)))).toBeCloseTo(0.8, 6);
});

test("the sets of metrics have their names", () => {
  expect(binaryMetrics(floats(0, 1), floats(0.2, 0.9))).toMatchObject({ auc: 1, accuracy: 1 });
  const regression = regressionMetrics(floats(1, 2, 3), floats(1, 2, 4));
  expect(regression["mse"]).toBeCloseTo(1 / 3, 12);
  expect(regression["mae"]).toBeCloseTo(1 / 3, 12);
  expect(regression["r2"]).toBeCloseTo(0.5, 12);
});
