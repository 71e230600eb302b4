import { memoryOf } from "./memory.ts";

/** p-value of the smallest of `tests` independent p-values: Šidák (1967). */
export const smallestOf = (pValue: number, tests: number): number => -Math.expm1(tests * Math.log1p(-pValue));

/** Where ranks of the history say enough for themselves. */
const tailShare = 0.1;
const smallestTail = 8;
/** From here on the tail is never steeper than theory. */
const farOut = 1 / 16;
/** How many values of the tail the theoretical shape counts for. */
const priorWeight = 4;

/**
 * Calibrates p-values by those of a history in which nothing was wrong, in the order of time. Down to the share of it that makes its tail (a tenth, eight values at least), a p-value becomes its
 * rank, (r + 1)/(n + 1), the p-value of a permutation test (Phipson and Smyth, 2010). Farther down goes a power law, q·(p/u)^γ, whose γ is known as well as the tail tells it, as Hill (1975) has it, and a
 * prior that draws it towards the theoretical γ = 1: what comes out is the mean of the law over that knowledge, q·(1 + ln(u/p)/(S + w))^−(k + w), where S is the sum of ln(u/p) of the k values of the tail.
 * Values that resemble those before them count for fewer. Beyond a sixteenth of the tail, where history says little, it is never steeper than theory: what is more extreme than all history is not called rarer than theory calls it.
 */
export function calibrate(history: readonly number[]): (pValue: number) => number {
  const sorted = Float64Array.from(history).sort();
  const { length } = sorted;
  const tail = Math.max(Math.min(smallestTail, length), Math.round(tailShare * length));
  const limit = Math.max(sorted[tail - 1] ?? 1, Number.MIN_VALUE);
  const logs = sorted
    .slice(0, tail)
    .reduce((sum, pValue) => sum + Math.log(limit / Math.max(pValue, Number.MIN_VALUE)), 0);
  const memory = memoryOfRanks(history, sorted);
  const weight = (tail - 1) / memory + priorWeight;
  const total = logs / memory + priorWeight;
  const share = tail / (length + 1);
  const predicted = (ratio: number): number => share * (1 - Math.log(ratio) / total) ** -weight;
  return (pValue) => {
    if (pValue <= limit * farOut) return predicted(farOut) * (pValue / (limit * farOut)) ** Math.min(1, weight / total);
    if (pValue <= limit) return predicted(pValue / limit);
    const rank = countBelow(sorted, pValue);
    return Math.min(1, (rank + 1) / (length + 1));
  };
}

/** How far extremes come in runs, by the ranks of p-values. */
function memoryOfRanks(history: readonly number[], sorted: Float64Array): number {
  const ranks = history.map((pValue) => (countBelow(sorted, pValue) + 0.5) / history.length - 0.5);
  const square = ranks.reduce((sum, rank) => sum + rank * rank, 0) / ranks.length;
  return memoryOf(
    ranks.slice(1).map((rank, index) => [ranks[index] as number, rank]),
    square,
  );
}

function countBelow(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
