import { expect, test } from "vitest";
import { percentilesOf, qualityOf } from "../src/quality.ts";

/** 200 probabilities on a grid of twentieths, so that ties abound, and labels that they are roughly right about. */
function sample(): { readonly probabilities: number[]; readonly labels: number[] } {
  let state = 12_345;
  const next = (): number => {
    state = Number((BigInt(state) * 1_103_515_245n + 12_345n) % 2_147_483_648n);
    return state / 2_147_483_648;
  };
  const probabilities: number[] = [];
  const labels: number[] = [];
  for (let row = 0; row < 200; row += 1) {
    const [a, b] = [next(), next()];
    const probability = Math.min(0.95, Math.max(0.05, Math.round(a * 20) / 20));
    probabilities.push(probability);
    labels.push(b < 0.7 * probability + 0.1 ? 1 : 0);
  }
  return { probabilities, labels };
}

test("quality is what scikit-learn 1.9 computes of the same rows", () => {
  const { probabilities, labels } = sample();
  const quality = qualityOf(probabilities, labels);
  expect(labels.reduce((sum, label) => sum + label, 0)).toBe(93);
  // roc_auc_score, log_loss, brier_score_loss.
  expect(quality.auc).toBeCloseTo(0.683_046_929_956_788_4, 12);
  expect(quality.logLoss).toBeCloseTo(0.686_866_432_252_540_7, 12);
  expect(quality.brier).toBeCloseTo(0.237_375, 12);
  expect(quality.meanProbability).toBeCloseTo(0.4945, 12);
  expect(quality.observedShare).toBe(93 / 200);
});

test("calibration error is the gap of each tenth, weighed by its rows; computed apart with NumPy", () => {
  const { probabilities, labels } = sample();
  const { calibrationError, bins } = qualityOf(probabilities, labels);
  expect(bins.map(({ rows }) => rows)).toEqual([14, 20, 16, 23, 25, 15, 22, 27, 25, 13]);
  expect(calibrationError).toBeCloseTo(0.1295, 12);
});

test("certainty that turns out wrong costs much, but not infinitely much", () => {
  const { logLoss, auc } = qualityOf([0, 1], [1, 0]);
  expect(logLoss).toBeCloseTo(-Math.log(1e-7), 6);
  expect(auc).toBe(0);
});

test("equal scores tell nothing: half the pairs are ranked rightly", () => {
  expect(qualityOf([0.2, 0.2, 0.2, 0.2], [1, 0, 0, 1]).auc).toBe(0.5);
});

test("percentiles are by the nearest rank", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  expect(percentilesOf(values)).toEqual({ p50: 100, p95: 190, p99: 198 });
  expect(percentilesOf([7])).toEqual({ p50: 7, p95: 7, p99: 7 });
});
