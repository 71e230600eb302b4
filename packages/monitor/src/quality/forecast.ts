import { qualityInvalid } from "../errors.ts";
import {
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

export interface ForecastOptions extends IntervalOptions {
  /** The series that the forecast was made from, oldest first, for `mase`. Default: none. */
  readonly history?: ArrayLike<number> | undefined;
  /** After how many values the series repeats: 1 compares with the value before. Default: 1. */
  readonly season?: number | undefined;
  /** The interval that was forecast beside the value. Default: none. */
  readonly interval?:
    | { readonly low: ArrayLike<number>; readonly high: ArrayLike<number>; readonly level: number }
    | undefined;
  /** The quantiles that were forecast: row by row, rows × levels. Default: none. */
  readonly quantiles?: { readonly levels: readonly number[]; readonly values: ArrayLike<number> } | undefined;
}

export type ForecastMetric =
  | "meanAbsoluteError"
  | "rootMeanSquaredError"
  | "meanError"
  /** The error over that of the seasonal naive forecast within the history (Hyndman and Koehler, 2006). */
  | "mase"
  /** Mean of 2|e| / (|truth| + |forecast|), in [0, 2]; 0 where both are 0. */
  | "smape"
  /** Σ|e| / Σ|truth|. */
  | "wape"
  /** Share of truths within the interval: right where it is the interval's level. */
  | "coverage"
  | "meanWidth"
  /** Width, and 2/(1 − level) of what a truth lies outside (Gneiting and Raftery, 2007). */
  | "intervalScore"
  /** Mean over rows and levels. */
  | "pinball";

export interface ForecastQuality {
  readonly kind: "forecast";
  readonly rows: number;
  /** Rows left out: something that is no finite number. */
  readonly invalid: number;
  /** By level, in their order. */
  readonly pinballs: readonly number[];
  /** What the options do not allow is NaN. */
  readonly metrics: Readonly<Record<ForecastMetric, MetricValue>>;
}

/**
 * How near forecasts of one series come. Wilson's interval for `coverage`, the bootstrap's over rows otherwise, which takes errors for independent: those of one
 * forecast's steps are not, and the intervals then too narrow. Throws `MONITOR_QUALITY_INVALID`.
 */
export function scoreForecast(
  truth: ArrayLike<number>,
  forecast: ArrayLike<number>,
  options: ForecastOptions = {},
): ForecastQuality {
  checkIntervals(options, truth.length);
  const scale = scaleOf(options);
  const { interval, quantiles } = options;
  const levels = quantiles?.levels ?? [];
  if (interval !== undefined && !(interval.level > 0 && interval.level < 1))
    throw qualityInvalid(`the level of an interval must be in (0, 1), not ${interval.level}`);
  if (levels.some((level) => !(level > 0 && level < 1)))
    throw qualityInvalid(`levels of quantiles must be in (0, 1), not ${levels.join(", ")}`);
  if (quantiles !== undefined && quantiles.values.length !== truth.length * levels.length)
    throw qualityInvalid(`${truth.length} rows of ${levels.length} quantiles have ${quantiles.values.length} values`);
  const columns = levels.map((_, at) =>
    Float64Array.from(truth, (_each, row) => quantiles?.values[row * levels.length + at] as number),
  );
  const { rows, invalid } = finiteRows({
    truth,
    forecast,
    ...(interval === undefined ? {} : { low: interval.low, high: interval.high }),
    ...Object.fromEntries(columns.map((column, at) => [`quantile ${levels[at]}`, column])),
  });
  const table: ForecastTable = {
    truth: pick(truth, rows),
    forecast: pick(forecast, rows),
    scale,
    ...(interval === undefined
      ? {}
      : { interval: { low: pick(interval.low, rows), high: pick(interval.high, rows), level: interval.level } }),
    quantiles: columns.map((column, at) => ({ level: levels[at] as number, values: pick(column, rows) })),
  };
  const base = baseWeights(options.weights, rows);
  const { pinballs, metrics } = measureForecast(table, base);
  const drawn = bootstrapIntervals(base, (weights) => measureForecast(table, weights).metrics, options);
  const known = table.interval === undefined ? {} : { coverage: coverageOf(table, table.interval, base) };
  return { kind: "forecast", rows: rows.length, invalid, pinballs, metrics: withIntervals(metrics, known, drawn) };
}

interface ForecastTable {
  readonly truth: Float64Array;
  readonly forecast: Float64Array;
  readonly scale: number;
  readonly interval?: { readonly low: Float64Array; readonly high: Float64Array; readonly level: number };
  readonly quantiles: readonly { readonly level: number; readonly values: Float64Array }[];
}

function scaleOf({ history, season = 1 }: ForecastOptions): number {
  if (!Number.isSafeInteger(season) || season < 1)
    throw qualityInvalid(`season must be a whole number from 1, not ${String(season)}`);
  if (history === undefined) return Number.NaN;
  let [sum, count] = [0, 0];
  for (let at = season; at < history.length; at += 1) {
    const step = Math.abs((history[at] as number) - (history[at - season] as number));
    if (!Number.isFinite(step)) continue;
    sum += step;
    count += 1;
  }
  return sum / count;
}

function measureForecast(
  { truth, forecast, scale, interval, quantiles }: ForecastTable,
  weights: Float64Array,
): { readonly metrics: Record<ForecastMetric, number>; readonly pinballs: readonly number[] } {
  const total = weights.reduce((sum, each) => sum + each, 0);
  const mean = (of: (row: number, actual: number) => number): number => {
    let sum = 0;
    for (let row = 0; row < truth.length; row += 1) sum += (weights[row] as number) * of(row, truth[row] as number);
    return sum / total;
  };
  const error = (row: number): number => (forecast[row] as number) - (truth[row] as number);
  const meanAbsoluteError = mean((row) => Math.abs(error(row)));
  const pinballs = quantiles.map(({ level, values }) =>
    mean((row, actual) => {
      const off = actual - (values[row] as number);
      return Math.max(level * off, (level - 1) * off);
    }),
  );
  const metrics = {
    meanAbsoluteError,
    rootMeanSquaredError: Math.sqrt(mean((row) => error(row) ** 2)),
    meanError: mean(error),
    mase: meanAbsoluteError / scale,
    smape: mean((row, actual) => {
      const size = Math.abs(actual) + Math.abs(forecast[row] as number);
      return size === 0 ? 0 : (2 * Math.abs(error(row))) / size;
    }),
    wape: meanAbsoluteError / mean((_, actual) => Math.abs(actual)),
    ...measureInterval(interval, mean),
    pinball: pinballs.length === 0 ? Number.NaN : pinballs.reduce((sum, each) => sum + each, 0) / pinballs.length,
  };
  return { metrics, pinballs };
}

function measureInterval(
  interval: ForecastTable["interval"],
  mean: (of: (row: number, actual: number) => number) => number,
): Record<"coverage" | "meanWidth" | "intervalScore", number> {
  if (interval === undefined) return { coverage: Number.NaN, meanWidth: Number.NaN, intervalScore: Number.NaN };
  const { low, high, level } = interval;
  const width = (row: number): number => (high[row] as number) - (low[row] as number);
  const outside = (row: number, actual: number): number =>
    Math.max(0, (low[row] as number) - actual, actual - (high[row] as number));
  return {
    coverage: mean((row, actual) => (outside(row, actual) === 0 ? 1 : 0)),
    meanWidth: mean(width),
    intervalScore: mean((row, actual) => width(row) + (2 / (1 - level)) * outside(row, actual)),
  };
}

function coverageOf(
  { truth }: ForecastTable,
  { low, high }: NonNullable<ForecastTable["interval"]>,
  weights: Float64Array,
): MetricValue {
  let [hits, total, squares] = [0, 0, 0];
  for (const [row, actual] of truth.entries()) {
    const weight = weights[row] as number;
    total += weight;
    squares += weight * weight;
    if (actual >= (low[row] as number) && actual <= (high[row] as number)) hits += weight;
  }
  return proportion(hits, total, squares);
}
