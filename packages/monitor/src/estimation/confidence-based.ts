import { createRandom, type Random } from "@millwright/contracts";
import type { CalibrationMap } from "@millwright/model";
import { rowsInvalid } from "../errors.ts";
import {
  binaryErrors,
  type BinaryMetric,
  binaryMetrics,
  binaryMetricsOf,
  type BinaryRows,
  boundsOf,
} from "./binary-metrics.ts";
import { calibrated, fitIsotonic, needsCalibration } from "./calibration.ts";
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
import { risingOrder } from "./roc-auc.ts";

/** One number a row. */
export type Numbers = ArrayLike<number>;

/** What a classifier of two classes said, and what came true. */
export interface LabelledScores {
  /** In [0, 1]. */
  readonly scores: Numbers;
  /** 0 or 1. */
  readonly labels: Numbers;
  /** 0 or 1. Default: whether the score is at least `threshold`. */
  readonly predictions?: Numbers | undefined;
}

export interface CalibrationOptions extends EstimationOptions {
  /** `auto`: only where that brings held-out scores nearer to what came true. Default: `auto`. */
  readonly calibrate?: "auto" | "always" | "never" | undefined;
  /** Which rows `auto` holds out. Default: a stream that begins the same in each call. */
  readonly random?: Random | undefined;
}

export interface CbpeOptions extends CalibrationOptions {
  /** In [0, 1]. Default: 0.5. */
  readonly threshold?: number | undefined;
}

/** What is known of a classifier from a labelled reference. JSON-safe. */
export interface ConfidenceEstimator {
  readonly formatVersion: 1;
  readonly kind: "binary";
  readonly threshold: number;
  readonly deviations: number;
  /** Absent where the scores are probabilities already. */
  readonly calibration?: CalibrationMap | undefined;
  /** Calibrations of the reference's rows drawn anew, with replacement: how sure the calibration is. */
  readonly replicas: readonly CalibrationMap[];
  /** Scores of the reference. */
  readonly range: { readonly least: number; readonly most: number };
  readonly metrics: Readonly<Record<BinaryMetric, MetricReference>>;
}

export interface ConfidenceEstimate<Metric extends string> extends PerformanceEstimate<Metric> {
  /** Share of the rows with a score beyond all of the reference's. */
  readonly unseenShare: number;
}

export const confidenceAssumes: readonly string[] = [
  "What a score means is as it was: of rows with the same score, as many are positive as in the reference.",
  "The reference's labels are right, and its rows are not those that the model was trained on.",
  "Rows are independent of each other.",
];

/** @returns the numbers, checked. Throws `MONITOR_ROWS_INVALID`. */
export function checkedNumbers(
  what: string,
  values: Numbers,
  rows: number,
  isGood: (value: number) => boolean,
): Float64Array {
  const numbers = Float64Array.from(values, Number);
  if (numbers.length !== rows) throw rowsInvalid(`there are ${numbers.length} ${what} for ${rows} rows`);
  const bad = numbers.findIndex((value) => !isGood(value));
  if (bad >= 0) throw rowsInvalid(`the ${what} have ${numbers[bad]} in row ${bad}`);
  return numbers;
}

export const isShare = (value: number): boolean => value >= 0 && value <= 1;
const isBit = (value: number): boolean => value === 0 || value === 1;

function predictionsOf(scores: Float64Array, given: Numbers | undefined, threshold: number): Float64Array {
  return given === undefined
    ? scores.map((score) => (score >= threshold ? 1 : 0))
    : checkedNumbers("predictions", given, scores.length, isBit);
}

/** The map that scores need. */
export function calibrationOf(
  scores: Float64Array,
  labels: Float64Array,
  { calibrate = "auto", random = createRandom(0) }: CalibrationOptions,
): CalibrationMap | undefined {
  if (!["auto", "always", "never"].includes(calibrate))
    throw new RangeError(`calibrate must be auto, always or never, not ${String(calibrate)}.`);
  const wanted = calibrate === "always" || (calibrate === "auto" && needsCalibration(scores, labels, random));
  return wanted ? fitIsotonic(scores, labels) : undefined;
}

/**
 * Learns from labelled rows how to estimate a classifier's quality on rows without labels: confidence-based performance estimation as NannyML does it, calibration included.
 * Throws `MONITOR_ROWS_INVALID`, also where one of the two classes is missing, and a RangeError for options out of range.
 */
export function fitCbpe(reference: LabelledScores, options: CbpeOptions = {}): ConfidenceEstimator {
  const { threshold = 0.5, deviations = 3 } = options;
  checkOptions(options);
  if (!isShare(threshold)) throw new RangeError(`The threshold must be in [0, 1], not ${threshold}.`);
  const count = reference.scores.length;
  const scores = checkedNumbers("scores", reference.scores, count, isShare);
  const labels = checkedNumbers("labels", reference.labels, count, isBit);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  if (positives === 0 || positives === count)
    throw rowsInvalid(`of ${count} labels, ${positives} are 1: both classes are needed`);
  const { chunkRows = Math.max(2, Math.ceil(count / 10)) } = options;
  const rows = { scores, positive: labels, predictions: predictionsOf(scores, reference.predictions, threshold) };
  const realized = binaryMetricsOf(rows);
  const chunks = chunksOf(count, chunkRows).map(([start, end]) => ({
    values: binaryMetricsOf(partOf(rows, start, end)),
    length: end - start,
  }));
  const errors = binaryErrors(rows);
  const calibration = calibrationOf(scores, labels, options);
  return {
    formatVersion: 1,
    kind: "binary",
    threshold,
    deviations,
    ...(calibration === undefined ? {} : { calibration }),
    replicas: calibration === undefined ? [] : replicasOf(scores, labels, options.random ?? createRandom(0)),
    range: { least: scores.reduce((a, b) => Math.min(a, b)), most: scores.reduce((a, b) => Math.max(a, b)) },
    metrics: recordOf(binaryMetrics, (metric) => {
      const rowsOf = (length: number): number => (errors[metric].total === true ? length : 1);
      const values = chunks.map(({ values: chunk, length }) => chunk[metric] / rowsOf(length));
      const limits = chunkLimits(values, boundsOf(metric), deviations);
      return { realized: realized[metric] / rowsOf(count), limits, ...errors[metric] };
    }),
  };
}

export const replicaCount = 20;

function replicasOf(scores: Float64Array, labels: Float64Array, random: Random): CalibrationMap[] {
  return Array.from({ length: replicaCount }, () => {
    const rows = scores.map(() => random.integer(scores.length));
    return fitIsotonic(
      rows.map((row) => scores[row]!),
      rows.map((row) => labels[row]!),
    );
  });
}

const partOf = ({ scores, predictions, positive }: BinaryRows, start: number, end: number): BinaryRows => ({
  scores: scores.subarray(start, end),
  predictions: predictions.subarray(start, end),
  positive: positive.subarray(start, end),
});

export const recordOf = <Key extends string, Value>(
  keys: readonly Key[],
  value: (key: Key) => Value,
): Record<Key, Value> => Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<Key, Value>;

export const labelDraws = 60;

/** The standard deviation of each metric over labels drawn from the probabilities that each replica of the calibration gives the rows. */
function predictionErrors(
  rows: BinaryRows,
  estimator: ConfidenceEstimator,
  random: Random,
): Record<BinaryMetric, number> {
  const maps = estimator.replicas.length === 0 ? [estimator.calibration] : estimator.replicas;
  const sure = maps.map((map) => calibrated(rows.scores, map));
  const order = risingOrder(rows.scores);
  const realized = Array.from({ length: labelDraws }, (_, draw) => {
    const positive = sure[draw % sure.length]!.map((share) => (random.next() < share ? 1 : 0));
    return binaryMetricsOf({ ...rows, positive, order });
  });
  return recordOf(binaryMetrics, (metric) => {
    const values = realized.map((each) => each[metric]).filter((value) => value === value);
    return values.length === 0 ? 0 : standardDeviation(values);
  });
}

/**
 * What a classifier's metrics are expected to be on rows whose labels are not known, with intervals for what they will turn out to be: the larger of NannyML's sampling error, which takes the rows to be
 * like the reference's, and of the spread of labels drawn for these rows, which takes in how sure the calibration is. Throws `MONITOR_ROWS_INVALID`.
 */
export function estimateCbpe(
  estimator: ConfidenceEstimator,
  current: Pick<LabelledScores, "predictions" | "scores">,
  { random = createRandom(0) }: { readonly random?: Random | undefined } = {},
): ConfidenceEstimate<BinaryMetric> {
  const count = current.scores.length;
  if (count === 0) throw rowsInvalid("there is none");
  const { threshold, calibration, range, metrics, deviations } = estimator;
  const scores = checkedNumbers("scores", current.scores, count, isShare);
  const rows = {
    scores,
    predictions: predictionsOf(scores, current.predictions, threshold),
    positive: calibrated(scores, calibration),
  };
  const values = binaryMetricsOf(rows);
  const errors = predictionErrors(rows, estimator, random);
  return {
    rows: count,
    metrics: recordOf(binaryMetrics, (metric) =>
      metricEstimate(values[metric], count, metrics[metric], boundsOf(metric), deviations, errors[metric]),
    ),
    unseenShare: scores.filter((score) => score < range.least || score > range.most).length / count,
    assumes: confidenceAssumes,
    blindTo: blindSpots,
  };
}
