/** How good probabilities are, against what came true. All of `labels` are 0 or 1. */
export interface Quality {
  readonly rows: number;
  /** Area under the receiver operating characteristic: the share of pairs ranked rightly, ties counting half. */
  readonly auc: number;
  /** Mean of −ln(probability given to what came true), in nats. */
  readonly logLoss: number;
  /** Mean squared error of the probability. */
  readonly brier: number;
  readonly meanProbability: number;
  readonly observedShare: number;
  /** Expected calibration error: |mean probability − observed share|, averaged over the bins by their rows. */
  readonly calibrationError: number;
  readonly bins: readonly CalibrationBin[];
}

/** The rows whose probability falls in one tenth of [0, 1]. */
export interface CalibrationBin {
  readonly rows: number;
  readonly meanProbability: number;
  readonly observedShare: number;
}

export function qualityOf(probabilities: ArrayLike<number>, labels: ArrayLike<number>): Quality {
  const rows = probabilities.length;
  let loss = 0;
  let squares = 0;
  let sum = 0;
  let positives = 0;
  const counts = new Float64Array(10);
  const sums = new Float64Array(10);
  const hits = new Float64Array(10);
  for (let row = 0; row < rows; row += 1) {
    const probability = Math.min(1 - 1e-7, Math.max(1e-7, probabilities[row] as number));
    const label = labels[row] as number;
    loss -= label === 1 ? Math.log(probability) : Math.log1p(-probability);
    squares += (probability - label) ** 2;
    sum += probability;
    positives += label;
    const bin = Math.min(9, Math.floor(probability * 10));
    counts[bin] = (counts[bin] as number) + 1;
    sums[bin] = (sums[bin] as number) + probability;
    hits[bin] = (hits[bin] as number) + label;
  }
  const bins = Array.from(counts, (count, bin) => ({
    rows: count,
    meanProbability: (sums[bin] as number) / count,
    observedShare: (hits[bin] as number) / count,
  })).filter((bin) => bin.rows > 0);
  const calibrationError = bins.reduce(
    (total, bin) => total + (bin.rows / rows) * Math.abs(bin.meanProbability - bin.observedShare),
    0,
  );
  return {
    rows,
    auc: aucOf(probabilities, labels, positives),
    logLoss: loss / rows,
    brier: squares / rows,
    meanProbability: sum / rows,
    observedShare: positives / rows,
    calibrationError,
    bins,
  };
}

/** Mann and Whitney's U over the product of the class sizes, with mid-ranks for ties. */
function aucOf(scores: ArrayLike<number>, labels: ArrayLike<number>, positives: number): number {
  const order = Uint32Array.from({ length: scores.length }, (_, row) => row);
  const values = Float64Array.from(scores);
  order.sort((a, b) => (values[a] as number) - (values[b] as number));
  let rankSum = 0;
  for (let start = 0; start < order.length;) {
    let end = start;
    let hits = 0;
    while (end < order.length && values[order[end] as number] === values[order[start] as number]) {
      hits += labels[order[end] as number] as number;
      end += 1;
    }
    rankSum += hits * ((start + 1 + end) / 2);
    start = end;
  }
  const negatives = scores.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** Quantiles by the nearest rank. */
export function percentilesOf(values: readonly number[]): {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
} {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
