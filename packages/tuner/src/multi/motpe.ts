import { type Losses, nonDominationRanks } from "./domination.ts";
import { referencePointOf } from "./hypervolume.ts";
import { selectByHypervolume } from "./subset-selection.ts";

/**
 * The `count` best points for a multi-objective TPE: whole fronts as long as they fit, then of the next one those that dominate most together.
 * Ozaki, Tanigaki, Watanabe and Onishi 2020, "Multiobjective Tree-Structured Parzen Estimator for Computationally Expensive Optimization Problems", GECCO.
 * @param points Losses of feasible trials.
 * @returns Indices of `points`, ascending.
 */
export function bestByHypervolume(points: readonly Losses[], count: number): number[] {
  if (count >= points.length) return points.map((_, index) => index);
  const ranks = nonDominationRanks(points);
  const chosen: number[] = [];
  for (let rank = 0; chosen.length < count; rank += 1) {
    const front = [...ranks.keys()].filter((index) => ranks[index] === rank);
    if (front.length <= count - chosen.length) chosen.push(...front);
    else {
      const losses = front.map((index) => points[index] as Losses);
      const selected = selectByHypervolume(losses, count - chosen.length, referencePointOf(losses));
      chosen.push(...selected.map((position) => front[position] as number));
    }
  }
  return chosen.sort((a, b) => a - b);
}
