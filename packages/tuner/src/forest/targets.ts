import type { Random } from "@millwright/contracts";
import { lossesOf } from "../evolution/rank.ts";
import { isFeasible, violationOf } from "../outcome.ts";
import type { SuggestContext, Trial } from "../trial.ts";

/**
 * One number per trial, less being better, for a surrogate to learn. Of several objectives: the augmented Tchebycheff sum with weights drawn anew for each
 * suggestion (Knowles, "ParEGO", IEEE TEVC 10, 2006). Infeasible trials get the worst value; where none is feasible, all get their violation. Pruned
 * trials get their last value, failed and running ones nothing better than the median, so that they draw no other trial near them and chance does not count.
 * @returns `undefined` where no trial completed.
 */
export function trialTargets(
  trials: readonly Trial[],
  context: SuggestContext,
  random: Random,
): Float64Array | undefined {
  const { direction, directions = [direction] } = context;
  const losses = trials.map((trial) => lossesOf(trial, directions));
  const completed = losses.filter((own) => own !== undefined);
  if (completed.length === 0) return undefined;
  const feasible = trials.some((trial, index) => losses[index] !== undefined && isFeasible(trial));
  const scalar =
    directions.length === 1 ? (own: readonly number[]) => own[0] as number : tchebycheff(completed, random);
  const values = trials.map((trial, index) => {
    const own = losses[index];
    if (own === undefined) return undefined;
    return feasible ? (isFeasible(trial) ? scalar(own) : Infinity) : violationOf(trial);
  });
  const finite = values
    .filter((value) => value !== undefined && Number.isFinite(value))
    .sort((a, b) => (a as number) - (b as number)) as number[];
  const worst = finite.at(-1) ?? 0;
  const median = finite[Math.floor(finite.length / 2)] ?? 0;
  return Float64Array.from(trials, (trial, index) => {
    const value = values[index];
    if (value === Infinity) return worst;
    if (value === -Infinity) return finite[0] ?? 0;
    if (value !== undefined) return value;
    const last = trial.state === "pruned" ? trial.intermediates.at(-1)?.[1] : undefined;
    if (last === undefined || !Number.isFinite(last) || directions.length > 1 || !feasible) return median;
    return Math.min(worst, Math.max(median, direction === "minimize" ? last : -last));
  });
}

function tchebycheff(completed: readonly (readonly number[])[], random: Random): (own: readonly number[]) => number {
  const first = completed[0] as readonly number[];
  const lows = first.map((_, index) => Math.min(...completed.map((own) => own[index] as number)));
  const highs = first.map((_, index) => Math.max(...completed.map((own) => own[index] as number)));
  // Uniform on the simplex.
  const raw = first.map(() => -Math.log(1 - random.next()));
  const total = raw.reduce((sum, value) => sum + value, 0);
  return (own) => {
    const terms = own.map((value, index) => {
      const low = lows[index] as number;
      const range = (highs[index] as number) - low;
      return range > 0 ? ((raw[index] as number) / total) * ((value - low) / range) : 0;
    });
    return Math.max(...terms) + 0.05 * terms.reduce((sum, term) => sum + term, 0);
  };
}

/**
 * Logarithms of values moved above 0, so that differences among the best count most: the least value comes to lie a fifth as far above 0 as the quartile lies
 * above it. All 0 where the values are alike.
 */
export function logTargets(values: Float64Array): Float64Array {
  const sorted = values.slice().sort();
  const low = sorted[0] as number;
  const high = sorted.at(-1) as number;
  if (!(high > low)) return values.map(() => 0);
  const quarter = sorted[Math.floor((sorted.length - 1) / 4)] as number;
  const start = low - Math.max(0.2 * (quarter - low), 1e-6 * (high - low));
  return values.map((value) => Math.log((value - start) / (high - start)));
}
