import type { ColumnProfile } from "@millwright/data";
import type { Partition } from "./partition.ts";

/** What a window says of one column: all that is kept of it. */
export interface WindowStatistics {
  readonly rows: number;
  /** Values that have a place in the distribution. */
  readonly count: number;
  /** Mean score of each contrast, then the share of rows without such a value. */
  readonly values: Float64Array;
  /** Variance within the window of each of them, of one row. */
  readonly within: Float64Array;
  /** Share of the values in each bin. */
  readonly shares: Float64Array;
}

export function statisticsOf(partition: Partition, column: ColumnProfile): WindowStatistics {
  const counts = partition.countsOf(column) ?? new Float64Array(partition.shares.length);
  const count = counts.reduce((sum, each) => sum + each, 0);
  const rows = column.count + column.missing;
  const shares = count === 0 ? counts : counts.map((each) => each / count);
  const contrasts = partition.contrasts.map(({ scores }) => {
    let mean = 0;
    let square = 0;
    for (let bin = 0; bin < scores.length; bin += 1) {
      const [share, score] = [shares[bin] as number, scores[bin] as number];
      mean += share * score;
      square += share * score * score;
    }
    return { mean, variance: Math.max(0, square - mean * mean) };
  });
  const absent = rows === 0 ? 0 : Math.min(1, Math.max(0, (rows - count) / rows));
  return {
    rows,
    count,
    values: Float64Array.of(...contrasts.map(({ mean }) => mean), absent),
    within: Float64Array.of(...contrasts.map(({ variance }) => variance), absent * (1 - absent)),
    shares,
  };
}
