// What is told from traces. A trace is a list of [evaluations, regret], one entry where the regret improves.

export const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
export const geometricMean = (values) => Math.exp(mean(values.map(Math.log)));

/** The regret after `at` evaluations; Infinity before the first. */
export function regretAt(trace, at) {
  let regret = Infinity;
  for (const [evaluations, value] of trace) {
    if (evaluations > at) break;
    regret = value;
  }
  return regret;
}

export const medianAt = (traces, at) => median(traces.map((trace) => regretAt(trace, at)));

/**
 * How many evaluations the median of `traces` needs to be as good as `target`; undefined where it never is within `most`.
 * A target below `floor` counts as `floor`: nobody has to beat what is as good as solved.
 */
export function evaluationsToReach(traces, target, most, floor = 0) {
  const wanted = Math.max(target, floor);
  const times = [...new Set(traces.flatMap((trace) => trace.map(([at]) => at)))].toSorted((a, b) => a - b);
  return times.find((at) => at <= most && medianAt(traces, at) <= wanted);
}

/**
 * Two-sided signed-rank test of paired differences. Exact below 26 differences that are not 0, where no two are equal in size; else normal with the
 * correction for ties. Wilcoxon, "Individual comparisons by ranking methods" (1945).
 */
export function signedRank(differences) {
  const kept = differences.filter((value) => value !== 0 && !Number.isNaN(value));
  const count = kept.length;
  if (count === 0) return { p: 1, positive: 0, negative: 0 };
  const { ranks, ties } = ranksOf(kept.map(Math.abs));
  const positive = ranks.reduce((sum, rank, index) => (kept[index] > 0 ? sum + rank : sum), 0);
  const negative = (count * (count + 1)) / 2 - positive;
  const least = Math.min(positive, negative);
  const p = ties.length === 0 && count <= 25 ? exactTail(least, count) : normalTail(least, count, ties);
  return { p: Math.min(1, 2 * p), positive, negative };
}

/** Ranks from 1, equal values share the mean of theirs; `ties` has the sizes of groups of equals. */
export function ranksOf(values) {
  const order = values.map((value, index) => ({ value, index })).toSorted((a, b) => a.value - b.value);
  const ranks = new Array(values.length);
  const ties = [];
  for (let first = 0; first < order.length;) {
    let last = first;
    while (last + 1 < order.length && order[last + 1].value === order[first].value) last += 1;
    for (let index = first; index <= last; index += 1) ranks[order[index].index] = (first + last) / 2 + 1;
    if (last > first) ties.push(last - first + 1);
    first = last + 1;
  }
  return { ranks, ties };
}

/** P(W ≤ least) over all 2^count signs. */
function exactTail(least, count) {
  const ways = new Float64Array((count * (count + 1)) / 2 + 1);
  ways[0] = 1;
  for (let rank = 1; rank <= count; rank += 1)
    for (let total = ways.length - 1; total >= rank; total -= 1) ways[total] += ways[total - rank];
  return ways.slice(0, Math.floor(least) + 1).reduce((sum, value) => sum + value, 0) / 2 ** count;
}

function normalTail(least, count, ties) {
  const variance =
    (count * (count + 1) * (2 * count + 1)) / 24 - ties.reduce((sum, size) => sum + (size ** 3 - size) / 48, 0);
  return lowerNormal((least + 0.5 - (count * (count + 1)) / 4) / Math.sqrt(variance));
}

/** Abramowitz and Stegun (1964), 26.2.17; within 7.5e-8. */
function lowerNormal(z) {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail =
    (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z < 0 ? tail : 1 - tail;
}

/** Holm (1979): p-values that hold together, in the order given. */
export function holm(values) {
  const order = values.map((value, index) => ({ value, index })).toSorted((a, b) => a.value - b.value);
  const adjusted = new Array(values.length);
  let highest = 0;
  for (const [place, { value, index }] of order.entries()) {
    highest = Math.max(highest, Math.min(1, value * (values.length - place)));
    adjusted[index] = highest;
  }
  return adjusted;
}
