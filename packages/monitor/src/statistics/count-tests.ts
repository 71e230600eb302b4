import { countsInvalid, sampleEmpty } from "../errors.ts";
import type { TestResult } from "./samples.ts";
import { chiSquaredSurvival, normalTails, z95 } from "./distributions.ts";

/** Counts, or shares, of the same categories in the same order. */
export type Counts = readonly number[] | Float64Array;

/** Shares of both sides. Throws `MONITOR_COUNTS_INVALID`, `MONITOR_SAMPLE_EMPTY`. */
function shares(expected: Counts, actual: Counts): readonly [number[], number[]] {
  if (expected.length !== actual.length)
    throw countsInvalid(`one side has ${expected.length} categories, the other ${actual.length}`);
  const normalize = (counts: Counts, name: string): number[] => {
    let total = 0;
    for (const count of counts) {
      if (!(count >= 0 && Number.isFinite(count))) throw countsInvalid(`${count} is no count`);
      total += count;
    }
    if (total === 0) throw sampleEmpty(name);
    return Array.from(counts, (count) => count / total);
  };
  return [normalize(expected, "expected side"), normalize(actual, "actual side")];
}

const sumOver = (p: readonly number[], q: readonly number[], term: (p: number, q: number) => number): number =>
  p.reduce((sum, each, index) => sum + term(each, q[index] as number), 0);

/** What stands for an empty category where a logarithm is taken, as in Evidently. */
const smallestShare = 1e-4;

/** Population stability index, Σ (q − p) ln(q/p); empty categories count as a share of 0.0001. 0: equal; no upper limit. */
export function populationStability(expected: Counts, actual: Counts): number {
  const [p, q] = shares(expected, actual);
  return sumOver(p, q, (a, b) => {
    const [c, d] = [a === 0 ? smallestShare : a, b === 0 ? smallestShare : b];
    return (d - c) * Math.log(d / c);
  });
}

/** Divergence of Kullback and Leibler (1951), Σ p ln(p/q), in nats: 0 for equal shares, ∞ where only the second side lacks a category. */
export function kullbackLeibler(p: Counts, q: Counts): number {
  const [first, second] = shares(p, q);
  return Math.max(
    0,
    sumOver(first, second, (a, b) => (a === 0 ? 0 : a * Math.log(a / b))),
  );
}

/** Total variation distance, half the sum of all differences of shares, in [0, 1]. */
export function totalVariation(expected: Counts, actual: Counts): number {
  const [p, q] = shares(expected, actual);
  return sumOver(p, q, (a, b) => Math.abs(a - b)) / 2;
}

/** Jensen–Shannon distance (Endres and Schindelin, 2003): the root of the divergence, to base 2 by default, so in [0, 1]; to base e, at most √ln 2. */
export function jensenShannon(expected: Counts, actual: Counts, base: "2" | "e" = "2"): number {
  const [p, q] = shares(expected, actual);
  const log = base === "e" ? Math.log : Math.log2;
  const part = (a: number, middle: number): number => (a === 0 ? 0 : (a * log(a / middle)) / 2);
  return Math.sqrt(
    Math.max(
      0,
      sumOver(p, q, (a, b) => part(a, (a + b) / 2) + part(b, (a + b) / 2)),
    ),
  );
}

/** Hellinger distance, in [0, 1]. */
export function hellinger(expected: Counts, actual: Counts): number {
  const [p, q] = shares(expected, actual);
  return Math.sqrt(sumOver(p, q, (a, b) => (Math.sqrt(a) - Math.sqrt(b)) ** 2) / 2);
}

/** Largest difference of a category's share, in [0, 1]. */
export function largestDifference(expected: Counts, actual: Counts): number {
  const [p, q] = shares(expected, actual);
  return p.reduce((largest, each, index) => Math.max(largest, Math.abs(each - (q[index] as number))), 0);
}

export interface ContingencyOptions {
  /** Yates's correction (1934) where only two categories are left. Default: false; SciPy's `chi2_contingency` has it. */
  readonly correction?: boolean | undefined;
}

interface Cell {
  readonly observed: number;
  readonly expected: number;
}

/** The cells of a table of two rows without empty columns. */
function cellsOf(a: Counts, b: Counts): { readonly cells: readonly Cell[]; readonly columns: number } {
  shares(a, b);
  const columns = Array.from(a, (count, index) => [count, b[index] as number] as const).filter(([x, y]) => x + y > 0);
  const totals = [0, 1].map((side) => columns.reduce((sum, column) => sum + (column[side] as number), 0));
  const all = (totals[0] as number) + (totals[1] as number);
  const cells = columns.flatMap((column) =>
    totals.map((total, side) => ({
      observed: column[side] as number,
      expected: ((column[0] + column[1]) * total) / all,
    })),
  );
  return { cells, columns: columns.length };
}

/** Pearson's chi-squared test of two samples of counts (contingency table of two rows); categories empty on both sides are left out. */
export function chiSquaredContingency(
  a: Counts,
  b: Counts,
  { correction = false }: ContingencyOptions = {},
): TestResult {
  const { cells, columns } = cellsOf(a, b);
  const nearer = correction && columns === 2 ? 0.5 : 0;
  const statistic = cells.reduce((sum, { observed, expected }) => {
    const difference = Math.abs(observed - expected);
    return sum + (difference - Math.min(nearer, difference)) ** 2 / expected;
  }, 0);
  return { statistic, pValue: columns < 2 ? 1 : chiSquaredSurvival(statistic, columns - 1) };
}

const likelihood = (cells: readonly Cell[]): number =>
  Math.max(
    0,
    2 *
      cells.reduce(
        (sum, { observed, expected }) => sum + (observed === 0 ? 0 : observed * Math.log(observed / expected)),
        0,
      ),
  );

/** The G-test (Woolf, 1957), the likelihood ratio beside Pearson's test, of two samples of counts; categories empty on both sides are left out. */
export function gTest(a: Counts, b: Counts): TestResult {
  const { cells, columns } = cellsOf(a, b);
  const statistic = likelihood(cells);
  return { statistic, pValue: columns < 2 ? 1 : chiSquaredSurvival(statistic, columns - 1) };
}

/** The G-test of counts against the shares of a reference that counts as exact. A category that the reference lacks gives ∞ and 0. */
export function gTestFit(reference: Counts, actual: Counts): TestResult {
  const [p] = shares(reference, actual);
  const total = Array.from(actual).reduce((sum, count) => sum + count, 0);
  const statistic = likelihood(
    p.map((share, index) => ({ observed: actual[index] as number, expected: share * total })),
  );
  return {
    statistic,
    pValue: statistic === Number.POSITIVE_INFINITY ? 0 : chiSquaredSurvival(statistic, Math.max(1, p.length - 1)),
  };
}

/** Pearson's chi-squared test of counts against the shares of a reference that counts as exact (goodness of fit). */
export function chiSquaredFit(reference: Counts, actual: Counts): TestResult {
  const [p] = shares(reference, actual);
  const total = Array.from(actual).reduce((sum, count) => sum + count, 0);
  const statistic = p.reduce((sum, share, index) => {
    const expected = share * total;
    const count = actual[index] as number;
    return expected === 0 ? (count === 0 ? sum : Number.POSITIVE_INFINITY) : sum + (count - expected) ** 2 / expected;
  }, 0);
  return {
    statistic,
    pValue: statistic === Number.POSITIVE_INFINITY ? 0 : chiSquaredSurvival(statistic, Math.max(1, p.length - 1)),
  };
}

/** Two-sided z-test of two proportions with pooled variance. Throws `MONITOR_SAMPLE_EMPTY`. */
export function twoProportions(hitsA: number, totalA: number, hitsB: number, totalB: number): TestResult {
  if (totalA === 0 || totalB === 0) throw sampleEmpty("one of the samples");
  const pooled = (hitsA + hitsB) / (totalA + totalB);
  const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / totalA + 1 / totalB));
  if (deviation === 0) return { statistic: 0, pValue: 1 };
  const statistic = (hitsA / totalA - hitsB / totalB) / deviation;
  return { statistic, pValue: normalTails(statistic) };
}

/** Wilson's score interval (1927) of a proportion, at 95 %. `[0, 1]` without trials. */
export function wilsonInterval(hits: number, trials: number, z: number = z95): readonly [number, number] {
  if (trials === 0) return [0, 1];
  const share = hits / trials;
  const scale = 1 + (z * z) / trials;
  const middle = (share + (z * z) / (2 * trials)) / scale;
  const half = (z * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials))) / scale;
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** p-values adjusted by Benjamini and Hochberg (1995), in the order given: comparing them with α holds the false discovery rate at α. */
export function benjaminiHochberg(pValues: readonly number[]): number[] {
  const order = Array.from(pValues.keys()).sort((a, b) => (pValues[b] as number) - (pValues[a] as number));
  const adjusted = new Array<number>(pValues.length).fill(1);
  let smallest = 1;
  for (const [position, index] of order.entries()) {
    smallest = Math.min(smallest, ((pValues[index] as number) * pValues.length) / (pValues.length - position));
    adjusted[index] = smallest;
  }
  return adjusted;
}
