import type { QuantileSketch } from "@millwright/data";

/** What can be wrong with data, apart from its distribution having moved. */
export const dataQualityChecks = [
  "missing-column",
  "extra-column",
  "type",
  "missing",
  "not-finite",
  "range",
  "unseen-category",
  "drift",
  "freshness",
  "volume",
  "duplicates",
] as const;

export type DataQualityCheck = (typeof dataQualityChecks)[number];

/** One thing that is wrong. */
export interface DataQualityIssue {
  readonly check: DataQualityCheck;
  /** The column, or the feature view for `freshness`; absent for the whole table. */
  readonly column?: string | undefined;
  /** For people. It names no value of the data, but for categories that at least `minimumCategoryRows` rows have. */
  readonly description: string;
  /** What was measured: a share in [0, 1], a distance, an age in milliseconds, requests. */
  readonly observed?: number | undefined;
  readonly threshold?: number | undefined;
}

/** What is allowed. Shares are judged by the lower end of their 95 % Wilson interval, so that a handful of rows raises nothing. */
export interface DataQualityLimits {
  /** Rows below which only the schema is judged. Default: 100. */
  readonly minimumRows?: number | undefined;
  /** How much larger than the baseline's the share of nulls may be, in [0, 1]. Default: 0.02. */
  readonly missingShare?: number | undefined;
  /** Largest share of values that are NaN or infinite, in [0, 1]. Default: 0.001, or the baseline's own share where that is larger. */
  readonly notFiniteShare?: number | undefined;
  /** Largest share of numbers outside the baseline's range, in [0, 1]. Default: 0.01. */
  readonly outOfRangeShare?: number | undefined;
  /** How far the range reaches beyond the baseline's smallest and largest number, as a share of their distance, from 0. Default: 0.1. */
  readonly rangeMargin?: number | undefined;
  /** Largest share of values that the baseline's domain lacks, in [0, 1]. Default: 0.01. */
  readonly unseenShare?: number | undefined;
  /** Judges distributions by the constraints' own distance and threshold, as Model Monitor does. Default: true. */
  readonly drift?: boolean | undefined;
  /** Columns that may be more than the baseline has. Default: none. */
  readonly extraColumns?: readonly string[] | undefined;
  /** Columns of the baseline that are not looked at, such as the label, which no request carries. Default: none. */
  readonly ignoredColumns?: readonly string[] | undefined;
  /** Oldest age in milliseconds that the features of a view may have at their 95th percentile, by view; `*` for all others. Default: not judged. */
  readonly maxFeatureAgeMs?: Readonly<Record<string, number>> | undefined;
  /** Fewest and most requests in the window. Default: not judged. */
  readonly requests?: { readonly least?: number | undefined; readonly most?: number | undefined } | undefined;
  /** Largest share of requests whose id was seen before in the window, in [0, 1]. Judged beyond the error of the count, 5 %. Default: 0.1. */
  readonly duplicateShare?: number | undefined;
  /** Fewest rows that a category must have for any description to name it. Default: 10. */
  readonly minimumCategoryRows?: number | undefined;
}

/** What is known of traffic besides its profile. */
export interface TrafficFacts {
  readonly requests: number;
  /** About how many different request ids they had. */
  readonly distinctRequests?: number | undefined;
  /** Ages of features in milliseconds, by view. */
  readonly featureAges?: Readonly<Record<string, QuantileSketch>> | undefined;
}

/** JSON-safe. */
export interface DataQualityReport {
  readonly formatVersion: 1;
  readonly rows: number;
  /** `no-data`: there was nothing to judge, which is no good sign. `not-enough-data`: too few rows for all but the schema, and that is as it should be. */
  readonly verdict: "ok" | "issues" | "not-enough-data" | "no-data";
  readonly issues: readonly DataQualityIssue[];
}
