/** Metrics of one set of predictions by name. */
export type Metrics = Readonly<Record<string, number>>;

/** One bin of a calibration table. */
export interface CalibrationBin {
  /** Predictions in (from, to]; the first also has 0. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** NaN where the bin is empty. */
  readonly meanPrediction: number;
  /** Share of labels that are 1; NaN where the bin is empty. */
  readonly meanLabel: number;
}

const clip = 1e-7;

/**
 * The area under the ROC curve: the share of pairs of a 1 and a 0 in which the 1 has the greater score, ties counted half
 * (Hanley and McNeil 1982, equation 1). Exact. NaN where there is only one kind of label.
 */
export function areaUnderRoc(labels: Float32Array, scores: Float32Array): number {
  let ones = 0;
  for (const label of labels) if (label === 1) ones += 1;
  const positives = new Float32Array(ones);
  const negatives = new Float32Array(labels.length - ones);
  let positive = 0;
  let negative = 0;
  for (const [row, label] of labels.entries()) {
    if (label === 1) positives[positive++] = scores[row] as number;
    else negatives[negative++] = scores[row] as number;
  }
  if (positives.length === 0 || negatives.length === 0) return Number.NaN;
  positives.sort();
  negatives.sort();
  let below = 0;
  let upTo = 0;
  let wins = 0;
  for (const score of positives) {
    while (below < negatives.length && (negatives[below] as number) < score) below += 1;
    if (upTo < below) upTo = below;
    while (upTo < negatives.length && negatives[upTo] === score) upTo += 1;
    wins += (below + upTo) / 2;
  }
  return wins / (positives.length * negatives.length);
}

/** The mean of −y·ln p − (1 − y)·ln(1 − p), p kept within [1e-7, 1 − 1e-7]. */
export function logLoss(labels: Float32Array, probabilities: Float32Array): number {
  let sum = 0;
  for (const [row, label] of labels.entries()) {
    const probability = Math.min(1 - clip, Math.max(clip, probabilities[row] as number));
    sum -= label === 1 ? Math.log(probability) : Math.log1p(-probability);
  }
  return sum / labels.length;
}

/** Mean squared error; of probabilities, the Brier score (Brier 1950). */
export function meanSquaredError(labels: Float32Array, predictions: Float32Array): number {
  let sum = 0;
  for (const [row, label] of labels.entries()) sum += ((predictions[row] as number) - label) ** 2;
  return sum / labels.length;
}

function meanAbsoluteError(labels: Float32Array, predictions: Float32Array): number {
  let sum = 0;
  for (const [row, label] of labels.entries()) sum += Math.abs((predictions[row] as number) - label);
  return sum / labels.length;
}

/** Equal-width bins of the probabilities. */
export function calibrationBins(
  labels: Float32Array,
  probabilities: Float32Array,
  bins = 10,
): readonly CalibrationBin[] {
  const counts = new Float64Array(bins);
  const predicted = new Float64Array(bins);
  const observed = new Float64Array(bins);
  for (const [row, label] of labels.entries()) {
    const probability = probabilities[row] as number;
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(probability * bins) - 1));
    counts[bin]! += 1;
    predicted[bin]! += probability;
    observed[bin]! += label;
  }
  return Array.from(counts, (count, bin) => ({
    from: bin / bins,
    to: (bin + 1) / bins,
    count,
    meanPrediction: (predicted[bin] as number) / count,
    meanLabel: (observed[bin] as number) / count,
  }));
}

/** The mean distance between what a bin predicts and what it holds, weighted by its rows (Naeini et al. 2015). */
export function calibrationError(bins: readonly CalibrationBin[]): number {
  let rows = 0;
  let sum = 0;
  for (const { count, meanPrediction, meanLabel } of bins) {
    rows += count;
    if (count > 0) sum += count * Math.abs(meanPrediction - meanLabel);
  }
  return sum / rows;
}

/** `logLoss`, `auc`, `brier`, `calibrationError` of 10 bins, and `accuracy` at 0.5. */
export function binaryMetrics(labels: Float32Array, probabilities: Float32Array): Metrics {
  let right = 0;
  for (const [row, label] of labels.entries()) if ((probabilities[row] as number) > 0.5 === (label === 1)) right += 1;
  return {
    logLoss: logLoss(labels, probabilities),
    auc: areaUnderRoc(labels, probabilities),
    brier: meanSquaredError(labels, probabilities),
    calibrationError: calibrationError(calibrationBins(labels, probabilities)),
    accuracy: right / labels.length,
  };
}

/** `mse`, `rmse`, `mae` and `r2`, the share of the labels' variance that is explained. */
export function regressionMetrics(labels: Float32Array, predictions: Float32Array): Metrics {
  const mse = meanSquaredError(labels, predictions);
  let mean = 0;
  for (const label of labels) mean += label / labels.length;
  let variance = 0;
  for (const label of labels) variance += (label - mean) ** 2 / labels.length;
  return { mse, rmse: Math.sqrt(mse), mae: meanAbsoluteError(labels, predictions), r2: 1 - mse / variance };
}
