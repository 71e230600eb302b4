import { rocAuc } from "./roc-auc.ts";
import { type Bounds, standardDeviation } from "./performance-estimate.ts";

export const binaryMetrics = [
  "auc",
  "f1",
  "precision",
  "recall",
  "specificity",
  "accuracy",
  "logLoss",
  "brier",
  "truePositives",
  "falsePositives",
  "trueNegatives",
  "falseNegatives",
] as const;

/** `truePositives` and its like are counts of rows. */
export type BinaryMetric = (typeof binaryMetrics)[number];

const boundless: ReadonlySet<BinaryMetric> = new Set([
  "logLoss",
  "truePositives",
  "falsePositives",
  "trueNegatives",
  "falseNegatives",
]);
export const boundsOf = (metric: BinaryMetric): Bounds => ({ least: 0, most: boundless.has(metric) ? Infinity : 1 });

/** Rows that a classifier answered. */
export interface BinaryRows {
  /** The model's scores, in [0, 1]. */
  readonly scores: Float64Array;
  /** 0 or 1. */
  readonly predictions: Float64Array;
  /** How sure each row is positive: labels, or probabilities. */
  readonly positive: Float64Array;
  /** The rows by rising score, where that is known. */
  readonly order?: Uint32Array | undefined;
}

const within = (score: number): number => Math.min(1 - 1e-15, Math.max(1e-15, score));

/** Of one row, what it is expected to lose. */
export const rowLogLoss = (score: number, positive: number): number =>
  -positive * Math.log(within(score)) - (1 - positive) * Math.log(1 - within(score));
export const rowBrier = (score: number, positive: number): number =>
  positive * (1 - score) ** 2 + (1 - positive) * score ** 2;

/** All metrics: realized ones where `positive` are labels, expected ones where they are probabilities (each cell of the confusion matrix by its expected count). */
export function binaryMetricsOf({ scores, predictions, positive, order }: BinaryRows): Record<BinaryMetric, number> {
  let [tp, fp, tn, fn, logLoss, brier] = [0, 0, 0, 0, 0, 0];
  const rows = scores.length;
  for (let row = 0; row < rows; row += 1) {
    const [score, sure] = [scores[row]!, positive[row]!];
    if (predictions[row] === 1) {
      tp += sure;
      fp += 1 - sure;
    } else {
      fn += sure;
      tn += 1 - sure;
    }
    logLoss += rowLogLoss(score, sure) / rows;
    brier += rowBrier(score, sure) / rows;
  }
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
  return {
    auc: rocAuc(scores, positive, order),
    f1: share(tp, tp + (fp + fn) / 2),
    precision: share(tp, tp + fp),
    recall: share(tp, tp + fn),
    specificity: share(tn, tn + fp),
    accuracy: (tp + tn) / rows,
    logLoss,
    brier,
    truePositives: tp,
    falsePositives: fp,
    trueNegatives: tn,
    falseNegatives: fn,
  };
}

/** A sampling error's parts, as `MetricReference` has them. */
export interface ErrorParts {
  readonly deviation: number;
  readonly share: number;
  readonly total?: true;
}

/** The deviation of a share `hits` of `of`. */
const shareDeviation = (hits: number, of: number): number => Math.sqrt((hits / of) * (1 - hits / of));

/**
 * Sampling errors from labelled rows as NannyML takes them: the standard error of a mean over the rows that a metric is a mean of; for the area, of the Mann–Whitney
 * statistic's parts that belong to the rarer kind.
 */
export function binaryErrors({ scores, predictions, positive }: BinaryRows): Record<BinaryMetric, ErrorParts> {
  const rows = scores.length;
  const counts = binaryMetricsOf({ scores, predictions, positive });
  const { truePositives: tp, falsePositives: fp, trueNegatives: tn, falseNegatives: fn } = counts;
  const ofShare = (hits: number, of: number): ErrorParts => ({ deviation: shareDeviation(hits, of), share: of / rows });
  const ofCount = (count: number): ErrorParts => ({ deviation: shareDeviation(count, rows), share: 1, total: true });
  const ofMean = (each: (score: number, label: number) => number): ErrorParts => ({
    deviation: standardDeviation(scores.map((score, row) => each(score, positive[row]!))),
    share: 1,
  });
  const f1Rows = tp + fp + fn;
  return {
    auc: areaError(scores, positive),
    f1: { ...ofShare(tp, f1Rows), deviation: shareDeviation(tp, f1Rows) * (f1Rows / ((fn + fp) / 2 + tp)) },
    precision: ofShare(tp, tp + fp),
    recall: ofShare(tp, tp + fn),
    specificity: ofShare(tn, tn + fp),
    accuracy: ofShare(tp + tn, rows),
    logLoss: ofMean(rowLogLoss),
    brier: ofMean(rowBrier),
    truePositives: ofCount(tp),
    falsePositives: ofCount(fp),
    trueNegatives: ofCount(tn),
    falseNegatives: ofCount(fn),
  };
}

export function areaError(scores: Float64Array, labels: Float64Array): ErrorParts {
  const rows = scores.length;
  let positives = labels.reduce((sum, label) => sum + label, 0);
  const turned = positives > rows / 2;
  if (turned) positives = rows - positives;
  const sign = turned ? -1 : 1;
  const order = Uint32Array.from({ length: rows }, (_, row) => row).sort((a, b) => sign * (scores[a]! - scores[b]!));
  const below: number[] = [];
  let negatives = 0;
  for (const row of order) {
    if ((labels[row] === 1) !== turned) below.push(negatives / (rows - positives));
    else negatives += 1;
  }
  return { deviation: standardDeviation(below), share: positives / rows };
}
