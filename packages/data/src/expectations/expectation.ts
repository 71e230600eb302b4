import type { JsonObject } from "@millwright/contracts";

/** What a failed expectation means: only an `error` fails the report. */
export type ExpectationSeverity = "error" | "warning" | "info";

export interface ExpectationOptions {
  /** Default: `"error"`. */
  readonly severity?: ExpectationSeverity | undefined;
  /** What the report calls it; unique in its set. Default: made from the kind and the columns. */
  readonly name?: string | undefined;
}

export interface RowExpectationOptions extends ExpectationOptions {
  /** Share of the rows looked at that must hold, in (0, 1]; a share equal to it passes. Default: 1. */
  readonly mostly?: number | undefined;
}

/** Bounds in the column's unit, inclusive. For `date` and `timestamp` columns also ISO 8601 texts. */
export interface ExpectationBounds {
  readonly min?: number | string | undefined;
  readonly max?: number | string | undefined;
}

export type ComparisonOperator = "<" | "<=" | "=" | "!=" | ">=" | ">";

/** What is known of a whole column: of its finite values, but for `distinctCount`. */
export type ColumnStatistic = "mean" | "standardDeviation" | "min" | "max" | "median" | "p05" | "p95" | "distinctCount";

/** L∞: the largest distance between two cumulative (numbers) or plain (texts) distributions; robust: less what chance explains. */
export type DriftMethod = "Simple" | "Robust";

interface Named {
  readonly name: string;
  readonly severity: ExpectationSeverity;
}

interface OfRows extends Named {
  readonly mostly: number;
}

/**
 * One thing that should hold of a table, as plain JSON. Nulls are looked at by `complete` alone; all others skip rows where a column of theirs is null.
 * Row numbers count from 0 at the first row of the dataset.
 */
export type Expectation =
  | (OfRows & { readonly kind: "complete"; readonly column: string })
  | (OfRows & { readonly kind: "unique"; readonly columns: readonly string[] })
  | (OfRows & { readonly kind: "between"; readonly column: string } & ExpectationBounds)
  | (OfRows & { readonly kind: "match"; readonly column: string; readonly pattern: string; readonly flags: string })
  | (OfRows & { readonly kind: "oneOf"; readonly column: string; readonly values: readonly string[] })
  | (OfRows & {
      readonly kind: "compare";
      readonly left: string;
      readonly operator: ComparisonOperator;
      readonly right: string;
    })
  | (OfRows & { readonly kind: "references"; readonly column: string; readonly reference: string })
  | (OfRows & {
      readonly kind: "monotonic";
      readonly column: string;
      readonly direction: "growing" | "falling";
      readonly strict: boolean;
    })
  | (Named & { readonly kind: "rowCount"; readonly min?: number | undefined; readonly max?: number | undefined })
  | (Named & { readonly kind: "fresh"; readonly column: string; readonly maxAgeMs: number })
  | (Named & {
      readonly kind: "statistic";
      readonly column: string;
      readonly statistic: ColumnStatistic;
      readonly min?: number | undefined;
      readonly max?: number | undefined;
    })
  | (Named & {
      readonly kind: "distribution";
      readonly column: string;
      /** A profile of the column alone, as `profileToJson` writes it. */
      readonly reference: JsonObject;
      readonly maxDistance: number;
      readonly method: DriftMethod;
    });

/** Expectations as they are kept and sent: plain JSON, read back by `parseExpectations`. */
export interface ExpectationSet {
  readonly formatVersion: 1;
  readonly expectations: readonly Expectation[];
}

/** The columns an expectation looks at, in its own order. */
export function columnsOf(expectation: Expectation): readonly string[] {
  switch (expectation.kind) {
    case "rowCount":
      return [];
    case "unique":
      return expectation.columns;
    case "compare":
      return [expectation.left, expectation.right];
    default:
      return [expectation.column];
  }
}
