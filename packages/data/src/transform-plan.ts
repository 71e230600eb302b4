import type { ColumnType, Digest } from "@millwright/contracts";

/** A number as it is, cleaned and scaled: one output. Numbers, dates (days), timestamps (microseconds) and booleans (0, 1). */
export interface NumericStep {
  readonly kind: "numeric";
  readonly column: string;
  /** What stands in for null, NaN and infinities. The median comes from a sketch. Default: `mean`. */
  readonly impute?: "mean" | "median" | number | undefined;
  /** Adds an output `<column>_missing`, 1 where it stood in. Default: false. */
  readonly missingIndicator?: boolean | undefined;
  /** Takes sign(x)·ln(1 + |x|) first. Default: false. */
  readonly log?: boolean | undefined;
  /** `standard`: mean 0, variance 1 (divisor `count`); `minMax`: [0, 1] over the fitted rows. A constant becomes 0. Default: `standard`. */
  readonly scale?: "standard" | "minMax" | "none" | undefined;
}

/** One output per category, 1 for the row's own: text, dictionaries, booleans and numbers. */
export interface OneHotStep {
  readonly kind: "oneHot";
  readonly column: string;
  /** Most categories kept, the most frequent first. Default: 64. */
  readonly maxCategories?: number | undefined;
  /** What null stands for: no category (all 0), the most frequent one, or the given one. Default: `none`. */
  readonly impute?: "none" | "mostFrequent" | { readonly category: string } | undefined;
  /** Adds an output `<column>=(other)` for categories not kept; without it they are all 0. Default: true. */
  readonly other?: boolean | undefined;
}

/** One output per bucket, 1 for the one that the value's hash falls in: for categories without end. Null is all 0. */
export interface HashStep {
  readonly kind: "hash";
  readonly column: string;
  readonly buckets: number;
  /** Default: 0. */
  readonly seed?: number | undefined;
}

/** The sine and cosine of a number that comes around: an hour of the day, a weekday. Null is 0 and 0. */
export interface CyclicStep {
  readonly kind: "cyclic";
  readonly column: string;
  /** In the column's unit: 24 for hours, 86,400,000,000 for timestamps by the day. */
  readonly period: number;
}

/** One output per bucket, 1 for the one that a number falls in; the first and the last have no end. Null, NaN and infinities are all 0. */
export interface BucketStep {
  readonly kind: "bucket";
  readonly column: string;
  /** Growing numbers between the buckets, or how many buckets of about equally many rows, from 2 to 400; equal edges are joined. */
  readonly edges: readonly number[] | { readonly quantiles: number };
}

/**
 * The mean of a target over the training rows of a category, drawn towards the mean of all where there are few (Micci-Barreca, "A preprocessing scheme for
 * high-cardinality categorical attributes", 2001): one output. Categories not seen when it was fitted stand at the mean of all; null is a category.
 * Fit with `fitTransformsOutOfFold` and encode training rows by what that gives for them: their own targets would leak into their inputs.
 */
export interface TargetStep {
  readonly kind: "target";
  readonly column: string;
  /** The label: a number or a boolean. It is read when fitting, never when applying. */
  readonly target: string;
  /** Rows of the mean of all that a category's own rows are mixed with, from 0. Default: 20. */
  readonly smoothing?: number | undefined;
  /** Most categories kept, the most frequent first. Default: 10,000. */
  readonly maxCategories?: number | undefined;
}

/** How often each run of words, or of characters, is in a text, counted by buckets of its hash. In lower case. Null is all 0. */
export interface NgramStep {
  readonly kind: "ngram";
  readonly column: string;
  readonly buckets: number;
  /** What runs are made of: words are runs of letters and digits. Default: `word`. */
  readonly unit?: "word" | "character" | undefined;
  /** Lengths of the runs, from 1 to 8. Default: [1]. */
  readonly sizes?: readonly number[] | undefined;
  /** Whether the counts of a text are divided by the root of the sum of their squares. Default: true. */
  readonly normalize?: boolean | undefined;
  /** Default: 0. */
  readonly seed?: number | undefined;
}

/** Parts of a date, in UTC: `weekday` 1 (Monday) to 7, `month` 1 to 12, `day` and `yearDay` from 1, `hour` 0 to 23, `minute` 0 to 59, `year` as it is written. */
export type DatePart = "year" | "month" | "day" | "yearDay" | "weekday" | "hour" | "minute";

/** Parts of a date or a timestamp: one or two outputs each. Null, and dates beyond the year 275760, are all 0. */
export interface DatePartsStep {
  readonly kind: "dateParts";
  readonly column: string;
  /** In the order of the outputs, each once. */
  readonly parts: readonly DatePart[];
  /** `cyclic`: sine and cosine of a part's share of its period (the year: years since 2000); `number`: as it is. Default: `cyclic`. */
  readonly encoding?: "cyclic" | "number" | undefined;
}

export type TransformStep =
  | NumericStep
  | OneHotStep
  | HashStep
  | CyclicStep
  | BucketStep
  | TargetStep
  | NgramStep
  | DatePartsStep;

/** What to do with which column, in the order of the outputs. A column may be used more than once. */
export type TransformPlan = readonly TransformStep[];

/** Kinds of columns that fitted transforms tell apart. */
export type InputKind = "number" | "bool" | "text";

/** A step with the numbers it was fitted to; JSON-safe. Nothing in it is optional, so that equal transforms are equal JSON. */
export type FittedStep =
  | {
      readonly kind: "numeric";
      readonly column: string;
      readonly input: "number" | "bool";
      readonly fill: number;
      readonly missingIndicator: boolean;
      readonly log: boolean;
      /** The output is (x − offset) / divisor. */
      readonly offset: number;
      readonly divisor: number;
    }
  | {
      readonly kind: "oneHot";
      readonly column: string;
      readonly input: InputKind;
      readonly categories: readonly string[];
      /** The category of nulls; null: none. */
      readonly fill: string | null;
      readonly other: boolean;
    }
  | {
      readonly kind: "hash";
      readonly column: string;
      readonly input: InputKind;
      readonly buckets: number;
      readonly seed: number;
    }
  | { readonly kind: "cyclic"; readonly column: string; readonly input: "number" | "bool"; readonly period: number }
  | {
      readonly kind: "bucket";
      readonly column: string;
      readonly input: "number" | "bool";
      readonly edges: readonly number[];
    }
  | {
      readonly kind: "target";
      readonly column: string;
      readonly input: InputKind;
      readonly categories: readonly string[];
      /** By category. */
      readonly values: readonly number[];
      /** For categories not among them. */
      readonly unseen: number;
      /** For null. */
      readonly missing: number;
    }
  | {
      readonly kind: "ngram";
      readonly column: string;
      readonly input: "text";
      readonly buckets: number;
      readonly unit: "word" | "character";
      readonly sizes: readonly number[];
      readonly normalize: boolean;
      readonly seed: number;
    }
  | {
      readonly kind: "dateParts";
      readonly column: string;
      readonly input: "number";
      /** What the column counts since 1970. */
      readonly unit: "day" | "microsecond";
      readonly parts: readonly DatePart[];
      readonly encoding: "cyclic" | "number";
    };

/** Fitted transforms as they are kept in a model package: plain JSON. Version 1 had no `schemaDigest`, and only the first four kinds of step. */
export type FittedTransforms =
  | { readonly formatVersion: 1; readonly steps: readonly FittedStep[] }
  | {
      readonly formatVersion: 2;
      /** Digest of the columns that are read and their kinds, as `transformSchemaDigest` makes it. */
      readonly schemaDigest: Digest;
      readonly steps: readonly FittedStep[];
    };

/** @returns the kind that transforms see in a column type; undefined for lists and binary. */
export function inputKindOf(type: ColumnType): InputKind | undefined {
  if (type === "bool") return "bool";
  if (type === "utf8" || type === "dictionary") return "text";
  return type === "list" || type === "binary" ? undefined : "number";
}

/** sign(x)·ln(1 + |x|): odd, smooth at 0, defined for every number. */
export function signedLog(value: number): number {
  return value < 0 ? -Math.log1p(-value) : Math.log1p(value);
}

/** How categories of numbers and booleans are written. */
export function categoryOfNumber(value: number, input: InputKind): string {
  return input === "bool" ? String(value === 1) : String(value);
}
