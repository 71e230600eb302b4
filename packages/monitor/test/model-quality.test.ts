import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import {
  type MetricValue,
  scoreBinary,
  scoreClasses,
  scoreForecast,
  scoreRanking,
  scoreRegression,
} from "@millwright/monitor/quality";
import { expect, test } from "vitest";

type Metrics = Readonly<Record<string, number>>;
interface Golden {
  readonly binary: readonly {
    readonly truth: readonly number[];
    readonly scores: readonly number[];
    readonly weights: readonly number[] | null;
    readonly metrics: Metrics;
    readonly delongVariance: number;
  }[];
  readonly classes: readonly {
    readonly truth: readonly number[];
    readonly answers: readonly number[];
    readonly probabilities: readonly number[];
    readonly classes: number;
    readonly weights: readonly number[] | null;
    readonly metrics: Metrics;
  }[];
  readonly regression: readonly {
    readonly truth: readonly number[];
    readonly answers: readonly number[];
    readonly weights: readonly number[] | null;
    readonly metrics: Metrics;
  }[];
  readonly ranking: readonly {
    readonly queries: readonly string[];
    readonly relevance: readonly number[];
    readonly scores: readonly number[];
    readonly metrics: Metrics;
  }[];
  readonly forecast: readonly {
    readonly history: readonly number[];
    readonly truth: readonly number[];
    readonly forecast: readonly number[];
    readonly season: number;
    readonly low: readonly number[];
    readonly high: readonly number[];
    readonly level: number;
    readonly levels: readonly number[];
    readonly values: readonly number[];
    readonly pinballs: readonly number[];
    readonly metrics: Metrics;
  }[];
}

const golden = JSON.parse(readFileSync(new URL("golden/model-quality.json", import.meta.url), "utf8")) as Golden;

function expectEqual(found: Readonly<Record<string, MetricValue>>, wanted: Metrics): void {
  for (const [name, value] of Object.entries(wanted)) {
    const metric = found[name];
    expect(Math.abs((metric?.value ?? Number.NaN) - value), name).toBeLessThanOrEqual(1e-9);
    if (metric?.interval === "none") continue;
    expect(metric?.low, name).toBeLessThanOrEqual(value + 1e-12);
    expect(metric?.high, name).toBeGreaterThanOrEqual(value - 1e-12);
  }
}

const quick = { resamples: 0 };
const logit = (share: number): number => Math.log(share / (1 - share));

test("MO-18: binary, multi-class, regression, ranking and forecasting metrics are scikit-learn's within 1e-9, weighted or not", () => {
  for (const { truth, scores, weights, metrics, delongVariance } of golden.binary) {
    const found = scoreBinary(truth, scores, { ...quick, weights: weights ?? undefined });
    expectEqual(found.metrics, metrics);
    if (weights !== null) continue;
    const { value, low, high, interval } = found.metrics.auc;
    expect(interval).toBe("delong");
    // Back from the scale of log-odds: the half width is 1.96 standard errors over auc(1 − auc).
    const error = ((logit(high) - logit(low)) / (2 * 1.959963984540054)) * value * (1 - value);
    expect(Math.abs(error ** 2 - delongVariance)).toBeLessThanOrEqual(1e-12);
  }
  for (const { truth, answers, probabilities, classes, weights, metrics } of golden.classes) {
    const names = Array.from({ length: classes }, (_, index) => index);
    const options = { ...quick, classes: names, probabilities, top: 2, weights: weights ?? undefined };
    expectEqual(scoreClasses(truth, answers, options).metrics, metrics);
  }
  for (const { truth, answers, weights, metrics } of golden.regression)
    expectEqual(scoreRegression(truth, answers, { ...quick, weights: weights ?? undefined }).metrics, metrics);
  for (const { queries, relevance, scores, metrics } of golden.ranking)
    expectEqual(scoreRanking(queries, relevance, scores, { ...quick, places: 5 }).metrics, metrics);
  for (const {
    truth,
    forecast,
    history,
    season,
    low,
    high,
    level,
    levels,
    values,
    pinballs,
    metrics,
  } of golden.forecast) {
    const options = { ...quick, history, season, interval: { low, high, level }, quantiles: { levels, values } };
    const found = scoreForecast(truth, forecast, options);
    expectEqual(found.metrics, metrics);
    for (const [at, each] of pinballs.entries()) expect(found.pinballs[at]).toBeCloseTo(each, 10);
  }
});

/** The smallest count with more than `tail` of the probability at or below it, of a binomial variable. */
function binomialQuantile(trials: number, share: number, tail: number): number {
  let logTerm = trials * Math.log1p(-share);
  let sum = Math.exp(logTerm);
  let count = 0;
  for (; sum <= tail && count < trials; count += 1) {
    logTerm += Math.log((trials - count) / (count + 1)) + logit(share);
    sum += Math.exp(logTerm);
  }
  return count;
}

test("MO-18: 95 % intervals of Wilson, DeLong and the bootstrap hold the true value as often as they say, within exact binomial bounds", () => {
  const random = createRandom(18);
  const runs = 400;
  const hits = new Map<string, number>();
  const count = (metrics: Readonly<Record<string, MetricValue>>, truth: Metrics): void => {
    for (const [name, value] of Object.entries(truth)) {
      const { low, high } = metrics[name] as MetricValue;
      if (low <= value && value <= high) hits.set(name, (hits.get(name) ?? 0) + 1);
    }
  };
  // Uniform calibrated probabilities: every metric is an integral.
  const ofBinary = {
    accuracy: 3 / 4,
    precision: 3 / 4,
    recall: 3 / 4,
    specificity: 3 / 4,
    f1: 3 / 4,
    auc: 5 / 6,
    logLoss: 1 / 2,
    brier: 1 / 6,
    mcc: 1 / 2,
  };
  const ofNumbers = {
    meanAbsoluteError: Math.sqrt(2 / Math.PI),
    meanSquaredError: 1,
    medianAbsoluteError: 0.6744897501960817,
    r2: 1 / 2,
  };
  for (let run = 0; run < runs; run += 1) {
    const scores = Array.from({ length: 150 }, () => random.next());
    const truth = scores.map((score) => random.next() < score);
    count(scoreBinary(truth, scores, { resamples: 200, random: random.fork(run) }).metrics, ofBinary);
    const answers = Array.from({ length: 150 }, () => random.normal());
    const numbers = answers.map((each) => each + random.normal());
    count(scoreRegression(numbers, answers, { resamples: 200, random: random.fork(run) }).metrics, ofNumbers);
  }
  // Intervals of 150 rows are approximate: their true coverage lies in [0.925, 0.975].
  const least = binomialQuantile(runs, 0.925, 1e-3);
  const most = runs - binomialQuantile(runs, 1 - 0.975, 1e-3);
  for (const name of [...Object.keys(ofBinary), ...Object.keys(ofNumbers)]) {
    expect(hits.get(name), name).toBeGreaterThanOrEqual(least);
    expect(hits.get(name), name).toBeLessThanOrEqual(most);
  }
});

test("what rows do not define is NaN, and what is no number is left out and counted", () => {
  const { metrics, rows, invalid } = scoreBinary(
    [1, 1, 0, 2, 1],
    [0.9, 0.2, Number.NaN, 0.5, Number.POSITIVE_INFINITY],
  );
  expect([rows, invalid]).toEqual([2, 3]);
  expect(metrics.auc).toEqual({ value: Number.NaN, low: Number.NaN, high: Number.NaN, interval: "none" });
  expect(metrics.recall).toMatchObject({ value: 0.5, interval: "wilson" });
  expect(metrics.specificity.value).toBeNaN();
  expect(scoreRegression([], []).metrics.meanAbsoluteError.value).toBeNaN();
  expect(scoreClasses([], []).metrics.accuracy.value).toBeNaN();
  // Perfect order does not mean certainty.
  const perfect = scoreBinary([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9]).metrics.auc;
  expect(perfect).toMatchObject({ value: 1, high: 1, interval: "delong" });
  expect(perfect.low).toBeLessThan(0.5);
  expect(() => scoreBinary([1], [1, 2])).toThrow('"truth" has 1 rows, "scores" 2');
});
