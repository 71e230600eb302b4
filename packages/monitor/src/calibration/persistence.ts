import { binomialSurvival } from "../statistics/distributions.ts";
import { calibrate } from "./tail.ts";

/**
 * Makes p-values of "at least `windows` of the last `of` windows are this extreme" from those of single windows: the `windows`-th smallest of the last
 * `of` p-values x, whose chance under independence is P(Bin(of, x) ≥ windows). Where windows depend on each other extremes come in runs; an
 * empirical null then calibrates that chance by the runs of history.
 * @param history p-values of the windows before, in the order of time.
 */
export function persistence(
  { windows, of }: { readonly windows: number; readonly of: number },
  history: readonly number[],
  empirical: boolean,
): (pValue: number) => number {
  if (of === 1) return (pValue) => pValue;
  const recent = history.slice(-of);
  const chance = (last: readonly number[]): number =>
    binomialSurvival(windows - 1, of, last.toSorted((a, b) => a - b)[windows - 1] ?? 1);
  const runs = history.slice(of - 1).map((_, index) => chance(history.slice(index, index + of)));
  const calibrated = empirical ? calibrate(runs) : (pValue: number) => pValue;
  return (pValue) => {
    recent.push(pValue);
    if (recent.length > of) recent.shift();
    return calibrated(chance(recent));
  };
}
