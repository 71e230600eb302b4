import type { Partition } from "./partition.ts";
import type { WindowStatistics } from "./window-statistics.ts";

/** What windows of one phase usually hold: the mean of them. */
export interface UsualShares {
  readonly windows: number;
  readonly shares: Float64Array;
  readonly missing: number;
}

/** A phase of which history has no window is compared with the mean of all. */
export function usualShares(
  windows: readonly { readonly statistics: WindowStatistics; readonly phase: number }[],
  bins: number,
): (phase: number) => UsualShares {
  const phases = new Map<number, WindowStatistics[]>();
  for (const { statistics, phase } of windows) {
    const known = phases.get(phase);
    if (known === undefined) phases.set(phase, [statistics]);
    else known.push(statistics);
  }
  const usual = new Map([...phases].map(([phase, all]) => [phase, meanShares(all, bins)]));
  const overall = {
    ...meanShares(
      windows.map(({ statistics }) => statistics),
      bins,
    ),
    windows: 0,
  };
  return (phase) => usual.get(phase) ?? overall;
}

function meanShares(all: readonly WindowStatistics[], bins: number): UsualShares {
  const filled = all.filter(({ count }) => count > 0);
  const shares = new Float64Array(bins);
  for (const { shares: own } of filled) {
    for (let bin = 0; bin < bins; bin += 1)
      shares[bin] = (shares[bin] as number) + (own[bin] as number) / filled.length;
  }
  const missing = all.reduce((sum, { values }) => sum + (values.at(-1) as number), 0) / all.length;
  return { windows: all.length, shares, missing };
}

/** The largest difference of the cumulative distributions, exact at the edges of bins, and its bound within them; of one share, for categories. */
export function distancesOf(
  kind: Partition["kind"],
  usual: Float64Array,
  now: Float64Array,
): { readonly distance: number; readonly distanceBelow: number } {
  let [distance, distanceBelow] = [0, 0];
  let [belowA, belowB] = [0, 0];
  for (let bin = 0; bin < usual.length; bin += 1) {
    const [a, b] = [usual[bin] as number, now[bin] as number];
    if (kind === "categories") distance = Math.max(distance, Math.abs(a - b));
    else {
      distance = Math.max(distance, Math.abs(belowA + a - belowB - b));
      distanceBelow = Math.max(distanceBelow, belowA + a - belowB, belowB + b - belowA);
    }
    belowA += a;
    belowB += b;
  }
  return { distance, distanceBelow: Math.max(distance, Math.min(1, distanceBelow)) };
}
