import {
  baseWeights,
  bootstrapIntervals,
  checkIntervals,
  finiteRows,
  type IntervalOptions,
  type MetricValue,
  pick,
  withIntervals,
} from "./metric-value.ts";

export type RegressionMetric =
  | "meanAbsoluteError"
  | "meanSquaredError"
  | "rootMeanSquaredError"
  /** Of the truth's size, which is held 2^−52 away from 0; 0.1 is 10 %. */
  | "meanAbsolutePercentageError"
  /** The smallest error that half of the weight does not exceed; the middle between two where exactly half does not. */
  | "medianAbsoluteError"
  | "largestError"
  /** 1 − Σ(truth − answer)² / Σ(truth − mean)²; NaN where all truths are equal. */
  | "r2"
  /** As `r2`, with the mean error taken out. */
  | "explainedVariance"
  /** Mean of answer − truth. */
  | "meanError";

export interface RegressionQuality {
  readonly kind: "regression";
  readonly rows: number;
  /** Rows left out: a truth or an answer that is no finite number. */
  readonly invalid: number;
  readonly metrics: Readonly<Record<RegressionMetric, MetricValue>>;
}

/** How near answers come to numbers. Intervals are the bootstrap's; `largestError` has none. Throws `MONITOR_QUALITY_INVALID`. */
export function scoreRegression(
  truth: ArrayLike<number>,
  answers: ArrayLike<number>,
  options: IntervalOptions = {},
): RegressionQuality {
  checkIntervals(options, truth.length);
  const { rows, invalid } = finiteRows({ truth, answers });
  const [truths, found] = [pick(truth, rows), pick(answers, rows)];
  const errors = truths.map((each, row) => Math.abs(each - (found[row] as number)));
  const order = Int32Array.from(errors.keys()).sort((a, b) => (errors[a] as number) - (errors[b] as number));
  const measure = (weights: Float64Array): Record<RegressionMetric, number> => ({
    ...measureRegression(truths, found, weights),
    medianAbsoluteError: weightedMedian(errors, order, weights),
  });
  const base = baseWeights(options.weights, rows);
  const { largestError: _, ...drawn } = bootstrapIntervals(base, measure, options);
  return { kind: "regression", rows: rows.length, invalid, metrics: withIntervals(measure(base), {}, drawn) };
}

function measureRegression(
  truths: Float64Array,
  answers: Float64Array,
  weights: Float64Array,
): Omit<Record<RegressionMetric, number>, "medianAbsoluteError"> {
  let [total, absolute, squared, percent, largest, error, mean] = [0, 0, 0, 0, 0, 0, 0];
  for (let row = 0; row < truths.length; row += 1) {
    const [weight, truth] = [weights[row] as number, truths[row] as number];
    if (weight === 0) continue;
    const off = (answers[row] as number) - truth;
    total += weight;
    absolute += weight * Math.abs(off);
    squared += weight * off * off;
    percent += (weight * Math.abs(off)) / Math.max(Number.EPSILON, Math.abs(truth));
    largest = Math.max(largest, Math.abs(off));
    error += weight * off;
    mean += weight * truth;
  }
  [error, mean] = [error / total, mean / total];
  let [spread, around] = [0, 0];
  for (let row = 0; row < truths.length; row += 1) {
    const [weight, truth] = [weights[row] as number, truths[row] as number];
    spread += weight * (truth - mean) ** 2;
    around += weight * ((answers[row] as number) - truth - error) ** 2;
  }
  return {
    meanAbsoluteError: absolute / total,
    meanSquaredError: squared / total,
    rootMeanSquaredError: Math.sqrt(squared / total),
    meanAbsolutePercentageError: percent / total,
    largestError: total > 0 ? largest : Number.NaN,
    r2: spread > 0 ? 1 - squared / spread : Number.NaN,
    explainedVariance: spread > 0 ? 1 - around / spread : Number.NaN,
    meanError: error,
  };
}

function weightedMedian(values: Float64Array, order: Int32Array, weights: Float64Array): number {
  const half = weights.reduce((sum, each) => sum + each, 0) / 2;
  let below = 0;
  for (const [place, row] of order.entries()) {
    below += weights[row] as number;
    if (below < half || below === 0) continue;
    if (below > half) return values[row] as number;
    const next = order.subarray(place + 1).find((each) => (weights[each] as number) > 0);
    return ((values[row] as number) + (values[next ?? row] as number)) / 2;
  }
  return Number.NaN;
}
