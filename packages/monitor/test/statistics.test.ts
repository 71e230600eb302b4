import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  benjaminiHochberg,
  chiSquaredContingency,
  chiSquaredFit,
  hellinger,
  jensenShannon,
  kolmogorovSmirnov,
  largestDifference,
  populationStability,
  twoProportions,
  wasserstein,
  wilsonInterval,
} from "../src/index.ts";

// All expected numbers were computed with SciPy 1.17.1.
const x = [0.1, 0.4, 0.7, 1.2, 1.9, 2.5, 3.1, 4.0];
const y = [0.9, 1.4, 2.2, 2.8, 3.6, 4.4, 5.1, 6.0, 7.2];
const p = [0.5, 0.3, 0.2];
const q = [0.4, 0.35, 0.25];

test("Kolmogorov–Smirnov gives SciPy's distance and p-values, exact and asymptotic", () => {
  const exact = kolmogorovSmirnov(x, y);
  expect(exact.statistic).toBeCloseTo(0.4444444444444444, 15);
  expect(exact.pValue).toBeCloseTo(0.24245166598107779, 12);
  expect(kolmogorovSmirnov(y.toReversed(), x, { method: "asymptotic" }).pValue).toBeCloseTo(0.3072892851699437, 12);
  expect(kolmogorovSmirnov([1, 1, 2], [1, 1, 2])).toEqual({ statistic: 0, pValue: 1 });
  expect(kolmogorovSmirnov([1, 2], [3, 4]).statistic).toBe(1);
});

test("the exact and the asymptotic p-value agree for large samples, on both sides of the switch", () => {
  const random = createRandom(4);
  for (const [n, m] of [
    [200, 230],
    [600, 700],
  ] as const) {
    const a = Array.from({ length: n }, () => random.normal());
    const b = Array.from({ length: m }, () => random.normal() + 0.15);
    const exact = kolmogorovSmirnov(a, b, { method: "exact" }).pValue;
    const asymptotic = kolmogorovSmirnov(a, b, { method: "asymptotic" }).pValue;
    // SciPy documents the same order of difference: about 1/√n of the value.
    expect(Math.abs(exact - asymptotic)).toBeLessThan(0.02);
  }
});

test("distances of shares are SciPy's", () => {
  expect(populationStability(p, q)).toBeCloseTo(0.041179066688494366, 14);
  expect(jensenShannon(p, q)).toBeCloseTo(0.08609435336652028, 14);
  expect(hellinger(p, q)).toBeCloseTo(0.0717117272813177, 14);
  expect(largestDifference(p, q)).toBeCloseTo(0.1, 14);
  expect(jensenShannon([1, 0], [0, 1])).toBe(1);
  expect(populationStability([5, 3, 2], [50, 30, 20])).toBeCloseTo(0, 14);
  expect(wasserstein(x, y)).toBeCloseTo(1.9958333333333333, 13);
});

test("tests of counts are SciPy's", () => {
  const fit = chiSquaredFit([50, 30, 20], [40, 35, 25]);
  expect(fit.statistic).toBeCloseTo(4.083333333333333, 12);
  expect(fit.pValue).toBeCloseTo(0.12981217685543797, 12);
  const contingency = chiSquaredContingency([50, 30, 20], [40, 35, 25]);
  expect(contingency.statistic).toBeCloseTo(2.051282051282051, 12);
  expect(contingency.pValue).toBeCloseTo(0.3585665413731905, 12);
  const proportions = twoProportions(120, 1000, 150, 1000);
  expect(proportions.statistic).toBeCloseTo(-1.963049807622355, 12);
  expect(proportions.pValue).toBeCloseTo(0.04964038686536878, 12);
  const [low, high] = wilsonInterval(3, 1000);
  expect(low).toBeCloseTo(0.0010208, 7);
  expect(high).toBeCloseTo(0.008783, 6);
  const adjusted = benjaminiHochberg([0.01, 0.04, 0.03, 0.005]);
  for (const [index, wanted] of [0.02, 0.04, 0.04, 0.02].entries()) expect(adjusted[index]).toBeCloseTo(wanted, 14);
});

test("categories that one side alone has are compared, those of neither left out", () => {
  expect(chiSquaredContingency([10, 0, 5], [0, 0, 5]).pValue).toBeLessThan(0.05);
  expect(chiSquaredContingency([10], [20]).pValue).toBe(1);
  expect(populationStability([1, 0], [1, 1])).toBeGreaterThan(1);
});

test("nothing to compare, and what is no count, are refused", () => {
  const code = (make: () => unknown): unknown => {
    try {
      return make();
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };
  expect(code(() => kolmogorovSmirnov([], [1]))).toBe("MONITOR_SAMPLE_EMPTY");
  expect(code(() => jensenShannon([0, 0], [1, 1]))).toBe("MONITOR_SAMPLE_EMPTY");
  expect(code(() => jensenShannon([1], [1, 1]))).toBe("MONITOR_COUNTS_INVALID");
  expect(code(() => jensenShannon([1, -1], [1, 1]))).toBe("MONITOR_COUNTS_INVALID");
});
