import { qualityInvalid } from "../errors.ts";
import {
  area,
  baseWeights,
  bootstrapIntervals,
  checkIntervals,
  finiteRows,
  type IntervalOptions,
  type MetricValue,
  pick,
  proportion,
  withIntervals,
} from "./metric-value.ts";
import { curvesOf, delong, type RankedScores, rankScores, scoreRuns } from "./roc.ts";

export interface BinaryOptions extends IntervalOptions {
  /** Scores from here on count as positive answers. Default: 0.5. */
  readonly threshold?: number | undefined;
  /** Bins of equal width of the calibration error, from 2. Default: 10. */
  readonly calibrationBins?: number | undefined;
}

export type BinaryMetric =
  | "accuracy"
  | "precision"
  | "recall"
  | "specificity"
  | "f1"
  | "balancedAccuracy"
  /** Matthews's correlation; 0 where answers or labels are all alike. */
  | "mcc"
  /** Cohen's. */
  | "kappa"
  | "auc"
  /** The area under the precision-recall curve by steps, without interpolation. */
  | "averagePrecision"
  /** Natural logarithm; probabilities are held 2^−52 away from 0 and 1. */
  | "logLoss"
  | "brier"
  /** Mean distance of the mean score from the share of positives, over bins of equal width, weighted by their rows. */
  | "calibrationError"
  | "meanScore"
  | "positiveShare";

/** What answers and labels make of each other: sums of weights. */
export interface Confusion {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
}

export interface BinaryQuality {
  readonly kind: "binary";
  /** Rows that the metrics are of. */
  readonly rows: number;
  /** Rows left out: a score that is no finite number, a truth that is neither 0 nor 1. */
  readonly invalid: number;
  readonly confusion: Confusion;
  readonly metrics: Readonly<Record<BinaryMetric, MetricValue>>;
}

/**
 * How good scores of a positive class are. Intervals: Wilson's for shares, DeLong's for the area under the ROC curve (the bootstrap's where rows are weighted), the
 * bootstrap's otherwise. Throws `MONITOR_QUALITY_INVALID`.
 * @param truth 1 or true for positives, 0 or false for negatives.
 * @param scores Probabilities, or any scores that rise with them: then `logLoss`, `brier` and `calibrationError` mean nothing.
 */
export function scoreBinary(
  truth: ArrayLike<number | boolean>,
  scores: ArrayLike<number>,
  options: BinaryOptions = {},
): BinaryQuality {
  const { threshold = 0.5, calibrationBins = 10 } = options;
  if (Number.isNaN(threshold) || typeof threshold !== "number")
    throw qualityInvalid(`threshold must be a number, not ${String(threshold)}`);
  if (!Number.isSafeInteger(calibrationBins) || calibrationBins < 2 || calibrationBins > 10_000)
    throw qualityInvalid(`calibrationBins must be a whole number from 2 to 10,000, not ${String(calibrationBins)}`);
  const truths = Float64Array.from(truth, (each) => {
    const number = typeof each === "symbol" ? Number.NaN : Number(each);
    return number === 0 || number === 1 ? number : Number.NaN;
  });
  checkIntervals(options, truths.length);
  const { rows, invalid } = finiteRows({ truth: truths, scores });
  const table: BinaryTable = {
    truth: pick(truths, rows),
    scores: pick(scores, rows),
    ranked: rankScores(pick(scores, rows)),
    threshold,
    bins: calibrationBins,
  };
  const base = baseWeights(options.weights, rows);
  const { confusion, ...measured } = measureBinary(table, base);
  const drawn = bootstrapIntervals(base, (weights) => measuresOf(measureBinary(table, weights)), options);
  const known = { ...sharesOf(table, base), ...(options.weights === undefined ? { auc: aucOf(table) } : {}) };
  const metrics = withIntervals(measuresOf({ ...measured, confusion }), known, drawn);
  return { kind: "binary", rows: rows.length, invalid, confusion, metrics };
}

interface BinaryTable {
  readonly truth: Float64Array;
  readonly scores: Float64Array;
  readonly ranked: RankedScores;
  readonly threshold: number;
  readonly bins: number;
}

interface Measured {
  readonly confusion: Confusion;
  readonly auc: number;
  readonly averagePrecision: number;
  readonly logLoss: number;
  readonly brier: number;
  readonly calibrationError: number;
  readonly meanScore: number;
  readonly positiveShare: number;
}

function measureBinary({ truth, scores, ranked, threshold, bins }: BinaryTable, weights: Float64Array): Measured {
  const counts = [0, 0, 0, 0];
  const binned = new Float64Array(bins * 3);
  let [logLoss, brier, total, scoreSum, positives] = [0, 0, 0, 0, 0];
  for (let row = 0; row < truth.length; row += 1) {
    const [weight, score, actual] = [weights[row] as number, scores[row] as number, truth[row] as number];
    if (weight === 0) continue;
    const cell = (score >= threshold ? 2 : 0) + actual;
    counts[cell] = (counts[cell] as number) + weight;
    const clipped = Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, score));
    logLoss -= weight * (actual === 1 ? Math.log(clipped) : Math.log1p(-clipped));
    brier += weight * (score - actual) ** 2;
    total += weight;
    scoreSum += weight * score;
    positives += weight * actual;
    const bin = binOf(score, bins) * 3;
    binned[bin] = (binned[bin] as number) + weight;
    binned[bin + 1] = (binned[bin + 1] as number) + weight * score;
    binned[bin + 2] = (binned[bin + 2] as number) + weight * actual;
  }
  let calibration = 0;
  for (let at = 0; at < binned.length; at += 3)
    calibration += Math.abs((binned[at + 1] as number) - (binned[at + 2] as number));
  const [trueNegatives, falseNegatives, falsePositives, truePositives] = counts as [number, number, number, number];
  return {
    confusion: { truePositives, falsePositives, trueNegatives, falseNegatives },
    ...curvesOf(ranked, truth, weights),
    logLoss: logLoss / total,
    brier: brier / total,
    calibrationError: calibration / total,
    meanScore: scoreSum / total,
    positiveShare: positives / total,
  };
}

/** Bins of (0, 1] are closed above, as scikit-learn's `calibration_curve` has them; the first holds 0 too. */
function binOf(score: number, bins: number): number {
  const step = 1 / bins;
  let bin = Math.min(bins - 1, Math.max(0, Math.ceil(score * bins) - 1));
  while (bin > 0 && score <= bin * step) bin -= 1;
  while (bin < bins - 1 && score > (bin + 1) * step) bin += 1;
  return bin;
}

function measuresOf({ confusion, ...rest }: Measured): Readonly<Record<BinaryMetric, number>> {
  const { truePositives: tp, falsePositives: fp, trueNegatives: tn, falseNegatives: fn } = confusion;
  const total = tp + fp + tn + fn;
  const root = Math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn));
  const accuracy = (tp + tn) / total;
  const chance = ((tp + fp) * (tp + fn) + (tn + fn) * (tn + fp)) / (total * total);
  return {
    accuracy,
    precision: tp / (tp + fp),
    recall: tp / (tp + fn),
    specificity: tn / (tn + fp),
    f1: (2 * tp) / (2 * tp + fp + fn),
    balancedAccuracy: (tp / (tp + fn) + tn / (tn + fp)) / 2,
    mcc: root === 0 && total > 0 ? 0 : (tp * tn - fp * fn) / root,
    kappa: (accuracy - chance) / (1 - chance),
    ...rest,
  };
}

type Share = "accuracy" | "precision" | "recall" | "specificity" | "positiveShare";

function sharesOf({ truth, scores, threshold }: BinaryTable, weights: Float64Array): Record<Share, MetricValue> {
  const share = (counts: (positive: boolean, answered: boolean) => boolean | undefined): MetricValue => {
    let [hits, total, squares] = [0, 0, 0];
    for (let row = 0; row < truth.length; row += 1) {
      const hit = counts(truth[row] === 1, (scores[row] as number) >= threshold);
      const weight = weights[row] as number;
      if (hit === undefined) continue;
      total += weight;
      squares += weight * weight;
      if (hit) hits += weight;
    }
    return proportion(hits, total, squares);
  };
  return {
    accuracy: share((positive, answered) => positive === answered),
    precision: share((positive, answered) => (answered ? positive : undefined)),
    recall: share((positive, answered) => (positive ? answered : undefined)),
    specificity: share((positive, answered) => (positive ? undefined : !answered)),
    positiveShare: share((positive) => positive),
  };
}

function aucOf({ truth, ranked }: BinaryTable): MetricValue {
  const { auc, variance } = delong(scoreRuns(ranked, truth));
  const positives = truth.reduce((sum, each) => sum + each, 0);
  return area(auc, Number.isNaN(variance) ? 0 : variance, Math.min(positives, truth.length - positives));
}
