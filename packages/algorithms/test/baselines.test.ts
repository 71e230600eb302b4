import { readFile } from "node:fs/promises";
import { createRandom, hasCode } from "@millwright/contracts";
import { expect, test } from "vitest";
import { intervalOf, leaveOneOut, normalDistribution, normalQuantile, resample } from "../src/bootstrap.ts";
import { type BaselineOptions, baselineReport, baselineText } from "../src/index.ts";

// Written by fixtures/make-calibration.py with scipy.
const { bootstrap, normal } = JSON.parse(
  await readFile(new URL("./fixtures/calibration.json", import.meta.url), "utf8"),
) as {
  readonly bootstrap: {
    readonly values: readonly number[];
    readonly results: readonly number[];
    readonly interval: Readonly<Record<"bca" | "percentile", readonly [number, number]>>;
    readonly many: readonly [number, number];
  };
  readonly normal: { readonly points: readonly number[]; readonly quantiles: readonly number[] };
};
const { values } = bootstrap;
const meanOf = (counts: ArrayLike<number>): number => {
  let [sum, total] = [0, 0];
  for (const [row, value] of values.entries()) {
    sum += counts[row]! * value;
    total += counts[row]!;
  }
  return sum / total;
};
const once = new Int32Array(values.length).fill(1);

test("AM-12: the normal distribution and its inverse are scipy's", () => {
  for (const [index, point] of normal.points.entries()) {
    expect(normalQuantile(point)).toBeCloseTo(normal.quantiles[index]!, 9);
    expect(normalDistribution(normal.quantiles[index]!)).toBeCloseTo(point, 13);
  }
});

test.each(["bca", "percentile"] as const)("AM-12: an interval of given resamples is scipy's to 1e-10: %s", (method) => {
  const results = Float64Array.from(bootstrap.results);
  const left = leaveOneOut(values.length, meanOf);
  const { low, high } = intervalOf(results, meanOf(once), left, 0.9, method);
  expect(Math.abs(low - bootstrap.interval[method][0])).toBeLessThan(1e-10);
  expect(Math.abs(high - bootstrap.interval[method][1])).toBeLessThan(1e-10);
});

test("AM-12: an interval of our own resamples is scipy's within what chance leaves", async () => {
  const [results] = await resample(values.length, 40_000, createRandom(5), [meanOf], undefined);
  const { low, high } = intervalOf(results!, meanOf(once), leaveOneOut(values.length, meanOf), 0.95, "bca");
  // A quantile of 40,000 draws has a deviation of about a hundredth of that of the mean.
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - meanOf(once)) ** 2, 0)) / values.length;
  expect(Math.abs(low - bootstrap.many[0])).toBeLessThan(deviation * 0.06);
  expect(Math.abs(high - bootstrap.many[1])).toBeLessThan(deviation * 0.06);
});

const random = createRandom(17);
const truth = Float64Array.from({ length: 500 }, () => random.normal());
const labels = truth.map((value) => (random.next() < 1 / (1 + Math.exp(-2 * value)) ? 1 : 0));
const sure = (by: number): Float64Array => truth.map((value) => 1 / (1 + Math.exp(-by * value)));
const options: BaselineOptions = {
  task: "binary",
  labels,
  trainLabels: labels.slice(0, 200),
  model: { name: "trees", answers: sure(2) },
  linear: { name: "logistic", answers: sure(0.7) },
  production: { name: "late@3", answers: sure(2) },
};

test("AM-12: a report shows trivial, linear and production baselines with intervals of the difference, the same each time", async () => {
  const report = await baselineReport(options);
  expect(report.baselines.map(({ kind, verdict }) => [kind, verdict])).toEqual([
    ["trivial", "better"],
    ["trivial", "better"],
    ["linear", "better"],
    ["production", "open"],
  ]);
  for (const { score, advantage, interval } of report.baselines) {
    expect(advantage).toBeCloseTo(score - report.model.score, 12);
    expect(interval.low).toBeLessThanOrEqual(advantage);
    expect(interval.high).toBeGreaterThanOrEqual(advantage);
  }
  // The pair has the same rows: against itself there is nothing left to chance.
  expect(report.baselines[3]).toMatchObject({ advantage: 0, interval: { low: 0, high: 0 } });
  expect(await baselineReport(options)).toEqual(report);
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  expect(await baselineReport({ ...options, seed: 1 })).not.toEqual(report);
  const text = baselineText(report);
  for (const name of ["trees", "majority", "stratified", "logistic", "late@3"]) expect(text).toContain(name);
  // By hand: the log loss of the training rows' share.
  const share = labels.slice(0, 200).reduce((sum, label) => sum + label, 0) / 200;
  const constant = labels.reduce((sum, label) => sum - Math.log(label === 1 ? share : 1 - share), 0) / labels.length;
  expect(report.baselines[0].score).toBeCloseTo(constant, 12);
});

test("AM-12: 95% intervals of the difference hold the true difference in 95% of samples", async () => {
  const sample = createRandom(3);
  let held = 0;
  const times = 120;
  for (let time = 0; time < times; time += 1) {
    const wanted = Float64Array.from({ length: 80 }, () => sample.normal());
    // Mean absolute errors of |0.5 N| and |N|, whose means are known.
    const answers = (deviation: number) => wanted.map((value) => value + deviation * sample.normal());
    const report = await baselineReport({
      task: "regression",
      metric: "meanAbsoluteError",
      labels: wanted,
      trainLabels: wanted,
      model: { name: "a", answers: answers(0.5) },
      linear: { name: "b", answers: answers(1) },
      production: "none",
      resamples: 400,
      seed: time,
    });
    const { low, high } = report.baselines[2].interval;
    const difference = 0.5 * Math.sqrt(2 / Math.PI);
    if (low <= difference && difference <= high) held += 1;
  }
  // 95% of 120, and three deviations of that below.
  expect(held).toBeGreaterThanOrEqual(107);
});

test("AM-12: there is no report without a baseline: not by types, not at run time, not as text", async () => {
  const { linear: _, ...noLinear } = options;
  const { production: __, ...noProduction } = options;
  // @ts-expect-error A linear baseline is wanted.
  const one: unknown = await baselineReport(noLinear).catch((error: unknown) => error);
  expect(hasCode(one, "ALGORITHMS_BASELINE_MISSING")).toBe(true);
  // @ts-expect-error The model in production is wanted, or the word that there is none.
  const other: unknown = await baselineReport(noProduction).catch((error: unknown) => error);
  expect(hasCode(other, "ALGORITHMS_BASELINE_MISSING")).toBe(true);
  const report = await baselineReport({ ...options, production: "none", resamples: 100 });
  expect(report.hasProduction).toBe(false);
  expect(baselineText(report)).toContain("nothing is in production");
  // @ts-expect-error At least three.
  expect(() => baselineText({ ...report, baselines: [] })).toThrow(
    expect.objectContaining({ code: "ALGORITHMS_BASELINE_MISSING" }) as Error,
  );
});

test("several classes, numbers and areas under the curve are compared too", async () => {
  const kinds = Int32Array.from(truth, (value) => (value > 0.5 ? 2 : value > -0.5 ? 1 : 0));
  const right = Float64Array.from({ length: 1500 }, (_, at) => (kinds[Math.floor(at / 3)] === at % 3 ? 0.8 : 0.1));
  const flat = new Float64Array(1500).fill(1 / 3);
  const several = await baselineReport({
    task: "multiclass",
    classes: 3,
    metric: "accuracy",
    labels: kinds,
    trainLabels: kinds,
    model: { name: "good", answers: right },
    linear: { name: "flat", answers: flat },
    production: "none",
    method: "percentile",
    resamples: 200,
  });
  expect(several.model.score).toBe(1);
  expect(several.baselines.map(({ verdict }) => verdict)).toEqual(["better", "better", "better"]);
  const area = await baselineReport({ ...options, metric: "areaUnder", resamples: 100 });
  // The order of the rows is the same, and so is the area.
  expect(area.baselines[2]).toMatchObject({ advantage: 0, verdict: "open" });
  expect(area.baselines[0].score).toBe(0.5);
});

test("answers that do not fit, and the signal, end it", async () => {
  const short: unknown = await baselineReport({ ...options, model: { name: "x", answers: [0.5] } }).catch(
    (error: unknown) => error,
  );
  expect(hasCode(short, "ALGORITHMS_SCORES_UNFIT")).toBe(true);
  await expect(baselineReport({ ...options, resamples: 5 })).rejects.toThrow(RangeError);
  await expect(baselineReport({ ...options, metric: "rmse" })).rejects.toThrow(RangeError);
  const controller = new AbortController();
  const running = baselineReport({ ...options, resamples: 1_000_000, signal: controller.signal });
  setTimeout(() => controller.abort(new Error("enough")), 5);
  await expect(running).rejects.toThrow("enough");
});
