/** What an estimate rests on that cannot be seen without labels. */
export type BlindSpot =
  /** The same inputs have other labels than they had: nothing in inputs or answers shows it. */
  | "concept-drift"
  /** Inputs unlike all of the reference's: what is said of them is guessed from the nearest. */
  | "unseen-inputs";

export interface MetricEstimate {
  readonly value: number;
  /** Standard error of what will be realised on so many rows like those of the reference. */
  readonly samplingError: number;
  /** Standard deviation of what will be realised on these very rows, where it was simulated. */
  readonly predictionError?: number | undefined;
  /** value ± `deviations` times the larger of the two errors, within what the metric can be. */
  readonly lower: number;
  readonly upper: number;
  /** What was realised on the reference; for counts, on so many of its rows. */
  readonly reference: number;
  /** mean ± `deviations` standard deviations of what was realised in the reference's chunks. */
  readonly limits: { readonly lower: number; readonly upper: number };
  /** The value is outside the limits. */
  readonly alert: boolean;
}

export interface PerformanceEstimate<Metric extends string> {
  readonly rows: number;
  readonly metrics: Readonly<Record<Metric, MetricEstimate>>;
  /** What must hold for the estimate to be right, one sentence each. */
  readonly assumes: readonly string[];
  readonly blindTo: readonly BlindSpot[];
}

/** What is known of a metric from the reference, counts by the row. JSON-safe. */
export interface MetricReference {
  readonly realized: number;
  readonly limits: { readonly lower: number; readonly upper: number };
  /** The sampling error is deviation / √(rows · share); with `total`, deviation · √rows. */
  readonly deviation: number;
  readonly share: number;
  readonly total?: boolean | undefined;
}

export const blindSpots: readonly BlindSpot[] = ["concept-drift", "unseen-inputs"];

export interface Bounds {
  readonly least: number;
  /** Infinity: none. */
  readonly most: number;
}

/** The estimate of one metric on `rows` rows. */
export function metricEstimate(
  value: number,
  rows: number,
  { realized, limits, deviation, share, total }: MetricReference,
  { least, most }: Bounds,
  deviations: number,
  predictionError?: number,
): MetricEstimate {
  const samplingError = total === true ? deviation * Math.sqrt(rows) : deviation / Math.sqrt(rows * share);
  const scale = total === true ? rows : 1;
  const [low, high] = [limits.lower * scale, limits.upper * scale];
  const error = Math.max(samplingError, predictionError ?? 0);
  return {
    value,
    samplingError,
    ...(predictionError === undefined ? {} : { predictionError }),
    lower: Math.max(least, value - deviations * error),
    upper: Math.min(most, value + deviations * error),
    reference: realized * scale,
    limits: { lower: low, upper: high },
    alert: value < low || value > high,
  };
}

/** mean ± k·σ of the chunks' values, σ the population's, within the bounds; chunks without a value do not count. */
export function chunkLimits(
  values: readonly number[],
  { least, most }: Bounds,
  deviations: number,
): { readonly lower: number; readonly upper: number } {
  const known = values.filter((value) => value === value);
  const mean = known.reduce((sum, each) => sum + each, 0) / known.length;
  const spread = Math.sqrt(known.reduce((sum, each) => sum + (each - mean) ** 2, 0) / known.length);
  return { lower: Math.max(least, mean - deviations * spread), upper: Math.min(most, mean + deviations * spread) };
}

/** First and last row (exclusive) of each chunk; the last may be shorter. */
export function chunksOf(rows: number, chunkRows: number): (readonly [number, number])[] {
  return Array.from({ length: Math.ceil(rows / chunkRows) }, (_, chunk) => [
    chunk * chunkRows,
    Math.min(rows, (chunk + 1) * chunkRows),
  ]);
}

export interface EstimationOptions {
  /** Width of intervals and limits in standard errors and deviations, above 0. Default: 3, as NannyML. */
  readonly deviations?: number | undefined;
  /** Rows of the reference's chunks, at least 2. Default: a tenth of its rows. */
  readonly chunkRows?: number | undefined;
}

/** Throws a RangeError for options out of range. */
export function checkOptions({ deviations = 3, chunkRows = 2 }: EstimationOptions): void {
  if (!(deviations > 0 && deviations < Infinity))
    throw new RangeError(`deviations must be above 0 and finite, not ${deviations}.`);
  if (!(Number.isInteger(chunkRows) && chunkRows >= 2))
    throw new RangeError(`chunkRows must be a whole number of at least 2, not ${chunkRows}.`);
}

export const standardDeviation = (values: ArrayLike<number>): number => {
  let [mean, squares] = [0, 0];
  for (let at = 0; at < values.length; at += 1) mean += values[at]! / values.length;
  for (let at = 0; at < values.length; at += 1) squares += (values[at]! - mean) ** 2;
  return Math.sqrt(squares / values.length);
};
