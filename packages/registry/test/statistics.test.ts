import { readFile } from "node:fs/promises";
import { createRandom, type Random } from "@millwright/contracts";
import { confusionChart, precisionRecallChart, rocChart, tableChart } from "@millwright/registry";
import { describe, expect, test } from "vitest";
import { dependentPairs, holm, independentPairs } from "../src/statistics/paired-difference.ts";
import { twoSidedP, twoSidedQuantile } from "../src/statistics/student-t.ts";

interface Golden {
  readonly tests: readonly {
    readonly differences: readonly number[];
    readonly pValue: number;
    readonly low: number;
    readonly high: number;
  }[];
  readonly tails: readonly { readonly t: number; readonly degrees: number; readonly p: number }[];
  readonly quantiles: readonly { readonly alpha: number; readonly degrees: number; readonly t: number }[];
  readonly curves: readonly {
    readonly actual: readonly boolean[];
    readonly scores: readonly number[];
    readonly falsePositiveRates: readonly number[];
    readonly truePositiveRates: readonly number[];
    readonly area: number;
    readonly precision: readonly number[];
    readonly recall: readonly number[];
    readonly thresholds: readonly number[];
    readonly averagePrecision: number;
  }[];
  readonly adjusted: { readonly pValues: readonly number[]; readonly holm: readonly number[] };
}

const golden = JSON.parse(await readFile(new URL("./fixtures/statistics.json", import.meta.url), "utf8")) as Golden;

const optionsOf = (random: Random) => ({ alpha: 0.05, random, resamples: 1000 });

describe("against SciPy", () => {
  test("tails and quantiles of Student's t", () => {
    // Of a million degrees, the logarithms of gamma functions that cancel out leave nine digits.
    for (const { t, degrees, p } of golden.tails) expect(twoSidedP(t, degrees) / p).toBeCloseTo(1, 8);
    for (const { alpha, degrees, t } of golden.quantiles)
      expect(twoSidedQuantile(alpha, degrees) / t).toBeCloseTo(1, 9);
  });

  test("the paired t-test, and its interval where that of the bootstrap is not taken", () => {
    for (const { differences, pValue, low, high } of golden.tests) {
      const found = independentPairs(differences, optionsOf(createRandom(1)));
      expect((found.pValue as number) / pValue).toBeCloseTo(1, 9);
      // The bootstrap's knows how the pairs are spread, and comes near for pairs that are spread normally.
      const tolerance = differences.length < 10 ? 1e-9 : 0.35 * (high - low);
      expect(Math.abs((found.low as number) - low)).toBeLessThan(tolerance);
      expect(Math.abs((found.high as number) - high)).toBeLessThan(tolerance);
    }
  });

  test("ROC and precision-recall curves with ties, against scikit-learn", () => {
    for (const golds of golden.curves) {
      const roc = rocChart(golds.actual, golds.scores, { points: 1e6 });
      expect(roc.points.map(({ falsePositiveRate }) => falsePositiveRate)).toEqual(golds.falsePositiveRates);
      expect(roc.points.map(({ truePositiveRate }) => truePositiveRate)).toEqual(golds.truePositiveRates);
      expect(roc.area).toBeCloseTo(golds.area, 12);
      const curve = precisionRecallChart(golds.actual, golds.scores, { points: 1e6 });
      expect(curve.points.map(({ threshold }) => threshold)).toEqual(golds.thresholds);
      expect(curve.points.map(({ precision }) => precision)).toEqual(golds.precision);
      expect(curve.points.map(({ recall }) => recall)).toEqual(golds.recall);
      expect(curve.averagePrecision).toBeCloseTo(golds.averagePrecision, 12);
    }
  });
});

test("Holm's adjustment steps down and never falls", () => {
  const { pValues, holm: adjusted } = golden.adjusted;
  for (const [index, value] of holm(pValues).entries()) expect(value).toBeCloseTo(adjusted[index] as number, 12);
  expect(holm([])).toEqual([]);
});

/** 99.9 % of 200 tests at 0.05 call no more: the binomial bound. */
const bound = 21;

test("MR-5: of 200 pairs of runs from one distribution no more are called different than the binomial bound lets, however their steps hang together", () => {
  const random = createRandom(20);
  const curve = (length: number, correlation: number): readonly number[] => {
    let level = random.normal() / Math.sqrt(1 - correlation * correlation);
    return Array.from({ length }, () => {
      const value = level;
      level = correlation * level + random.normal();
      return value;
    });
  };
  for (const [length, correlation] of [
    [60, 0],
    [100, 0.5],
    [200, 0.8],
    [300, 0.9],
  ] as const) {
    let called = 0;
    let told = 0;
    for (let simulation = 0; simulation < 200; simulation += 1) {
      const [first, second] = [curve(length, correlation), curve(length, correlation)];
      const differences = first.map((value, index) => (second[index] as number) - value);
      const { pValue } = dependentPairs(differences, { ...optionsOf(random.fork(simulation)), resamples: 200 });
      if (pValue !== undefined) told += 1;
      if (pValue !== undefined && pValue <= 0.05) called += 1;
    }
    expect(called, `${length} steps, correlation ${correlation}`).toBeLessThanOrEqual(bound);
    expect(told, `${length} steps, correlation ${correlation}`).toBeGreaterThan(150);
  }
  let called = 0;
  let covered = 0;
  for (let simulation = 0; simulation < 200; simulation += 1) {
    const differences = Array.from({ length: 30 }, () => Math.exp(random.normal()) - Math.exp(random.normal()));
    const { pValue, low, high } = independentPairs(differences, {
      ...optionsOf(random.fork(simulation)),
      resamples: 300,
    });
    if ((pValue as number) <= 0.05) called += 1;
    if ((low as number) <= 0 && 0 <= (high as number)) covered += 1;
  }
  expect(called).toBeLessThanOrEqual(bound);
  expect(covered).toBeGreaterThanOrEqual(200 - bound);
});

test("a difference that is there is called, and what cannot be told is not", () => {
  const random = createRandom(3);
  const options = optionsOf(random);
  const shifted = Array.from({ length: 100 }, () => 0.5 + random.normal() / 4);
  for (const measure of [independentPairs, dependentPairs]) {
    expect(measure(shifted, options).pValue).toBeLessThan(1e-6);
    expect(measure(shifted, options).low).toBeGreaterThan(0.3);
    expect(
      measure(
        Array.from({ length: 20 }, () => 0),
        options,
      ),
    ).toMatchObject({ mean: 0, pValue: 1, low: 0, high: 0 });
    expect(
      measure(
        Array.from({ length: 20 }, () => 0.1),
        options,
      ),
    ).toMatchObject({ pValue: 0 });
    expect(measure([1], options).pValue).toBeUndefined();
  }
  // A random walk: its steps are worth next to nothing.
  let level = 0;
  const walk = Array.from({ length: 200 }, () => (level += random.normal()));
  expect(dependentPairs(walk, options).pValue).toBeUndefined();
});

describe("charts", () => {
  test("curves of many examples keep few points, and no rate jumps between them", () => {
    const random = createRandom(5);
    const actual = Array.from({ length: 50_000 }, () => random.integer(3) === 0);
    const scores = actual.map((isPositive) => random.normal() + (isPositive ? 1 : 0));
    const { points, area } = rocChart(actual, scores);
    expect(points.length).toBeLessThan(2100);
    expect(area).toBeCloseTo(0.76, 1);
    expect(points.at(-1)).toMatchObject({ falsePositiveRate: 1, truePositiveRate: 1 });
    for (const [index, point] of points.entries())
      if (index > 0) expect(point.falsePositiveRate - (points[index - 1]?.falsePositiveRate ?? 0)).toBeLessThan(0.0021);
  });

  test("what makes no chart is refused", () => {
    expect(confusionChart(["a", "b", "a"], ["a", "a", "b"])).toMatchObject({
      labels: ["a", "b"],
      counts: [
        [1, 1],
        [1, 0],
      ],
    });
    expect(() => confusionChart(["a"], [])).toThrow(RangeError);
    expect(() => confusionChart(["a"], ["b"], { labels: ["a"] })).toThrow("not among the labels");
    expect(() => tableChart({ a: [1], b: [] })).toThrow(RangeError);
    expect(() => tableChart({ a: [Number.NaN] })).toThrow(TypeError);
    expect(() => rocChart([true], [1])).toThrow("not positive");
    expect(() => rocChart([false], [1])).toThrow("that is positive");
    expect(() => rocChart([true, false], [1, Number.NaN])).toThrow("finite");
    expect(() => precisionRecallChart([true], [1, 2])).toThrow(RangeError);
  });
});
