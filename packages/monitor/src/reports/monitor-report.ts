import type { ColumnDrift, DriftReport } from "../drift/compare.ts";
import type { DataQualityIssue } from "../data-quality/data-quality.ts";

/** What is told of one side of a column; of fewer rows than the report's `minimumRows`, only how many there are. */
export interface ColumnFacts {
  readonly count: number;
  readonly missingShare: number;
  /** Numbers only: the share that is NaN or infinite. */
  readonly notFiniteShare?: number | undefined;
  readonly mean?: number | undefined;
  readonly standardDeviation?: number | undefined;
  /** At 5, 25, 50, 75 and 95 %. */
  readonly quantiles?: readonly number[] | undefined;
  /** About how many different values. */
  readonly distinct?: number | undefined;
}

/** Both distributions side by side, as shares of the values of each side. */
export interface ReportChart {
  readonly kind: "numbers" | "categories";
  /** Bins as `from … to`, or categories; the last category is all others. */
  readonly labels: readonly string[];
  readonly baseline: readonly number[];
  readonly current: readonly number[];
}

export interface ReportColumn {
  readonly name: string;
  /** In the data now; in the baseline where the column is gone. */
  readonly type: string;
  readonly verdict: ColumnDrift["verdict"];
  readonly reasons: readonly string[];
  /** The distance of the distributions, in [0, 1], and its p-value as far as they were compared. */
  readonly distance?: number | undefined;
  readonly pValue?: number | undefined;
  readonly baseline?: ColumnFacts | undefined;
  readonly current?: ColumnFacts | undefined;
  readonly chart?: ReportChart | undefined;
}

/** What was found out about data: to be kept, compared and shown. JSON-safe, and of no category that fewer than `minimumRows` rows have. */
export interface MonitorReport {
  readonly formatVersion: 1;
  readonly title: string;
  /** `endpoint/late/variant/main`, or any name. */
  readonly subject?: string | undefined;
  /** UTC milliseconds. */
  readonly timeMs: number;
  readonly verdict: DriftReport["verdict"] | "issues" | "no-data";
  readonly reasons: readonly string[];
  readonly minimumRows: number;
  readonly baselineRows: number;
  readonly rows: number;
  readonly driftedShare: number;
  readonly columns: readonly ReportColumn[];
  readonly issues: readonly DataQualityIssue[];
}
