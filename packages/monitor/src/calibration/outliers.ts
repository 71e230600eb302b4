import { type ComponentValue, spreadOf } from "./component-null.ts";
import { studentTTails } from "../statistics/distributions.ts";
import { calibrate, smallestOf } from "./tail.ts";

/** Most windows of history that are left out: of thirty, three. */
const mostLeftOut = 0.1;
/** How unlikely it must be that a history in which nothing was wrong has a window as extreme. */
const unbelievable = 0.01;
/** Squared residuals must shrink by this share before a cycle is believed. */
const worthwhile = 0.1;
/** From the median of absolute values to a standard deviation of the normal distribution. */
const ofNormal = 1.4826;
/** Residuals count for no more standard deviations than this in the spread that they are judged by. */
const mostInfluence = 3;

/** What a component was in each window, by the phases of one cycle; `undefined` where the window has too few rows for it. */
export type ComponentSeries = readonly (ComponentValue | undefined)[];

/**
 * The windows of history that something was wrong in: those that the others, by medians of the same phase and the tail of their own p-values, make unbelievable. Several that hide each other are found together, as Rosner's generalised
 * extreme Studentized deviate (1983) finds them: from the most that may be left out down, until the least extreme of those left out has, by what stays, a p-value below 0.01 over the number of windows. So a history in which nothing
 * was wrong loses a window once in a hundred. At most a tenth of the windows.
 * @param components Each with its series by cycle, the simplest cycle first. @returns their indices.
 */
export function outliersOf(
  components: readonly (readonly ComponentSeries[])[],
  floors: readonly number[],
): ReadonlySet<number> {
  const scores = components.map((byCycle, index) => robustScores(byCycle, floors[index] as number));
  const length = components[0]?.[0]?.length ?? 0;
  const judged = Array.from({ length }, (_, window) => {
    const pValues = scores.flatMap((score) =>
      Number.isNaN(score[window]) ? [] : [studentTTails(score[window] as number, Math.max(1, length - 1))],
    );
    return { window, pValue: pValues.length === 0 ? 1 : smallestOf(Math.min(...pValues), pValues.length) };
  });
  const extreme = judged.toSorted((a, b) => a.pValue - b.pValue);
  const suspects = extreme.filter(({ pValue }) => pValue * length <= 10 * unbelievable).length;
  for (let count = Math.min(suspects, Math.floor(mostLeftOut * length)); count > 0; count -= 1) {
    const out = new Set(extreme.slice(0, count).map(({ window }) => window));
    const rest = judged.filter(({ window }) => !out.has(window)).map(({ pValue }) => pValue);
    if (calibrate(rest)((extreme[count - 1] as { readonly pValue: number }).pValue) * length <= unbelievable)
      return out;
  }
  return new Set();
}

/** Distances from the median of the others of the phase, in standard deviations that a tenth of the windows cannot stretch; by the simplest cycle that no other one beats by a worthwhile share. */
function robustScores(byCycle: readonly ComponentSeries[], floor: number): Float64Array {
  const tried = byCycle.map((series) => {
    const residuals = robustResiduals(series);
    return { series, residuals, spread: medianOf(residuals.map(Math.abs).filter((each) => !Number.isNaN(each))) };
  });
  const [first, ...others] = tried;
  let best = first as (typeof tried)[number];
  for (const each of others) {
    const known = each.residuals.filter((residual) => !Number.isNaN(residual)).length;
    if (known >= 0.9 * each.residuals.length && each.spread ** 2 < (1 - worthwhile) * best.spread ** 2) best = each;
  }
  const most = mostInfluence * ofNormal * best.spread;
  const used = best.series.flatMap((value, index) =>
    value === undefined ? [] : [{ value, residual: best.residuals[index] as number }],
  );
  const values = used.map(({ value }) => value);
  const within = Math.max(floor, values.reduce((sum, value) => sum + value.within, 0) / values.length);
  const spread = spreadOf(
    values,
    used.map(({ residual }) => Math.min(most, Math.max(-most, residual))),
    within,
  );
  return Float64Array.from(best.series, (value, index) =>
    value === undefined ? Number.NaN : (best.residuals[index] as number) / Math.sqrt(spread(value.count)),
  );
}

/** NaN where the phase has fewer than three windows: of two nobody knows which is the outlier. */
function robustResiduals(series: ComponentSeries): readonly number[] {
  const phases = new Map<number, number[]>();
  for (const value of series) {
    if (value === undefined) continue;
    const known = phases.get(value.phase);
    if (known === undefined) phases.set(value.phase, [value.value]);
    else known.push(value.value);
  }
  for (const known of phases.values()) known.sort((a, b) => a - b);
  return series.map((value) => {
    const known = value === undefined ? [] : (phases.get(value.phase) as number[]);
    if (value === undefined || known.length < 3) return Number.NaN;
    return (value.value - medianWithout(known, value.value)) * Math.sqrt((known.length - 1) / known.length);
  });
}

/** The median of sorted values without one of them. */
function medianWithout(sorted: readonly number[], value: number): number {
  const left = sorted.length - 1;
  const at = (rank: number): number => sorted[(sorted[rank] as number) < value ? rank : rank + 1] as number;
  return left % 2 === 1 ? at((left - 1) / 2) : (at(left / 2 - 1) + at(left / 2)) / 2;
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
