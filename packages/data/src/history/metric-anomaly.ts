/** A metric of a table at one time: its rows, the share of nulls of a column, …. */
export interface MetricPoint {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Finite. */
  readonly value: number;
}

export interface MetricAnomalyOptions {
  /** How long the pattern is that repeats, in milliseconds. Default: a week. */
  readonly periodMs?: number | undefined;
  /** Points this near to the same place of the pattern, in milliseconds, are compared with each other. Default: half a day, for one point a day. */
  readonly toleranceMs?: number | undefined;
  /** Robust standard deviations from what is expected, above 0, beyond which a value is an anomaly. Default: 4. */
  readonly threshold?: number | undefined;
  /**
   * Earlier points at the same place of the pattern that are needed, from 2. Of normal values, with one point a day and the default threshold, about 6 % are called an
   * anomaly after 3 weeks, 2 % after 4 and 0.4 % after 8. Default: 4.
   */
  readonly minCycles?: number | undefined;
  /** How many periods back history is looked at. Default: 8. */
  readonly maxCycles?: number | undefined;
  /** `ratio`: changes count by their ratio, as befits counts that grow; values must be above 0. `difference`: by their difference, as befits shares. Default: `"difference"`. */
  readonly scale?: "difference" | "ratio" | undefined;
  /** Least deviation that is worth telling, in the unit of the value, or as a ratio less 1: below it nothing is an anomaly. Default: 0. */
  readonly minDeviation?: number | undefined;
}

/** What a metric should have been. JSON-safe. */
export interface MetricVerdict {
  /** `unknown`: history holds too few points at this place of the pattern. */
  readonly outcome: "expected" | "anomaly" | "unknown";
  readonly value: number;
  /** Absent while unknown, as are the bounds and the score. */
  readonly expected?: number | undefined;
  /** Between these a value is expected. */
  readonly lower?: number | undefined;
  readonly upper?: number | undefined;
  /** Robust standard deviations between the value and what was expected; negative below it. Infinite deviations, of a history without spread, are ±1e9. */
  readonly score?: number | undefined;
  /** Earlier points at the same place of the pattern. */
  readonly cycles: number;
}

const weekMs = 7 * 86_400_000;
/** Stands for an infinite score, which JSON cannot hold. */
const largestScore = 1e9;
/** Makes the median absolute deviation of normal values their standard deviation. */
const madToDeviation = 1.482602218505602;

/**
 * Says whether a metric is what its own history lets expect: what was usual at this place of the pattern (on this weekday), moved by how the last period lay from
 * what was usual at its places. So a dip of every Monday is expected on a Monday and told on a Wednesday, and slow growth is followed.
 * What is usual, the move and the spread are medians (the spread is 1.4826 times the median absolute error of such expectations in the past), so that old anomalies
 * do not count. History may have gaps and any order; points at or after the current time are left aside.
 * Throws a RangeError for values or options out of range.
 */
export function judgeMetric(
  history: readonly MetricPoint[],
  current: MetricPoint,
  options: MetricAnomalyOptions = {},
): MetricVerdict {
  const pattern = checkedPattern(options);
  const { threshold = 4, minCycles = 4, minDeviation = 0, scale = "difference" } = options;
  const transform = transformOf(scale);
  const points = [...history, current].map(({ timeMs, value }) => ({
    timeMs,
    value: transform.forward(timeMs, value),
  }));
  const now = points.pop() as MetricPoint;
  const past = points
    .filter(
      ({ timeMs }) =>
        timeMs < now.timeMs && timeMs >= now.timeMs - pattern.maxCycles * pattern.periodMs - pattern.toleranceMs,
    )
    .sort((a, b) => a.timeMs - b.timeMs);
  const here = past.filter(({ timeMs }) => isSamePlace(timeMs, now.timeMs, pattern));
  if (here.length < minCycles) return { outcome: "unknown", value: current.value, cycles: here.length };
  const unusual = past.map(({ timeMs, value }) => ({ timeMs, value: value - usualAt(past, timeMs, pattern) }));
  const expected = usualAt(past, now.timeMs, pattern) + moveBefore(unusual, now.timeMs, pattern);
  const [first] = unusual as [MetricPoint];
  const errors = unusual
    .filter(({ timeMs }) => timeMs >= first.timeMs + pattern.periodMs)
    .map(({ timeMs, value }) => Math.abs(value - moveBefore(unusual, timeMs, pattern)));
  const spread = madToDeviation * median(errors);
  const width = Math.max(threshold * spread, scale === "ratio" ? Math.log1p(minDeviation) : minDeviation);
  const deviation = now.value - expected;
  // Rounding is no deviation.
  const isFar = Math.abs(deviation) > width + 1e-9 * Math.abs(expected);
  const score = Math.max(-largestScore, Math.min(largestScore, deviation / spread));
  return {
    outcome: isFar ? "anomaly" : "expected",
    value: current.value,
    expected: transform.back(expected),
    lower: transform.back(expected - width),
    upper: transform.back(expected + width),
    score: isFar || spread > 0 ? score : 0,
    cycles: here.length,
  };
}

interface Pattern {
  readonly periodMs: number;
  readonly toleranceMs: number;
  readonly maxCycles: number;
}

function checkedPattern({
  periodMs = weekMs,
  toleranceMs = 43_200_000,
  threshold = 4,
  minCycles = 4,
  maxCycles = 8,
  minDeviation = 0,
}: MetricAnomalyOptions): Pattern {
  const wrong = (name: string, what: string, value: number): RangeError =>
    new RangeError(`${name} must be ${what}, not ${value}.`);
  if (!(periodMs > 0 && Number.isFinite(periodMs))) throw wrong("periodMs", "above 0", periodMs);
  if (!(toleranceMs >= 0 && toleranceMs <= periodMs / 2))
    throw wrong("toleranceMs", "from 0 to half the period", toleranceMs);
  if (!(threshold > 0)) throw wrong("threshold", "above 0", threshold);
  if (!(Number.isInteger(minCycles) && minCycles >= 2)) throw wrong("minCycles", "an integer from 2", minCycles);
  if (!(Number.isInteger(maxCycles) && maxCycles > minCycles))
    throw wrong("maxCycles", "an integer above minCycles", maxCycles);
  if (!(minDeviation >= 0)) throw wrong("minDeviation", "from 0", minDeviation);
  return { periodMs, toleranceMs, maxCycles };
}

interface Transform {
  readonly forward: (timeMs: number, value: number) => number;
  readonly back: (value: number) => number;
}

function transformOf(scale: "difference" | "ratio"): Transform {
  const checked = (timeMs: number, value: number): number => {
    if (!(Number.isFinite(timeMs) && Number.isFinite(value) && (scale === "difference" || value > 0)))
      throw new RangeError(
        `A metric must be finite${scale === "ratio" ? " and above 0" : ""}, not ${value} at ${timeMs}.`,
      );
    return value;
  };
  return scale === "difference"
    ? { forward: checked, back: (value) => value }
    : { forward: (timeMs, value) => Math.log(checked(timeMs, value)), back: Math.exp };
}

/** The median of the points at this place of the pattern. */
function usualAt(points: readonly MetricPoint[], timeMs: number, pattern: Pattern): number {
  return median(points.filter((point) => isSamePlace(point.timeMs, timeMs, pattern)).map(({ value }) => value));
}

/** The median of the last period of points before this time. */
function moveBefore(unusual: readonly MetricPoint[], timeMs: number, { periodMs }: Pattern): number {
  const earlier = unusual.filter((point) => point.timeMs < timeMs);
  const newest = earlier.at(-1)?.timeMs ?? timeMs;
  return median(earlier.filter((point) => point.timeMs > newest - periodMs).map(({ value }) => value));
}

function isSamePlace(a: number, b: number, { periodMs, toleranceMs }: Pattern): boolean {
  const apart = Math.abs(a - b) % periodMs;
  return Math.min(apart, periodMs - apart) < Math.max(toleranceMs, 1);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
