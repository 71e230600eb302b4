/** p-value of the smallest of `tests` independent p-values: Šidák (1967). */
export const smallestOf = (pValue: number, tests: number): number => -Math.expm1(tests * Math.log1p(-pValue));

/** Where ranks of the history say enough for themselves. */
const tailShare = 0.2;
const smallestTail = 8;
/** From here on the tail is never steeper than theory. */
const farOut = 1 / 16;
/** How many values of the tail the theoretical shape counts for. */
const priorWeight = 8;

/**
 * Calibrates p-values by those of a history in which nothing was wrong. Down to the share of it that makes its tail (a fifth), a p-value becomes its
 * rank, (r + 1)/(n + 1), the p-value of a permutation test (Phipson and Smyth, 2010). Farther down goes a power law, q·(p/u)^γ, fitted to the tail by maximum likelihood as Hill (1975) does and drawn towards
 * the theoretical γ = 1 by a prior. Beyond a sixteenth of the tail, where history says little, it is never steeper than that: what is more extreme than all history is not called rarer than theory calls it.
 */
export function calibrate(history: readonly number[]): (pValue: number) => number {
  const sorted = Float64Array.from(history).sort();
  const { length } = sorted;
  const tail = Math.max(Math.min(smallestTail, length), Math.round(tailShare * length));
  const limit = Math.max(sorted[tail - 1] ?? 1, Number.MIN_VALUE);
  const logs = sorted
    .slice(0, tail)
    .reduce((sum, pValue) => sum + Math.log(limit / Math.max(pValue, Number.MIN_VALUE)), 0);
  const power = (tail - 1 + priorWeight) / (logs + priorWeight);
  const share = tail / (length + 1);
  return (pValue) => {
    if (pValue <= limit * farOut) return share * farOut ** power * (pValue / (limit * farOut)) ** Math.min(1, power);
    if (pValue <= limit) return share * (pValue / limit) ** power;
    const rank = countBelow(sorted, pValue);
    return Math.min(1, (rank + 1) / (length + 1));
  };
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
