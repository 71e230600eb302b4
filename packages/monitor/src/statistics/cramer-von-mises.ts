import { parameterInvalid, sampleInvalid } from "../errors.ts";
import { logGamma } from "./special-functions.ts";
import { eachTie, sortedSample, type TestResult } from "./samples.ts";

export interface CramerVonMisesOptions {
  /** `exact` counts rank orders of at most 40 values a side, without ties. Default: `exact` up to 20 values a side, as in SciPy. */
  readonly method?: "exact" | "asymptotic" | undefined;
}

const exactByDefault = 20;
const mostExact = 40;

/**
 * The two-sample test of Cramér and von Mises (Anderson, 1962), ties at the middle of their ranks. Throws `MONITOR_SAMPLE_EMPTY`, `MONITOR_SAMPLE_INVALID` for NaN and for
 * a side with one value, `MONITOR_PARAMETER_INVALID` for exact counting of more than 40 values.
 */
export function cramerVonMises(
  x: Iterable<number>,
  y: Iterable<number>,
  { method }: CramerVonMisesOptions = {},
): TestResult {
  const [a, b] = [sortedSample(x, "first sample"), sortedSample(y, "second sample")];
  const [n, m] = [a.length, b.length];
  if (n < 2 || m < 2) throw sampleInvalid(n < 2 ? "first sample" : "second sample", "it holds one value");
  let [forA, forB] = [0, 0];
  eachTie(a, b, (_value, inA, inB, beforeA, beforeB) => {
    const rank = beforeA + beforeB + (inA + inB + 1) / 2;
    for (let i = 1; i <= inA; i += 1) forA += (rank - beforeA - i) ** 2;
    for (let j = 1; j <= inB; j += 1) forB += (rank - beforeB - j) ** 2;
  });
  const u = n * forA + m * forB;
  const [product, all] = [n * m, n + m];
  const statistic = u / (product * all) - (4 * product - 1) / (6 * all);
  const exact = method === "exact" || (method === undefined && Math.max(n, m) <= exactByDefault);
  if (exact && Math.max(n, m) > mostExact)
    throw parameterInvalid(`exact ranks of ${Math.max(n, m)} values take too long: choose asymptotic`);
  return { statistic, pValue: exact ? exactTail(u, n, m) : limitTail(statistic, n, m) };
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

/** Share of the orders of n and m values whose statistic is at least that of `u`: frequency tables over lattice points, by Xiao, Gordon and Yakovlev (2006). */
function exactTail(u: number, n: number, m: number): number {
  const common = (n * m) / greatestCommonDivisor(n, m);
  const [a, b] = [common / n, common / m];
  const product = n * m;
  const threshold = Math.floor((common ** 2 * (n + m) * (6 * u - product * (4 * product - 1))) / (6 * product ** 2));
  // tables[v]: how often each sum occurs among the paths to (row, v).
  let tables: Map<number, number>[] = Array.from({ length: n + 1 }, (_, v) => new Map(v === 0 ? [[0, 1]] : []));
  for (let row = 0; row <= m; row += 1) {
    const next: Map<number, number>[] = [];
    let beside = new Map<number, number>();
    for (const [v, above] of tables.entries()) {
      const step = (a * v - b * row) ** 2;
      const here = new Map<number, number>();
      for (const table of [beside, above])
        for (const [sum, count] of table) here.set(sum + step, (here.get(sum + step) ?? 0) + count);
      next.push(here);
      beside = here;
    }
    tables = next;
  }
  let [atLeast, total] = [0, 0];
  for (const [sum, count] of tables[n] as Map<number, number>) {
    total += count;
    if (sum >= threshold) atLeast += count;
  }
  return atLeast / total;
}

/** The limit distribution at the statistic scaled to its mean and variance (Anderson, 1962, his eq. 15). */
function limitTail(statistic: number, n: number, m: number): number {
  const [product, all] = [n * m, n + m];
  const mean = (1 + 1 / all) / 6;
  const variance =
    ((all + 1) * (4 * product * all - 3 * (n * n + m * m) - 2 * product)) / (45 * all * all * 4 * product);
  return cramerVonMisesTail(1 / 6 + (statistic - mean) / Math.sqrt(45 * variance));
}

/** Probability that the Cramér–von Mises statistic of infinitely many values exceeds x. */
export function cramerVonMisesTail(x: number): number {
  if (!(x > 0.003)) return 1;
  return x < 0.08 ? 1 - besselSum(x) : smirnovSum(x);
}

/** The distribution function for small x (Anderson and Darling, 1952; Csörgő and Faraway, 1996, their 1.2). */
function besselSum(x: number): number {
  let sum = 0;
  for (let k = 0; k < 100; k += 1) {
    const y = 4 * k + 1;
    const q = (y * y) / (16 * x);
    const term =
      (Math.exp(logGamma(k + 0.5) - logGamma(k + 1) - 2 * q) * Math.sqrt(y) * scaledBessel(q)) /
      (Math.PI ** 1.5 * Math.sqrt(x));
    sum += term;
    if (term < sum * 1e-17) break;
  }
  return sum;
}

/** e^q K_¼(q): ∫ e^(−q (cosh t − 1)) cosh(t/4) dt over t ≥ 0 (DLMF 10.32.9), by the trapezoidal rule. */
function scaledBessel(q: number): number {
  const step = Math.min(0.1, 0.6 / Math.sqrt(q));
  let sum = 0.5;
  for (let index = 1; index < 10_000; index += 1) {
    const t = index * step;
    const decay = q * (Math.cosh(t) - 1);
    if (decay > 50) break;
    sum += Math.exp(-decay) * Math.cosh(t / 4);
  }
  return sum * step;
}

/**
 * The tail by Smirnov's integral (1936): (2/π) Σ (−1)^(k+1) ∫ e^(−x u²/2) √(−u / sin u) du/u over ((2k − 1)π, 2kπ), each by the midpoint rule in the angle that
 * straightens both ends.
 */
function smirnovSum(x: number): number {
  const points = 64;
  let sum = 0;
  for (let k = 1; k < 1_000; k += 1) {
    let integral = 0;
    for (let index = 0; index < points; index += 1) {
      const angle = ((index + 0.5) * Math.PI) / points;
      // From the middle of the interval; −sin u is the cosine of it.
      const offset = (Math.PI / 2) * Math.cos(angle);
      const u = (2 * k - 0.5) * Math.PI + offset;
      integral += (Math.exp((-x * u * u) / 2) * Math.sin(angle)) / Math.sqrt(u * Math.cos(offset));
    }
    const term = (integral * Math.PI * Math.PI) / 2 / points;
    sum += k % 2 === 1 ? term : -term;
    if (term <= Math.abs(sum) * 1e-17) break;
  }
  return Math.min(1, (2 / Math.PI) * sum);
}
