import { parameterInvalid, sampleInvalid } from "../errors.ts";
import { normalSurvival } from "./distributions.ts";
import { type Alternative, checkAlternative, eachTie, pooledSample, sortedSample, type TestResult } from "./samples.ts";

export interface MannWhitneyOptions {
  /** `exact` counts rank orders and knows no ties. Default: `exact` where one side has at most 8 values and nothing is tied, as in SciPy. */
  readonly method?: "exact" | "asymptotic" | undefined;
  /** Default: `two-sided`. */
  readonly alternative?: Alternative | undefined;
  /** Take ½ from the asymptotic statistic. Default: true. */
  readonly continuity?: boolean | undefined;
}

/** Up to so many values on one side the exact distribution is the default. */
const exactUpTo = 8;
/** Most steps that counting rank orders may take. */
const mostSteps = 2e9;

/**
 * The test of Mann and Whitney (1947): how often a value of the first sample exceeds one of the second, ties as halves. Throws `MONITOR_SAMPLE_EMPTY`,
 * `MONITOR_SAMPLE_INVALID` for NaN or where all values are equal and `MONITOR_PARAMETER_INVALID` where exact counting would take minutes.
 */
export function mannWhitney(
  x: Iterable<number>,
  y: Iterable<number>,
  { method, alternative = "two-sided", continuity = true }: MannWhitneyOptions = {},
): TestResult {
  checkAlternative(alternative);
  const [a, b] = [sortedSample(x, "first sample"), sortedSample(y, "second sample")];
  const [n, m] = [a.length, b.length];
  let wins = 0;
  let ties = 0;
  eachTie(a, b, (_value, inA, inB, _beforeA, beforeB) => {
    wins += inA * (beforeB + inB / 2);
    const together = inA + inB;
    ties += together ** 3 - together;
  });
  const losses = n * m - wins;
  const decisive = alternative === "greater" ? wins : alternative === "less" ? losses : Math.max(wins, losses);
  const sides = alternative === "two-sided" ? 2 : 1;
  const exact = method === "exact" || (method === undefined && Math.min(n, m) <= exactUpTo && ties === 0);
  const tail = exact ? exactTail(Math.floor(decisive), n, m) : limitTail(decisive, { n, m, ties, continuity });
  return { statistic: wins, pValue: Math.min(1, sides * tail) };
}

function limitTail(
  decisive: number,
  {
    n,
    m,
    ties,
    continuity,
  }: { readonly n: number; readonly m: number; readonly ties: number; readonly continuity: boolean },
): number {
  const all = n + m;
  const variance = ((n * m) / 12) * (all + 1 - ties / (all * (all - 1)));
  if (!(variance > 0)) throw sampleInvalid("two samples", "all their values are equal");
  return normalSurvival((decisive - (n * m) / 2 - (continuity ? 0.5 : 0)) / Math.sqrt(variance));
}

/** Probability of at least `wins` among all orders of n and m distinct values. */
function exactTail(wins: number, n: number, m: number): number {
  const [few, many] = [Math.min(n, m), Math.max(n, m)];
  const fewest = Math.min(wins, n * m - wins);
  const counts = few <= exactUpTo ? countsByProduct(few, many, fewest) : countsBySum(few, many, fewest);
  let total = 1;
  for (let i = 1; i <= few; i += 1) total *= (many + i) / i;
  let below = 0;
  for (const count of counts) below += count;
  // The distribution is symmetric: as many orders have at least `wins` as have at most n·m − wins.
  if (wins >= n * m - wins) return below / total;
  return 1 - (below - (counts[fewest] as number)) / total;
}

/** How many orders have 0, 1, … `most` wins: the coefficients of Π (1 − q^(many + i)) / (1 − q^i). */
function countsByProduct(few: number, many: number, most: number): Float64Array {
  const counts = new Float64Array(most + 1);
  counts[0] = 1;
  for (let i = 1; i <= few; i += 1) {
    for (let u = i; u <= most; u += 1) counts[u] = (counts[u] as number) + (counts[u - i] as number);
    const shift = many + i;
    for (let u = most; u >= shift; u -= 1) counts[u] = (counts[u] as number) - (counts[u - shift] as number);
  }
  return counts;
}

/** The same by sums alone, which lose nothing where the counts have more than 53 bits. */
function countsBySum(few: number, many: number, most: number): Float64Array {
  if (few * many * (most + 1) > mostSteps)
    throw parameterInvalid(`exact ranks of ${few} and ${many} values take too long: choose asymptotic`);
  const rows = Array.from({ length: few + 1 }, () => {
    const counts = new Float64Array(most + 1);
    counts[0] = 1;
    return counts;
  });
  // rows[i]: orders of i values among j others, j growing.
  for (let j = 1; j <= many; j += 1)
    for (let i = 1; i <= few; i += 1) {
      const [here, fewer] = [rows[i] as Float64Array, rows[i - 1] as Float64Array];
      for (let u = most; u >= j; u -= 1) here[u] = (here[u] as number) + (fewer[u - j] as number);
    }
  return rows[few] as Float64Array;
}

export interface AndersonDarlingResult extends TestResult {
  /** The table ends here: the true p-value is at least 0.25, or at most 0.001. */
  readonly bound?: "at-least" | "at-most" | undefined;
}

/** Table 2 of Scholz and Stephens (1987): critical values at these levels are b0 + b1/√m + b2/m for m = samples − 1. */
const levels = [0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001];
const b0 = [0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085];
const b1 = [-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615];
const b2 = [-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154];

export interface AndersonDarlingOptions {
  /** How equal values count: at the middle of their ranks (their eq. 7) or at the last (eq. 6). Default: `middle`. */
  readonly ties?: "middle" | "last" | undefined;
}

/**
 * The k-sample test of Scholz and Stephens, "K-sample Anderson–Darling tests" (1987): the standardized statistic, and a p-value from their table, log-quadratic
 * within it and cut at 0.25 and 0.001 as SciPy does; `bound` tells where. Throws `MONITOR_SAMPLE_EMPTY`, and `MONITOR_SAMPLE_INVALID` for NaN, equal values
 * throughout, or fewer than four values; `MONITOR_PARAMETER_INVALID` for fewer than two samples.
 */
export function andersonDarling(
  samples: readonly Iterable<number>[],
  { ties = "middle" }: AndersonDarlingOptions = {},
): AndersonDarlingResult {
  if (samples.length < 2) throw parameterInvalid("there are fewer than two samples");
  const sorted = samples.map((sample, index) => sortedSample(sample, `sample ${index}`));
  const sizes = sorted.map((sample) => sample.length);
  const pooled = pooledSample(sorted);
  const all = pooled.length;
  if (pooled[0] === pooled.at(-1)) throw sampleInvalid("samples", "all their values are equal");
  if (all < 4) throw sampleInvalid("samples", "they hold fewer than four values together");
  const distance = sorted.reduce((sum, sample) => sum + scholzStephens(sample, pooled, ties), 0);
  const raw = ties === "middle" ? (distance * (all - 1)) / all : distance;
  const statistic = (raw - (sizes.length - 1)) / Math.sqrt(varianceOf(sizes, all));
  return { statistic, ...tabulated(statistic, sizes.length - 1) };
}

/** One sample's part of the statistic. */
function scholzStephens(sample: Float64Array, pooled: Float64Array, ties: "middle" | "last"): number {
  const [n, all] = [sample.length, pooled.length];
  let sum = 0;
  for (let i = 0, j = 0; i < all;) {
    const value = pooled[i] as number;
    const [start, before] = [i, j];
    while (i < all && pooled[i] === value) i += 1;
    while (j < n && sample[j] === value) j += 1;
    const together = i - start;
    if (ties === "middle") {
      const rank = start + together / 2;
      const inner = all * (before + (j - before) / 2) - rank * n;
      sum += ((together / all) * inner * inner) / (rank * (all - rank) - (all * together) / 4);
    } else if (i < all) {
      const inner = all * j - i * n;
      sum += ((together / all) * inner * inner) / (i * (all - i));
    }
  }
  return sum / n;
}

/** Variance of the statistic, their eq. 4. */
function varianceOf(sizes: readonly number[], all: number): number {
  const k = sizes.length;
  const inverse = sizes.reduce((sum, size) => sum + 1 / size, 0);
  let h = 0;
  let g = 0;
  for (let i = 1; i < all - 1; i += 1) {
    h += 1 / (all - i);
    g += h / (i + 1);
  }
  h += 1;
  const a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * inverse;
  const b = (2 * g - 4) * k * k + 8 * h * k + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6;
  const c = (6 * h + 2 * g - 2) * k * k + (4 * h - 4 * g + 6) * k + (2 * h - 6) * inverse + 4 * h;
  const d = (2 * h + 6) * k * k - 4 * h * k;
  return (a * all ** 3 + b * all ** 2 + c * all + d) / ((all - 1) * (all - 2) * (all - 3));
}

function tabulated(statistic: number, m: number): { readonly pValue: number; readonly bound?: "at-least" | "at-most" } {
  const critical = levels.map(
    (_, index) => (b0[index] as number) + (b1[index] as number) / Math.sqrt(m) + (b2[index] as number) / m,
  );
  if (statistic < Math.min(...critical)) return { pValue: 0.25, bound: "at-least" };
  if (statistic > Math.max(...critical)) return { pValue: 0.001, bound: "at-most" };
  return { pValue: Math.exp(quadraticFit(critical, levels.map(Math.log), statistic)) };
}

/** The least-squares parabola through the points, at `x`: orthogonal polynomials, so that nothing cancels. */
function quadraticFit(xs: readonly number[], ys: readonly number[], x: number): number {
  const n = xs.length;
  const mean = xs.reduce((sum, each) => sum + each, 0) / n;
  const centered = xs.map((each) => each - mean);
  const squares = centered.reduce((sum, each) => sum + each ** 2, 0);
  const skew = centered.reduce((sum, each) => sum + each ** 3, 0) / squares;
  const second = (each: number): number => each * each - skew * each - squares / n;
  const project = (basis: (each: number) => number, at: number): number => {
    const weights = centered.map(basis);
    const top = weights.reduce((sum, each, index) => sum + each * (ys[index] as number), 0);
    return (top / weights.reduce((sum, each) => sum + each * each, 0)) * basis(at);
  };
  const at = x - mean;
  return project(() => 1, at) + project((each) => each, at) + project(second, at);
}
