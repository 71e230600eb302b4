export type Confidence = 0.9 | 0.95 | 0.99;

/** Two-sided quantiles of the standard normal distribution. */
const quantiles: Readonly<Record<Confidence, number>> = {
  0.9: 1.6448536269514722,
  0.95: 1.959963984540054,
  0.99: 2.5758293035489004,
};

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Where a share lies, by Wilson's score interval (Wilson, "Probable inference, the law of succession, and statistical inference", 1927). From 0 to 1 where there is nothing. */
export function wilsonInterval(successes: number, trials: number, confidence: Confidence): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const z = quantiles[confidence];
  const share = successes / trials;
  const scale = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return { low: successes === 0 ? 0 : centre - half, high: successes === trials ? 1 : centre + half };
}

/** Where a mean lies, by the normal approximation. Without bounds below two values. */
export function meanInterval(
  { count, mean, squares }: { readonly count: number; readonly mean: number; readonly squares: number },
  confidence: Confidence,
): Interval {
  if (count < 2) return { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  const half = quantiles[confidence] * Math.sqrt(squares / (count - 1) / count);
  return { low: mean - half, high: mean + half };
}

/**
 * How likely two paired error counts are to differ at least as much where both models err equally often: the exact form of McNemar's test ("Note on the
 * sampling error of the difference between correlated proportions", 1947), two-sided, on the requests where just one of the two failed.
 */
export function mcNemar(onlyFirst: number, onlySecond: number): number {
  const trials = onlyFirst + onlySecond;
  const fewer = Math.min(onlyFirst, onlySecond);
  // log C(trials, k) by its ratio to the one before: no factorial overflows.
  let logTerm = -trials * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= fewer; k += 1) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((trials - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}

/** Mean and sum of squared deviations while values come (Welford, "Note on a method for calculating corrected sums of squares and products", 1962). */
export interface RunningMean {
  readonly count: number;
  readonly mean: number;
  readonly squares: number;
  add(value: number): void;
}

export function createRunningMean(): RunningMean {
  const state = { count: 0, mean: 0, squares: 0 };
  return {
    get count() {
      return state.count;
    },
    get mean() {
      return state.mean;
    },
    get squares() {
      return state.squares;
    },
    add(value) {
      state.count += 1;
      const before = value - state.mean;
      state.mean += before / state.count;
      state.squares += before * (value - state.mean);
    },
  };
}
