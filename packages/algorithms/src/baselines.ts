import { type CallOptions, type Random, createRandom } from "@millwright/contracts";
import { type Interval, type IntervalMethod, type Statistic, intervalOf, leaveOneOut, resample } from "./bootstrap.ts";
import { baselineMissing, scoresUnfit } from "./errors.ts";
import { type Metric, type MetricTask, isGain, metricsOf, scoreOf } from "./metrics.ts";

/** A model's answers to the rows of the report. */
export interface NamedAnswers {
  readonly name: string;
  /** Numbers; probabilities of 1; or for `multiclass` a probability of each class, row by row. */
  readonly answers: ArrayLike<number>;
}

export interface BaselineOptions extends CallOptions {
  readonly task: MetricTask;
  /** Of rows that no model was fitted or chosen on: numbers, 0 and 1, or positions of classes. */
  readonly labels: ArrayLike<number>;
  /** Of the training rows: what the trivial baselines know. */
  readonly trainLabels: ArrayLike<number>;
  readonly model: NamedAnswers;
  /** A linear model of the same columns, as `fitLinear` fits it. */
  readonly linear: NamedAnswers;
  /** The model that is in production; `"none"` where nothing is yet. */
  readonly production: NamedAnswers | "none";
  /** For `multiclass`. */
  readonly classes?: number | undefined;
  /** Default: each row counts once. */
  readonly weights?: ArrayLike<number> | undefined;
  /** Default: `logLoss`, or `rmse` for `regression`. */
  readonly metric?: Metric | undefined;
  /** Of the intervals, between 0 and 1. Default: 0.95. */
  readonly confidence?: number | undefined;
  /** From 100 to 1,000,000. Default: 2000. */
  readonly resamples?: number | undefined;
  /** Default: `"bca"`. */
  readonly method?: IntervalMethod | undefined;
  /** For the resamples and the baseline that draws. Default: 0. */
  readonly seed?: number | undefined;
}

export interface BaselineComparison {
  readonly kind: "linear" | "production" | "trivial";
  readonly name: string;
  readonly score: number;
  /** By how much the model is better, in the metric's unit: above 0 is better, whichever way the metric goes. */
  readonly advantage: number;
  /** Of the advantage, over the rows that might have been drawn; both models see the same ones. */
  readonly interval: Interval;
  /** `better` and `worse` where the interval leaves 0 out; `open` where these rows cannot tell. */
  readonly verdict: "better" | "open" | "worse";
}

/** JSON-safe. */
export interface BaselineReport {
  readonly formatVersion: 1;
  readonly task: MetricTask;
  readonly metric: Metric;
  readonly rows: number;
  readonly confidence: number;
  readonly method: IntervalMethod;
  readonly resamples: number;
  readonly seed: number;
  readonly model: { readonly name: string; readonly score: number; readonly interval: Interval };
  /** Two trivial ones, the linear one, and the one in production where there is one. */
  readonly baselines: readonly [BaselineComparison, BaselineComparison, BaselineComparison, ...BaselineComparison[]];
  /** Whether there is a model in production that the model was compared with. */
  readonly hasProduction: boolean;
}

/**
 * Says what a model is worth beside what is cheaper: the training rows' frequencies or mean, answers drawn from the training labels, a linear model, and what is in
 * production. There is no report without them. Takes about a second for every 50,000 rows, yields to the event loop meanwhile, and heeds the signal there. Intervals are those of a paired bootstrap of the rows (Efron, 1987; Efron and Tibshirani, 1993). The same options give the same bits.
 * Throws `ALGORITHMS_BASELINE_MISSING`, `ALGORITHMS_SCORES_UNFIT` for answers that do not fit the labels; a RangeError for options.
 */
export async function baselineReport(options: BaselineOptions): Promise<BaselineReport> {
  const { signal } = options;
  signal?.throwIfAborted();
  const checked = check(options);
  const { task, metric, labels, weights, classes, confidence, resamples, method, seed } = checked;
  const random = createRandom(seed);
  const scored = ({ answers }: NamedAnswers): Statistic =>
    scoreOf(metric, labels, Float64Array.from(answers), weights, classes);
  const own = scored(options.model);
  const rivals = rivalsOf(options, checked, random).map((rival) => ({ ...rival, score: scored(rival) }));
  const isMore = isGain(metric);
  const advantages = rivals.map(
    ({ score }): Statistic =>
      (counts) =>
        isMore ? own(counts) - score(counts) : score(counts) - own(counts),
  );
  const rows = labels.length;
  const all = new Int32Array(rows).fill(1);
  const statistics = [own, ...advantages];
  const results = await resample(rows, resamples, random.fork("resamples"), statistics, signal);
  const [interval, ...ranges] = statistics.map((statistic, index) => {
    const left = method === "bca" ? leaveOneOut(rows, statistic) : new Float64Array();
    return intervalOf(results[index]!, statistic(all), left, confidence, method);
  });
  const baselines = rivals.map(({ kind, name, score }, index): BaselineComparison => {
    const range = ranges[index]!;
    const verdict = range.low > 0 ? "better" : range.high < 0 ? "worse" : "open";
    return { kind, name, score: score(all), advantage: advantages[index]!(all), interval: range, verdict };
  });
  return {
    formatVersion: 1,
    task,
    metric,
    rows,
    confidence,
    method,
    resamples,
    seed,
    model: { name: options.model.name, score: own(all), interval: interval! },
    baselines: baselines as unknown as BaselineReport["baselines"],
    hasProduction: options.production !== "none",
  };
}

/** Whom the model is compared with, the cheapest first. */
function rivalsOf(
  { linear, production }: BaselineOptions,
  checked: Checked,
  random: Random,
): readonly (NamedAnswers & Pick<BaselineComparison, "kind">)[] {
  const trivial = trivialAnswers(checked, random.fork("stratified"));
  return [
    ...trivial.map((each) => ({ ...each, kind: "trivial" as const })),
    { ...linear, kind: "linear" },
    ...(production === "none" ? [] : [{ ...production, kind: "production" as const }]),
  ];
}

interface Checked {
  readonly metric: Metric;
  readonly confidence: number;
  readonly resamples: number;
  readonly method: IntervalMethod;
  readonly seed: number;
  readonly task: MetricTask;
  readonly labels: Float64Array;
  readonly trainLabels: Float64Array;
  readonly weights: Float64Array;
  /** Numbers a row. */
  readonly classes: number;
}

function check(options: BaselineOptions): Checked {
  const { task, linear, production, classes = 2, metric = task === "regression" ? "rmse" : "logLoss" } = options;
  const { confidence = 0.95, resamples = 2000, method = "bca", seed = 0 } = options;
  if (linear == null) throw baselineMissing("linear");
  if (production == null) throw baselineMissing("production");
  if (typeof task !== "string" || !Object.hasOwn(metricsOf, task))
    throw new RangeError("The task must be binary, multiclass or regression.");
  if (!metricsOf[task].includes(metric))
    throw new RangeError(`The metric of ${task} must be one of ${metricsOf[task].join(", ")}.`);
  if (!(confidence > 0 && confidence < 1)) throw new RangeError("confidence must be between 0 and 1.");
  if (!(Number.isInteger(resamples) && resamples >= 100 && resamples <= 1_000_000))
    throw new RangeError("resamples must be a whole number from 100 to 1,000,000.");
  if (method !== "bca" && method !== "percentile") throw new RangeError("The method must be bca or percentile.");
  if (typeof seed !== "number" || !Number.isInteger(seed)) throw new RangeError("seed must be a whole number.");
  if (!(Number.isInteger(classes) && classes >= 2))
    throw new RangeError("classes must be a whole number of 2 or more.");
  const width = task === "multiclass" ? classes : 1;
  const labels = labelsOf("labels", options.labels, task, classes);
  const trainLabels = labelsOf("trainLabels", options.trainLabels, task, classes);
  const weights =
    options.weights === undefined ? new Float64Array(labels.length).fill(1) : Float64Array.from(options.weights);
  if (weights.length !== labels.length || !weights.every((weight) => weight > 0 && weight < Infinity))
    throw scoresUnfit("the weights are not one number above 0 a row", "Leave rows without weight out.");
  for (const each of [options.model, linear, ...(production === "none" ? [] : [production])])
    checkAnswers(each, labels.length * width, task);
  return { task, metric, labels, trainLabels, weights, classes: width, confidence, resamples, method, seed };
}

function labelsOf(name: string, given: ArrayLike<number>, task: MetricTask, classes: number): Float64Array {
  const labels = Float64Array.from(given);
  if (labels.length === 0) throw scoresUnfit(`${name} is empty`, "Give at least one row.");
  const most = task === "binary" ? 1 : classes - 1;
  const fits = (label: number): boolean =>
    task === "regression" ? Number.isFinite(label) : Number.isInteger(label) && label >= 0 && label <= most;
  const row = labels.findIndex((label) => !fits(label));
  if (row >= 0)
    throw scoresUnfit(
      `row ${row} of ${name} is ${labels[row]}`,
      task === "regression" ? "Give finite numbers." : `Give whole numbers from 0 to ${most}.`,
    );
  return labels;
}

function checkAnswers({ name, answers }: NamedAnswers, wanted: number, task: MetricTask): void {
  if (typeof name !== "string" || name === "") throw new TypeError("Each model needs a name.");
  const list = Float64Array.from(answers);
  const fits = (each: number): boolean =>
    task === "regression" ? Number.isFinite(each) : each >= 0 && each <= 1 + 1e-6;
  const bad = list.findIndex((each) => !fits(each));
  if (list.length !== wanted)
    throw scoresUnfit(
      `${name} has ${list.length} answers, and ${wanted} are wanted`,
      "Let it answer the report's rows.",
    );
  if (bad >= 0)
    throw scoresUnfit(
      `answer ${bad} of ${name} is ${list[bad]}`,
      task === "regression" ? "Give finite numbers." : "Give probabilities.",
    );
}

/** What is always answered: frequencies, whose most frequent class is the majority's, or the mean; and a training row's label, drawn for each row. */
function trivialAnswers(
  { task, labels, trainLabels, classes }: Checked,
  random: Random,
): readonly [NamedAnswers, NamedAnswers] {
  const count = trainLabels.length;
  const drawn = labels.map(() => trainLabels[random.integer(count)]!);
  if (task !== "multiclass") {
    const mean = trainLabels.reduce((sum, label) => sum + label, 0) / count;
    const name = task === "regression" ? "mean" : "majority (class frequencies)";
    return [
      { name, answers: new Float64Array(labels.length).fill(mean) },
      { name: "stratified draw", answers: drawn },
    ];
  }
  const frequencies = new Float64Array(classes);
  for (const label of trainLabels) frequencies[label]! += 1 / count;
  return [
    { name: "majority (class frequencies)", answers: repeated(frequencies, labels.length) },
    {
      name: "stratified draw",
      answers: Float64Array.from({ length: labels.length * classes }, (_, at) =>
        drawn[Math.floor(at / classes)] === at % classes ? 1 : 0,
      ),
    },
  ];
}

const repeated = (row: Float64Array, times: number): Float64Array =>
  Float64Array.from({ length: row.length * times }, (_, at) => row[at % row.length]!);

/** The report as lines of text, for a terminal, a log or a model card. Throws `ALGORITHMS_BASELINE_MISSING` for what has no baselines. */
export function baselineText(report: BaselineReport): string {
  const { model, baselines, metric, rows, confidence, method, hasProduction } = report;
  if (!Array.isArray(baselines) || baselines.length < 3) throw baselineMissing("trivial and linear");
  const shown = (value: number): string => value.toPrecision(4);
  const range = ({ low, high }: Interval): string => `${shown(low)} to ${shown(high)}`;
  const words = { better: "better", worse: "WORSE", open: "cannot be told apart" } as const;
  const lines = baselines.map(
    ({ kind, name, score, advantage, interval, verdict }) =>
      `  than ${kind} "${name}" (${shown(score)}): ${words[verdict]}, by ${shown(advantage)} (${range(interval)})`,
  );
  return [
    `${model.name}: ${metric} ${shown(model.score)} (${range(model.interval)}) on ${rows} rows`,
    ...lines,
    ...(hasProduction ? [] : ["  nothing is in production to compare with"]),
    `  ${confidence * 100}% intervals of a paired bootstrap (${method})`,
  ].join("\n");
}
