import type { CallOptions, Dataset, JsonValue } from "@millwright/contracts";
import { type LinearModel, compileLinear } from "@millwright/model";
import { columnUnfit, labelUnfit } from "./errors.ts";
import { type LinearProblem, type LogLink, tweedieLink } from "./linear-loss.ts";
import { minimize } from "./linear-newton.ts";
import { type Table, readTable } from "./table.ts";

export interface LinearOptions extends CallOptions {
  /** The column to predict, without missing values: numbers for `regression`, 0 and 1 or booleans for `binary`, texts or integers for `multiclass`. */
  readonly label: string;
  /** Half the squared error; log loss of the logistic function; log loss of the softmax. */
  readonly task: "binary" | "multiclass" | "regression";
  /**
   * For `regression`. `squared`: half the squared error. The others predict e to the sum, by half their deviance: `poisson` for counts, `gamma` for amounts above 0,
   * `tweedie` for amounts of which many are 0. Default: `"squared"`.
   */
  readonly loss?: "gamma" | "poisson" | "squared" | "tweedie" | undefined;
  /** For `tweedie`: the variance is as the mean to this power, from 1.01 to 1.99. Default: 1.5. */
  readonly tweediePower?: number | undefined;
  /** Columns of numbers, without missing values. Default: all but label and weight. */
  readonly features?: readonly string[] | undefined;
  /** A column of weights, 0 or more. Default: each row counts once. */
  readonly weight?: string | undefined;
  /** How much the sum of the coefficients' absolute values counts beside the sum of the losses, 0 or more. Default: 0. */
  readonly l1?: number | undefined;
  /** How much half the sum of the coefficients' squares counts beside the sum of the losses, 0 or more. Default: 0. */
  readonly l2?: number | undefined;
  /** From 1 to 10,000. Default: 100. */
  readonly maxIterations?: number | undefined;
}

export interface FittedLinear {
  readonly algorithm: "linear";
  /** What `writeLinearModel` and `compileLinear` of `@millwright/model` take. JSON-safe. */
  readonly model: LinearModel;
  /** What the model answers to the training rows, one number an output, row by row. */
  readonly predictions: Float64Array;
  /** `trainRmse`, `trainLogLoss`, or of a loss with a logarithm `trainHalfDeviance` but for what only labels change, by weight; `iterations`. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly hyperparameters: Readonly<Record<string, JsonValue>>;
  readonly seed?: undefined;
}

/**
 * Fits least squares, ridge, lasso, elastic net, a Poisson, gamma or Tweedie regression, or a logistic or multinomial regression with L1, L2 or both, to the minimum of
 * Σ weight · loss + l1 · Σ |b| + l2 / 2 · Σ b²; intercepts are not penalized, and of several classes they sum to 0. In scikit-learn's terms: `l2` is Ridge's alpha; for Lasso and ElasticNet
 * `l1` is alpha · l1_ratio · Σ weight and `l2` is alpha · (1 − l1_ratio) · Σ weight; for LogisticRegression they share 1 / C; for PoissonRegressor, GammaRegressor
 * and TweedieRegressor `l2` is alpha · Σ weight.
 * Memory grows with the square of columns times classes. Yields to the event loop, and heeds the signal there.
 * Throws `ALGORITHMS_COLUMN_UNFIT`, `ALGORITHMS_LABEL_UNFIT`, `ALGORITHMS_ROWS_UNFIT`, `ALGORITHMS_WEIGHT_UNFIT`, `DATA_COLUMN_MISSING`, and
 * `ALGORITHMS_NOT_CONVERGED` where there is no single minimum, as with columns that depend on each other or classes that a plane parts; a RangeError or TypeError for options.
 */
export async function fitLinear(dataset: Dataset, options: LinearOptions): Promise<FittedLinear> {
  assertLinearOptions(options);
  const { task, label, l1 = 0, l2 = 0, maxIterations = 100, signal } = options;
  signal?.throwIfAborted();
  const table = await readTable(dataset, "training", options);
  const outputs = task === "multiclass" ? table.classes.length : 1;
  const seen = new Set(table.labels.filter((_, row) => table.weights?.[row] !== 0));
  if (task !== "regression" && (seen.size < 2 || (task === "multiclass" && seen.size < outputs)))
    throw labelUnfit(
      label,
      "there are fewer than two classes, or one without a row that counts",
      "Give rows of each class.",
    );
  const link = linkOf(table, options);
  const columns = table.features.map((feature) => standardized(feature, table.weights));
  const scale = columns.map(({ deviation }) => deviation);
  const penalties = (of: (deviation: number) => number): Float64Array =>
    Float64Array.from({ length: outputs * (scale.length + 1) }, (_, index) => {
      const deviation = scale[index % (scale.length + 1)];
      return deviation === undefined ? 0 : of(deviation);
    });
  const problem: LinearProblem = {
    rows: table.rows,
    columns: columns.map(({ values }) => values),
    labels: table.labels,
    weights: table.weights,
    outputs,
    kind: link ?? ({ regression: "squared", binary: "logistic", multiclass: "softmax" } as const)[task],
    start: startOf(table, outputs * (scale.length + 1), link !== undefined),
    l1: penalties((deviation) => l1 / deviation),
    l2: penalties((deviation) => l2 / deviation ** 2),
  };
  const { parameters, iterations } = await minimize(problem, { maxIterations, signal });
  return fitted(modelOf(table, columns, parameters, task, link !== undefined), table, iterations, options, link);
}

const powers = { poisson: 1, gamma: 2 } as const;

/** The loss with a logarithm that was chosen; undefined for the others. Throws `ALGORITHMS_LABEL_UNFIT` for labels that it does not take. */
function linkOf(
  { labels, weights }: Table,
  { label, loss = "squared", tweediePower = 1.5 }: LinearOptions,
): LogLink | undefined {
  if (loss === "squared") return undefined;
  const least = loss === "gamma" ? "above 0" : "0 or more";
  const row = labels.findIndex((value) => !(loss === "gamma" ? value > 0 : value >= 0));
  if (row >= 0) throw labelUnfit(label, `row ${row} has ${labels[row]}`, `The loss ${loss} takes amounts ${least}.`);
  if (labels.every((value, at) => value === 0 || weights?.[at] === 0))
    throw labelUnfit(label, "all rows that count are 0", "Give rows with amounts.");
  return tweedieLink(loss === "tweedie" ? tweediePower : powers[loss]);
}

/** 0, and where the answer is e to the sum the intercept of the mean. */
function startOf({ labels, weights }: Table, size: number, isLog: boolean): Float64Array {
  const start = new Float64Array(size);
  if (!isLog) return start;
  let [sum, total] = [0, 0];
  for (const [row, label] of labels.entries()) {
    sum += (weights?.[row] ?? 1) * label;
    total += weights?.[row] ?? 1;
  }
  start[size - 1] = Math.log(sum / total);
  return start;
}

function assertLinearOptions(options: LinearOptions): void {
  const { label, task, loss, tweediePower = 1.5, l1 = 0, l2 = 0, maxIterations = 100 } = options;
  if (typeof label !== "string") throw new TypeError("The label must be the name of a column.");
  if (task !== "binary" && task !== "multiclass" && task !== "regression")
    throw new RangeError(`The task must be binary, multiclass or regression, not ${JSON.stringify(task)}.`);
  if (loss !== undefined && !["squared", "poisson", "gamma", "tweedie"].includes(loss))
    throw new RangeError("The loss must be squared, poisson, gamma or tweedie.");
  if (loss !== undefined && task !== "regression") throw new RangeError("A loss is chosen for regression alone.");
  for (const [name, value, least, most] of [
    ["tweediePower", tweediePower, 1.01, 1.99],
    ["l1", l1, 0, 1e15],
    ["l2", l2, 0, 1e15],
    ["maxIterations", maxIterations, 1, 10_000],
  ] as const) {
    if (typeof value !== "number") throw new TypeError(`${name} must be a number.`);
    if (!(value >= least && value <= most))
      throw new RangeError(`${name} must be from ${least} to ${most}, not ${value}.`);
  }
}

interface StandardColumn {
  readonly values: Float64Array;
  readonly mean: number;
  /** 1 for a column that does not vary, whose values are 0 then. */
  readonly deviation: number;
}

function standardized(feature: Table["features"][number], weights: Float64Array | undefined): StandardColumn {
  const { name } = feature;
  if (feature.kind === "category")
    throw columnUnfit(name, "it holds texts", "Encode it first, for instance by fitTransforms of @millwright/data.");
  const row = feature.values.findIndex((value) => !Number.isFinite(value));
  if (row >= 0) throw columnUnfit(name, `row ${row} has ${feature.values[row]}`, "Impute it, or filter the row out.");
  let total = 0;
  let mean = 0;
  const weightOf = (at: number): number => (weights === undefined ? 1 : weights[at]!);
  feature.values.forEach((value, at) => {
    total += weightOf(at);
    mean += weightOf(at) * value;
  });
  mean /= total;
  const variance = feature.values.reduce((sum, value, at) => sum + weightOf(at) * (value - mean) ** 2, 0) / total;
  const varies = Math.sqrt(variance) > 1e-12 * Math.abs(mean) && variance > 0;
  const deviation = varies ? Math.sqrt(variance) : 1;
  return { values: feature.values.map((value) => (varies ? (value - mean) / deviation : 0)), mean, deviation };
}

/** Takes the standardization into the coefficients. */
function modelOf(
  table: Table,
  columns: readonly StandardColumn[],
  parameters: Float64Array,
  task: LinearOptions["task"],
  isLog: boolean,
): LinearModel {
  const width = columns.length + 1;
  const rows = Array.from({ length: parameters.length / width }, (_, output) =>
    parameters.subarray(output * width, (output + 1) * width),
  );
  const coefficients = rows.map((row) => columns.map(({ deviation }, index) => row[index]! / deviation));
  const intercepts = rows.map((row, output) =>
    columns.reduce((sum, { mean }, index) => sum - coefficients[output]![index]! * mean, row[columns.length]!),
  );
  // What is the same for all classes says nothing.
  const common = task === "multiclass" ? intercepts.reduce((sum, value) => sum + value, 0) / intercepts.length : 0;
  return {
    formatVersion: isLog ? 2 : 1,
    features: table.features.map(({ name }) => name),
    coefficients,
    intercepts: intercepts.map((value) => value - common),
    link: isLog
      ? "exponential"
      : ({ regression: "identity", binary: "logistic", multiclass: "softmax" } as const)[task],
    ...(task === "multiclass" ? { classes: table.classes } : {}),
  };
}

function fitted(
  model: LinearModel,
  table: Table,
  iterations: number,
  options: LinearOptions,
  link: LogLink | undefined,
): FittedLinear {
  const { label, task, loss = "squared", l1 = 0, l2 = 0, weight, maxIterations = 100 } = options;
  const outputs = model.intercepts.length;
  const predictions = new Float64Array(table.rows * outputs);
  const columns = table.features.map((feature) => (feature.kind === "number" ? feature.values : new Float64Array()));
  compileLinear(model).predict(columns, predictions);
  let total = 0;
  let sum = 0;
  for (const [row, wanted] of table.labels.entries()) {
    const counts = table.weights?.[row] ?? 1;
    const answer = predictions[row * outputs + (task === "multiclass" ? wanted : 0)]!;
    const each =
      link !== undefined
        ? link.loss(wanted, answer)
        : task === "regression"
          ? (answer - wanted) ** 2
          : -Math.log(task === "binary" && wanted === 0 ? 1 - answer : answer);
    total += counts;
    sum += counts === 0 ? 0 : counts * each;
  }
  const mean = sum / total;
  return {
    algorithm: "linear",
    model,
    predictions,
    metrics: { ...metricOf(mean, task, link !== undefined), iterations },
    hyperparameters: {
      label,
      task,
      l1,
      l2,
      maxIterations,
      features: model.features,
      ...(weight === undefined ? {} : { weight }),
      ...(loss === "squared" ? {} : { loss }),
      ...(loss === "tweedie" ? { tweediePower: options.tweediePower ?? 1.5 } : {}),
    },
  };
}

function metricOf(mean: number, task: LinearOptions["task"], isLog: boolean): Readonly<Record<string, number>> {
  if (isLog) return { trainHalfDeviance: mean };
  return task === "regression" ? { trainRmse: Math.sqrt(mean) } : { trainLogLoss: mean };
}
