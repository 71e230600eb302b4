import { type Random, createRandom } from "@millwright/contracts";
import { qualityInvalid } from "../errors.ts";
import { wilsonInterval } from "../statistics/count-tests.ts";
import { z95 } from "../statistics/distributions.ts";

/** How an interval was found: `wilson` for proportions, `delong` for areas under curves, `delta` for functions of counts, `bootstrap` for all else, `none` where there is none. */
export type IntervalKind = "wilson" | "delong" | "delta" | "bootstrap" | "none";

/** A metric with its 95 % interval. NaN where the rows do not define it: a recall without positives, an area under a curve with one class alone. */
export interface MetricValue {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly interval: IntervalKind;
}

export interface IntervalOptions {
  /** Samples of the bootstrap, drawn with replacement; 0 leaves out its intervals. Default: 500. */
  readonly resamples?: number | undefined;
  /** Draws them. Default: a stream of its own, the same at each call. */
  readonly random?: Random | undefined;
  /** What each row counts, finite and at least 0: `labelWeights` makes some. Default: 1 each. */
  readonly weights?: ArrayLike<number> | undefined;
}

/** Throws `MONITOR_QUALITY_INVALID`. */
export function checkIntervals({ resamples = 500, weights }: IntervalOptions, rows: number): void {
  if (!Number.isSafeInteger(resamples) || resamples < 0)
    throw qualityInvalid(`resamples must be a whole number from 0, not ${String(resamples)}`);
  if (weights === undefined) return;
  if (weights.length !== rows) throw qualityInvalid(`there are ${rows} rows and ${weights.length} weights`);
  for (let row = 0; row < rows; row += 1)
    if (!((weights[row] as number) >= 0 && (weights[row] as number) < Number.POSITIVE_INFINITY))
      throw qualityInvalid(`the weight of row ${row} is ${String(weights[row])}`);
}

export type Measures = Readonly<Record<string, number>>;

/**
 * 95 % percentile intervals (Efron, 1979) of what `measure` makes of rows with weights. Samples that do not define a metric are left out of its interval.
 * @param base What each row counts.
 */
export function bootstrapIntervals<Found extends Measures>(
  base: Float64Array,
  measure: (weights: Float64Array) => Found,
  { resamples = 500, random = createRandom(1) }: IntervalOptions,
): Readonly<Record<string, readonly [low: number, high: number]>> {
  const drawn = new Map<string, number[]>();
  const weights = new Float64Array(base.length);
  for (let sample = 0; sample < resamples && base.length > 0; sample += 1) {
    weights.fill(0);
    for (let draw = 0; draw < base.length; draw += 1) {
      const row = random.integer(base.length);
      weights[row] = (weights[row] as number) + (base[row] as number);
    }
    for (const [name, value] of Object.entries(measure(weights))) {
      if (!Number.isFinite(value)) continue;
      const values = drawn.get(name);
      if (values === undefined) drawn.set(name, [value]);
      else values.push(value);
    }
  }
  return Object.fromEntries(
    Array.from(drawn, ([name, values]) => {
      values.sort((a, b) => a - b);
      return [name, [percentile(values, 0.025), percentile(values, 0.975)] as const];
    }),
  );
}

/** Linear between order statistics. */
function percentile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below] as number;
  return low + (at - below) * ((sorted[below + 1] ?? low) - low);
}

export const none = (value: number): MetricValue => ({ value, low: Number.NaN, high: Number.NaN, interval: "none" });

/** A share of weighted rows, with Wilson's interval for as many rows as the weights are worth (Kish, 1965): (Σw)²/Σw². */
export function proportion(hits: number, total: number, squares: number): MetricValue {
  if (!(total > 0)) return none(Number.NaN);
  const worth = (total * total) / squares;
  const [low, high] = wilsonInterval((hits / total) * worth, worth);
  return { value: hits / total, low, high, interval: "wilson" };
}

/**
 * An area under a ROC curve with its interval by DeLong's variance (DeLong, DeLong and Clarke-Pearson, 1988) on the scale of the log-odds, which keeps it within
 * [0, 1]. Where every pair is in order, or none, the variance says nothing: the interval is then Wilson's of as many trials as the rarer class has rows.
 */
export function area(value: number, variance: number, rarer: number): MetricValue {
  if (Number.isNaN(value)) return none(value);
  if (value <= 0 || value >= 1 || variance === 0) {
    const [low, high] = wilsonInterval(value * rarer, rarer);
    return { value, low, high, interval: "delong" };
  }
  const odds = Math.log(value / (1 - value));
  const half = (z95 * Math.sqrt(variance)) / (value * (1 - value));
  const back = (logit: number): number => 1 / (1 + Math.exp(-logit));
  return { value, low: back(odds - half), high: back(odds + half), interval: "delong" };
}

/** All metrics of a kind: the given intervals where there are some, those of the bootstrap otherwise. */
export function withIntervals<Name extends string>(
  measured: Readonly<Record<Name, number>>,
  known: Readonly<Partial<Record<NoInfer<Name>, MetricValue>>>,
  drawn: Readonly<Record<string, readonly [number, number]>>,
): Readonly<Record<Name, MetricValue>> {
  const entries = (Object.entries(measured) as [Name, number][]).map(([name, value]): [Name, MetricValue] => {
    const given = known[name];
    if (given !== undefined) return [name, given];
    const interval = Object.hasOwn(drawn, name) ? drawn[name] : undefined;
    if (interval === undefined || Number.isNaN(value)) return [name, none(value)];
    return [name, { value, low: interval[0], high: interval[1], interval: "bootstrap" }];
  });
  return Object.fromEntries(entries) as Record<Name, MetricValue>;
}

/** Rows in which all numbers are finite, and how many are not. Throws `MONITOR_QUALITY_INVALID` for lists of different lengths. */
export function finiteRows(lists: Readonly<Record<string, ArrayLike<number>>>): {
  readonly rows: Int32Array;
  readonly invalid: number;
} {
  const [[first, values], ...rest] = Object.entries(lists) as [[string, ArrayLike<number>]];
  for (const [name, other] of rest as [string, ArrayLike<number>][])
    if (other.length !== values.length)
      throw qualityInvalid(`"${first}" has ${values.length} rows, "${name}" ${other.length}`);
  const all = Object.values(lists);
  const rows: number[] = [];
  for (let row = 0; row < values.length; row += 1) if (all.every((list) => Number.isFinite(list[row]))) rows.push(row);
  return { rows: Int32Array.from(rows), invalid: values.length - rows.length };
}

export const pick = (values: ArrayLike<number>, rows: Int32Array): Float64Array =>
  Float64Array.from(rows, (row) => values[row] as number);

/** What each of some rows counts. */
export const baseWeights = (weights: ArrayLike<number> | undefined, rows: Int32Array): Float64Array =>
  weights === undefined ? new Float64Array(rows.length).fill(1) : pick(weights, rows);
