import { memoryOf, memoryOfSpread } from "./memory.ts";

/** One window of history as one component sees it. */
export interface ComponentValue {
  readonly value: number;
  /** Rows that the value is a mean of. */
  readonly count: number;
  /** Variance of one row's score. */
  readonly within: number;
  readonly phase: number;
}

/** How one component goes from window to window while nothing is wrong. */
export interface ComponentNull {
  /** What is expected in a phase, and how far that may be off; `undefined` where history has fewer than two windows of it. */
  expected(phase: number): { readonly mean: number; readonly variance: number } | undefined;
  /** Variance of a window's value of that many rows around what is expected. */
  variance(count: number): number;
  /** Externally studentized distances of the windows of history, each from the others of its phase; NaN where there are no others. */
  readonly scores: Float64Array;
  /** Of the spread: as many as independent windows would have that tell as much of it. */
  readonly degreesOfFreedom: number;
  /** How many rows say as little as one independent row would. */
  readonly inflation: number;
}

/** What independent rows would give; never is a window taken for much steadier than half of it. */
const steadiest = 0.5;

/** @param floor Least variance of one row's score. */
export function fitComponent(values: readonly ComponentValue[], floor: number): ComponentNull {
  const phases = byPhase(values);
  const residuals = residualsOf(values, phases);
  const known = residuals.filter((residual) => !Number.isNaN(residual));
  const used = known.length;
  const degreesOfFreedom = effectiveDegrees(Math.max(1, used - phases.size), memoryOfSpread(known));
  const within = Math.max(floor, meanOf(values.map((each) => each.within)));
  // Of windows that resemble the one before them the mean of a phase is known less well, and it follows each of them: (c − 1)/(c − τ) of the variance is seen.
  const perPhase = used / Math.max(1, phases.size);
  const memory = Math.min(memoryWithin(values, residuals), Math.max(1, perPhase / 4));
  const hidden = perPhase > 1 ? (perPhase - 1) / (perPhase - memory) : 1;
  const seen = spreadOf(values, residuals, within);
  const spread = (rows: number): number => seen(rows) * hidden;
  const scores = Float64Array.from(residuals, (residual, index) =>
    external(residual / Math.sqrt(seen((values[index] as ComponentValue).count)), degreesOfFreedom),
  );
  const typical = meanOf(values.map(({ count }) => count));
  return {
    expected(phase) {
      const found = phases.get(phase);
      if (found === undefined || found.count < 2) return undefined;
      const variance = found.sizes.reduce((sum, size) => sum + spread(size), 0) / found.count ** 2;
      return { mean: found.sum / found.count, variance: variance * memory };
    },
    variance: spread,
    scores,
    degreesOfFreedom,
    inflation: within > 0 ? (spread(typical) * typical) / within : 1,
  };
}

/** With fewer degrees of freedom no window could be more than four standard deviations from windows among which it is itself. */
const fewestDegrees = 16;

/**
 * Of windows that resemble the one before them fewer tell of the spread. It follows each of them and its neighbours, so a window of history looks less extreme by it than the next window will: the degrees of freedom of
 * the spread, not its windows, are what a score is studentized by.
 */
const effectiveDegrees = (degreesOfFreedom: number, memory: number): number =>
  Math.max(Math.min(degreesOfFreedom, fewestDegrees), degreesOfFreedom / memory);

function residualsOf(values: readonly ComponentValue[], phases: ReadonlyMap<number, PhaseSum>): readonly number[] {
  return Array.from(values, ({ value, phase }) => {
    const { count, sum } = phases.get(phase) as PhaseSum;
    // (s − mean of the others)·√((c − 1)/c): of the variance of one window.
    return count < 2 ? Number.NaN : (value - (sum - value) / (count - 1)) * Math.sqrt((count - 1) / count);
  });
}

/** How many windows of a phase tell as much of its mean as an independent one would. */
function memoryWithin(values: readonly ComponentValue[], residuals: readonly number[]): number {
  const last = new Map<number, number>();
  const pairs: [number, number][] = [];
  const known = residuals.filter((residual) => !Number.isNaN(residual));
  for (const [index, { phase }] of values.entries()) {
    const residual = residuals[index] as number;
    if (Number.isNaN(residual)) continue;
    const before = last.get(phase);
    if (before !== undefined) pairs.push([before, residual]);
    last.set(phase, residual);
  }
  return memoryOf(pairs, meanOf(known.map((residual) => residual * residual)));
}

interface PhaseSum {
  count: number;
  sum: number;
  readonly sizes: number[];
}

function byPhase(values: readonly ComponentValue[]): Map<number, PhaseSum> {
  const phases = new Map<number, PhaseSum>();
  for (const { value, count, phase } of values) {
    const known = phases.get(phase) ?? { count: 0, sum: 0, sizes: [] };
    phases.set(phase, known);
    known.count += 1;
    known.sum += value;
    known.sizes.push(count);
  }
  return phases;
}

const meanOf = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The variance of a window's value as a function of its rows: a + d/n by least squares of r²·n on n, both at least 0. What varies between windows
 * whatever their size is in a, autocorrelation in d; with windows of one size the two cannot be told apart, and d takes all.
 */
export function spreadOf(
  values: readonly ComponentValue[],
  residuals: readonly number[],
  within: number,
): (count: number) => number {
  const points = values
    .map(({ count }, index) => ({ count, scaled: (residuals[index] as number) ** 2 * count }))
    .filter(({ scaled }) => !Number.isNaN(scaled));
  const count = meanOf(points.map((point) => point.count));
  const scaled = meanOf(points.map((point) => point.scaled));
  const varied = meanOf(points.map((point) => (point.count - count) ** 2));
  const joint = meanOf(points.map((point) => (point.count - count) * (point.scaled - scaled)));
  let between = varied > 0.01 * count * count ? Math.max(0, joint / varied) : 0;
  let sampling = scaled - between * count;
  if (sampling < 0) {
    between = count > 0 ? scaled / count : 0;
    sampling = 0;
  }
  return (rows) => Math.max(between + sampling / Math.max(1, rows), (steadiest * within) / Math.max(1, rows), 1e-300);
}

/** From a score whose variance was estimated with itself among the windows to one of Student's t: Cook and Weisberg, "Residuals and Influence in Regression" (1982), equation 2.1.7. */
const external = (score: number, degreesOfFreedom: number): number =>
  degreesOfFreedom < 2
    ? score
    : score * Math.sqrt((degreesOfFreedom - 1) / Math.max(degreesOfFreedom - score * score, 1e-6 * degreesOfFreedom));

/** How well history is told by its phases: the mean square of what each window differs from the others of its phase. */
export function lackOfFit(values: readonly ComponentValue[]): number {
  const phases = byPhase(values);
  let sum = 0;
  let used = 0;
  for (const { value, phase } of values) {
    const found = phases.get(phase) as PhaseSum;
    if (found.count < 3) continue;
    sum += ((value - found.sum / found.count) * (found.count / (found.count - 1))) ** 2;
    used += 1;
  }
  // A cycle of which history holds too little tells nothing.
  return used < 0.9 * values.length ? Number.POSITIVE_INFINITY : sum / used;
}
