import type { Batch } from "@millwright/contracts";
import { compileTrees, type TreeModel } from "@millwright/model";
import { rowsInvalid } from "../errors.ts";
import { type Feature, fitFeatures, readFeatures } from "../features/feature-table.ts";
import { fitBoostedTrees } from "../learners/boosted-trees.ts";
import { checkedNumbers, type Numbers, recordOf } from "./confidence-based.ts";
import {
  blindSpots,
  checkOptions,
  chunkLimits,
  chunksOf,
  type EstimationOptions,
  metricEstimate,
  type MetricReference,
  type PerformanceEstimate,
  standardDeviation,
} from "./performance-estimate.ts";

export type RowLoss = "absolute" | "absoluteShare" | "squared" | "squaredLog";

/** Losses of a single row that a loss model foretells. */
const losses: Readonly<Record<RowLoss, (prediction: number, target: number) => number>> = {
  absolute: (prediction, target) => Math.abs(prediction - target),
  absoluteShare: (prediction, target) => Math.abs((prediction - target) / target),
  squared: (prediction, target) => (prediction - target) ** 2,
  squaredLog: (prediction, target) => (Math.log1p(prediction) - Math.log1p(target)) ** 2,
};

export type RegressionMetric = "mae" | "mape" | "mse" | "msle" | "rmse" | "rmsle";

/** Each metric is a mean of a row's loss, or the root of one. */
const regressionMetrics: Readonly<Record<RegressionMetric, { readonly loss: RowLoss; readonly rooted: boolean }>> = {
  mae: { loss: "absolute", rooted: false },
  mape: { loss: "absoluteShare", rooted: false },
  mse: { loss: "squared", rooted: false },
  msle: { loss: "squaredLog", rooted: false },
  rmse: { loss: "squared", rooted: true },
  rmsle: { loss: "squaredLog", rooted: true },
};

/** What a regression model was given and said. */
export interface PredictedRows {
  readonly rows: Batch;
  readonly predictions: Numbers;
}

/** Foretells the loss of each row. */
export type LossModel = (rows: Batch, predictions: Float64Array, loss: RowLoss) => Numbers;

export interface DirectLossOptions<Metric extends RegressionMetric = RegressionMetric> extends EstimationOptions {
  /** Default: all numbers, booleans and texts of the rows. */
  readonly columns?: readonly string[] | undefined;
  /** `msle` and `rmsle` take targets and predictions above −1, `mape` targets other than 0. Default: `mae`, `mse` and `rmse`. */
  readonly metrics?: readonly Metric[] | undefined;
  /** `trees`: boosted trees of our own. `caller`: `estimateDirectLoss` is given a loss model. Default: `trees`. */
  readonly lossModel?: "trees" | "caller" | undefined;
}

/** What is known of a regression model from a reference with targets. JSON-safe. */
export interface DirectLossEstimator<Metric extends RegressionMetric = RegressionMetric> {
  readonly formatVersion: 1;
  readonly kind: "direct-loss";
  readonly features: readonly Feature[];
  readonly deviations: number;
  readonly models: Readonly<Partial<Record<RowLoss, TreeModel>>>;
  readonly metrics: Readonly<Record<Metric, MetricReference>>;
}

export const directLossAssumes: readonly string[] = [
  "How wrong the model is for given inputs is as it was in the reference.",
  "The reference's targets are right, and its rows are not those that the model was trained on.",
  "Rows are independent of each other.",
];

const bounds = { least: 0, most: Infinity };
const trees = { loss: "squared", trees: 100, depth: 4, learningRate: 0.1, leafRows: 20 } as const;

const meanOf = (values: Float64Array): number => values.reduce((sum, each) => sum + each, 0) / values.length;
const metricOf = (metric: RegressionMetric, losses: Float64Array): number => {
  const mean = meanOf(losses);
  return regressionMetrics[metric].rooted ? Math.sqrt(mean) : mean;
};

function columnsOf(rows: Batch, features: readonly Feature[], predictions: Float64Array): Float64Array[] {
  return [...readFeatures(rows, features), predictions];
}

/** The name of the model's answer among the features of a loss model. */
const answer = "prediction of the model";

/**
 * Learns from rows with targets how wrong a regression model is for which inputs, to estimate its quality on rows without: direct loss estimation as NannyML does it, with boosted
 * trees of our own in place of LightGBM's. Sampling errors are NannyML's. Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range.
 */
export function fitDirectLoss<Metric extends RegressionMetric = "mae" | "mse" | "rmse">(
  reference: PredictedRows & { readonly targets: Numbers },
  options: DirectLossOptions<Metric> = {},
): DirectLossEstimator<Metric> {
  checkOptions(options);
  const { deviations = 3, lossModel = "trees", columns } = options;
  const metrics = options.metrics ?? (["mae", "mse", "rmse"] as unknown as readonly Metric[]);
  const unknown = metrics.find((metric) => !Object.hasOwn(regressionMetrics, metric));
  if (unknown !== undefined || metrics.length === 0)
    throw new RangeError(
      `The metrics must be some of ${Object.keys(regressionMetrics).join(", ")}, not ${String(unknown)}.`,
    );
  const count = reference.rows.length;
  const predictions = checkedNumbers("predictions", reference.predictions, count, Number.isFinite);
  const targets = checkedNumbers("targets", reference.targets, count, Number.isFinite);
  if (count < 2) throw rowsInvalid(`there are ${count}, and two are the least`);
  const features = fitFeatures(reference.rows, columns);
  const { chunkRows = Math.max(2, Math.ceil(count / 10)) } = options;
  const needed = [...new Set(metrics.map((metric) => regressionMetrics[metric].loss))];
  const rowLosses = recordOf(needed, (loss) => lossesOf(loss, predictions, targets));
  const read = columnsOf(reference.rows, features, predictions);
  const all: Feature[] = [...features, { name: answer, kind: "number" }];
  return {
    formatVersion: 1,
    kind: "direct-loss",
    features,
    deviations,
    models:
      lossModel === "caller" ? {} : recordOf(needed, (loss) => fitBoostedTrees(all, read, rowLosses[loss], trees)),
    metrics: recordOf(metrics, (metric) => {
      const values = rowLosses[regressionMetrics[metric].loss];
      const chunks = chunksOf(count, chunkRows).map(([start, end]) => metricOf(metric, values.subarray(start, end)));
      const spread = standardDeviation(values);
      const realized = metricOf(metric, values);
      // The error of a root by the slope of the root.
      const deviation = regressionMetrics[metric].rooted ? spread / (2 * realized || 1) : spread;
      return { realized, limits: chunkLimits(chunks, bounds, deviations), deviation, share: 1 };
    }),
  };
}

function lossesOf(loss: RowLoss, predictions: Float64Array, targets: Float64Array): Float64Array {
  const values = predictions.map((prediction, row) => losses[loss](prediction, targets[row]!));
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw rowsInvalid(
      `the loss ${loss} of row ${bad} is ${values[bad]}, for the target ${targets[bad]} and the prediction ${predictions[bad]}`,
    );
  return values;
}

/**
 * What a regression model's metrics are expected to be on rows whose targets are not known, with intervals for what they will turn out to be. Throws `MONITOR_ROWS_INVALID`.
 * @param lossModel In place of the trees; needed where the estimator was fitted with `lossModel: "caller"`.
 */
export function estimateDirectLoss<Metric extends RegressionMetric>(
  estimator: DirectLossEstimator<Metric>,
  { rows, predictions: given }: PredictedRows,
  lossModel?: LossModel,
): PerformanceEstimate<Metric> {
  const count = rows.length;
  if (count === 0) throw rowsInvalid("there is none");
  const { features, models, deviations } = estimator;
  const predictions = checkedNumbers("predictions", given, count, Number.isFinite);
  const metrics = Object.keys(estimator.metrics) as Metric[];
  const needed = [...new Set(metrics.map((metric) => regressionMetrics[metric].loss))];
  const foretold = recordOf(needed, (loss) => {
    if (lossModel !== undefined)
      return checkedNumbers(`losses ${loss}`, lossModel(rows, predictions, loss), count, Number.isFinite);
    const model = models[loss];
    if (model === undefined) throw rowsInvalid(`no loss model is there for the loss ${loss}`);
    const answers = new Float64Array(count);
    compileTrees(model).predict(columnsOf(rows, features, predictions), answers);
    // A loss is never below 0, which sums of trees may be.
    return answers.map((value) => Math.max(0, value));
  });
  return {
    rows: count,
    metrics: recordOf(metrics, (metric) => {
      const value = metricOf(metric, foretold[regressionMetrics[metric].loss]);
      return metricEstimate(value, count, estimator.metrics[metric], bounds, deviations);
    }),
    assumes: directLossAssumes,
    blindTo: blindSpots,
  };
}
