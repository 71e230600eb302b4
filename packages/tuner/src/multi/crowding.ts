import type { Losses } from "./domination.ts";

/**
 * How far the neighbours of each point are apart, summed over the objectives, each by its range: infinite for the outermost, 0 in an objective where all are
 * equal. Deb, Pratap, Agarwal and Meyarivan 2002, IEEE TEVC 6, section III.B.
 */
export function crowdingDistances(points: readonly Losses[]): Float64Array {
  const distances = new Float64Array(points.length);
  const objectives = points[0]?.length ?? 0;
  for (let objective = 0; objective < objectives; objective += 1) {
    const lossOf = (index: number): number => points[index]?.[objective] as number;
    const order = points.map((_, index) => index).sort((a, b) => compareNumbers(lossOf(a), lossOf(b)));
    const losses = order.map(lossOf);
    const finite = losses.filter((loss) => Number.isFinite(loss));
    if (losses[0] === losses.at(-1)) continue;
    const range = (finite.at(-1) ?? 0) - (finite[0] ?? 0);
    for (const [rank, index] of order.entries()) {
      const before = losses[rank - 1] ?? -Infinity;
      const after = losses[rank + 1] ?? Infinity;
      if (before !== after)
        distances[index] = (distances[index] as number) + (after - before) / (range > 0 ? range : 1);
    }
  }
  return distances;
}

const compareNumbers = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0);
