import type { ColumnType } from "@millwright/contracts";

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

export type TransformStep = NumericStep | OneHotStep | HashStep | CyclicStep;

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
  | { readonly kind: "cyclic"; readonly column: string; readonly input: "number" | "bool"; readonly period: number };

/** Fitted transforms as they are kept in a model package: plain JSON. */
export type FittedTransforms = {
  readonly formatVersion: 1;
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
