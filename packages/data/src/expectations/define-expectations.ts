import type { JsonObject } from "@millwright/contracts";
import { expectationsInvalid } from "../errors.ts";
import type { ColumnProfile } from "../profile.ts";
import { profileToJson } from "../profile-json.ts";
import type {
  ColumnStatistic,
  ComparisonOperator,
  DriftMethod,
  ExpectationBounds,
  ExpectationOptions,
  ExpectationSet,
  RowExpectationOptions,
} from "./expectation.ts";
import { parseExpectations } from "./expectation-json.ts";

/** What an `expect…` function gives, for `defineExpectations`: not validated yet. */
export interface ExpectationDraft {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** Every row has a value. NaN is one. */
export function expectComplete(column: string, options: RowExpectationOptions = {}): ExpectationDraft {
  return { ...options, kind: "complete", column };
}

/** No row repeats the values of an earlier one: such a repeat is the violation, the first of its kind is none. */
export function expectUnique(
  columns: string | readonly string[],
  options: RowExpectationOptions = {},
): ExpectationDraft {
  return { ...options, kind: "unique", columns: typeof columns === "string" ? [columns] : columns };
}

/** Every value lies within the bounds, which belong to it; NaN never does. 64-bit integers beyond 2^53 count as the nearest float. */
export function expectBetween(column: string, options: ExpectationBounds & RowExpectationOptions): ExpectationDraft {
  return { ...options, kind: "between", column };
}

/** Every text has a part that the pattern matches: anchor it with `^` and `$` to speak of the whole. The flags g and y are refused. */
export function expectMatch(
  column: string,
  pattern: RegExp | string,
  options: RowExpectationOptions = {},
): ExpectationDraft {
  const [source, flags] = typeof pattern === "string" ? [pattern, ""] : [pattern.source, pattern.flags];
  return { ...options, kind: "match", column, pattern: source, flags };
}

/** Every value is one of these. Numbers and booleans are compared as their shortest text. */
export function expectOneOf(
  column: string,
  values: readonly (string | number | bigint | boolean)[],
  options: RowExpectationOptions = {},
): ExpectationDraft {
  return { ...options, kind: "oneOf", column, values: values.map(String) };
}

/** In every row the two columns stand in this relation. Both must be text, both numbers, or both of one type. */
export function expectCompare(
  left: string,
  operator: ComparisonOperator,
  right: string,
  options: RowExpectationOptions = {},
): ExpectationDraft {
  return { ...options, kind: "compare", left, operator, right };
}

/** Every value stands in the named reference, which `evaluateExpectations` is given: a foreign key. */
export function expectReferences(
  column: string,
  reference: string,
  options: RowExpectationOptions = {},
): ExpectationDraft {
  return { ...options, kind: "references", column, reference };
}

/** Values never fall (or never grow) from row to row; `strict`: nor stay equal. Defaults: `"growing"`, false. */
export function expectMonotonic(
  column: string,
  options: RowExpectationOptions & {
    readonly direction?: "growing" | "falling" | undefined;
    readonly strict?: boolean | undefined;
  } = {},
): ExpectationDraft {
  return { direction: "growing", strict: false, ...options, kind: "monotonic", column };
}

/** The table has so many rows, bounds inclusive. */
export function expectRowCount(
  options: { readonly min?: number | undefined; readonly max?: number | undefined } & ExpectationOptions,
): ExpectationDraft {
  return { ...options, kind: "rowCount" };
}

/** The newest time of a `date` or `timestamp` column is at most `maxAgeMs` milliseconds before the `nowMs` of the evaluation. */
export function expectFresh(
  column: string,
  options: { readonly maxAgeMs: number } & ExpectationOptions,
): ExpectationDraft {
  return { ...options, kind: "fresh", column };
}

/** A statistic of the whole column lies within bounds, inclusive. Quantiles and distinct values are those of the profile, with its errors. */
export function expectStatistic(
  column: string,
  statistic: ColumnStatistic,
  options: { readonly min?: number | undefined; readonly max?: number | undefined } & ExpectationOptions,
): ExpectationDraft {
  return { ...options, kind: "statistic", column, statistic };
}

/** The column is distributed like the reference: `distributionDistance` is at most `maxDistance`. Defaults: 0.1, `"Robust"`. */
export function expectDistribution(
  column: string,
  reference: ColumnProfile,
  options: {
    readonly maxDistance?: number | undefined;
    readonly method?: DriftMethod | undefined;
  } & ExpectationOptions = {},
): ExpectationDraft {
  const rows = reference.count + reference.missing;
  const json: JsonObject = profileToJson({ rows, columns: { [column]: reference } });
  return { maxDistance: 0.1, method: "Robust", ...options, kind: "distribution", column, reference: json };
}

/**
 * Checks the expectations and names those without a name.
 * Throws `DATA_EXPECTATIONS_INVALID`, which names the place and the value's fault: bounds that exclude each other, a broken pattern, a name used twice.
 */
export function defineExpectations(expectations: readonly ExpectationDraft[]): ExpectationSet {
  if (expectations.length === 0) throw expectationsInvalid("expectations", "must hold at least one");
  return parseExpectations({ formatVersion: 1, expectations });
}
