import type { Batch, Column } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { fitEmpty } from "./errors.ts";
import { asFloat64 } from "./float64.ts";
import { addFrequent, emptyFrequent } from "./frequent.ts";
import { emptyMoments, mergeMoments, momentsOf } from "./moments.ts";
import { createQuantileSketcher, quantileOf } from "./quantile-sketch.ts";
import { createRankSketcher, quantilesInSketch } from "./rank-sketch.ts";
import {
  type BucketStep,
  categoryOfNumber,
  type FittedStep,
  type InputKind,
  type NumericStep,
  type OneHotStep,
  signedLog,
  type TargetStep,
} from "./transform-plan.ts";
import { toArray } from "./value.ts";

/** Fits one step. */
export interface StepFitter {
  /** @param firstRow How many rows came before this batch. */
  update(column: Column, batch: Batch, firstRow: number): void;
  /** The step fitted to all rows, or to those outside a fold. Only a target step makes a difference between the two. */
  fitted(withoutFold?: number): FittedStep;
}

/** Which fold a row is in. */
export type FoldOf = (row: number) => number;

export function fitNumeric(step: NumericStep, input: "number" | "bool"): StepFitter {
  const { column, impute = "mean", missingIndicator = false, log = false, scale = "standard" } = step;
  let raw = emptyMoments;
  let seen = emptyMoments;
  let rows = 0;
  const sketcher = createQuantileSketcher();
  return {
    update(each) {
      const values = asFloat64(each);
      rows += values.length;
      raw = mergeMoments(raw, momentsOf(values));
      if (impute === "median") sketcher.addAll(values);
      seen = mergeMoments(seen, log ? momentsOf(values.map(signedLog)) : momentsOf(values));
    },
    fitted() {
      if (raw.count === 0 && typeof impute !== "number") throw fitEmpty(column, `its ${impute}`);
      const fill =
        typeof impute === "number" ? impute : impute === "median" ? quantileOf(sketcher.sketch(), 0.5) : raw.mean;
      // The rows that were filled in are rows too, as they are when the transforms are applied.
      const filled = log ? signedLog(fill) : fill;
      const all = mergeMoments(seen, { count: rows - raw.count, mean: filled, m2: 0, min: filled, max: filled });
      if (all.count === 0 && scale !== "none") throw fitEmpty(column, "its scale");
      return { kind: "numeric", column, input, fill, missingIndicator, log, ...scaleOf(scale, all) };
    },
  };
}

function scaleOf(
  scale: "standard" | "minMax" | "none",
  all: typeof emptyMoments,
): { readonly offset: number; readonly divisor: number } {
  if (scale === "none") return { offset: 0, divisor: 1 };
  const divisor = scale === "standard" ? Math.sqrt(all.m2 / all.count) : all.max - all.min;
  return { offset: scale === "standard" ? all.mean : all.min, divisor: divisor > 0 ? divisor : 1 };
}

/** How many categories are counted for each one kept: far more than enough to find the frequent ones. */
const countedPerKept = 64;

export function fitOneHot(step: OneHotStep, input: InputKind): StepFitter {
  const { column, maxCategories = 64, impute = "none", other = true } = step;
  let frequent = emptyFrequent(Math.max(4096, maxCategories * countedPerKept));
  return {
    update(each) {
      frequent = addFrequent(frequent, countCategories(each, input));
    },
    fitted() {
      const kept = [...frequent.counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, maxCategories);
      if (kept.length === 0) throw fitEmpty(column, "its categories");
      const fill = impute === "none" ? null : impute === "mostFrequent" ? (kept[0]?.[0] ?? null) : impute.category;
      // In order of their names, so that two fits on equal categories agree.
      const categories = kept.map(([category]) => category).sort((a, b) => (a < b ? -1 : 1));
      return { kind: "oneHot", column, input, categories, fill, other };
    },
  };
}

function countCategories(column: Column, input: InputKind): Map<string, number> {
  const counts = new Map<string, number>();
  for (const category of categoriesOf(column, input)) {
    if (category !== null) counts.set(category, (counts.get(category) ?? 0) + 1);
  }
  return counts;
}

/** By row; null where there is none. */
function categoriesOf(column: Column, input: InputKind): readonly (string | null)[] {
  if (input === "text") return toArray(column) as (string | null)[];
  return Array.from(asFloat64(column), (value) => (value === value ? categoryOfNumber(value, input) : null));
}

export function fitBucket({ column, edges }: BucketStep, input: "number" | "bool"): StepFitter {
  if (!("quantiles" in edges)) return { update: () => {}, fitted: () => ({ kind: "bucket", column, input, edges }) };
  const sketcher = createRankSketcher({ epsilon: 0.0025 });
  return {
    update: (each) => sketcher.addAll(asFloat64(each)),
    fitted() {
      const sketch = sketcher.sketch();
      if (sketch.count === 0) throw fitEmpty(column, "its quantiles");
      const shares = Array.from({ length: edges.quantiles - 1 }, (_, at) => (at + 1) / edges.quantiles);
      // A value that many rows share is several quantiles at once; at the least value an edge would have nothing below it.
      const distinct = new Set(quantilesInSketch(sketch, shares).filter((edge) => edge > sketch.min));
      return { kind: "bucket", column, input, edges: [...distinct].map((edge) => edge + 0) };
    },
  };
}

/** Sum of the targets and number of rows. */
interface TargetSum {
  sum: number;
  rows: number;
}

const emptySum = (): TargetSum => ({ sum: 0, rows: 0 });

export function fitTarget(step: TargetStep, input: InputKind, folds: number, foldOf: FoldOf): StepFitter {
  const { column, target, smoothing = 20, maxCategories = 10_000 } = step;
  const byCategory = new Map<string | null, TargetSum[]>();
  const sumsOf = (category: string | null): TargetSum[] => {
    const known = byCategory.get(category) ?? Array.from({ length: folds }, emptySum);
    byCategory.set(category, known);
    return known;
  };
  const total = (sums: readonly TargetSum[], without: number | undefined): TargetSum =>
    sums.reduce(
      (all, { sum, rows }, fold) => (fold === without ? all : { sum: all.sum + sum, rows: all.rows + rows }),
      emptySum(),
    );
  return {
    update(each, batch, firstRow) {
      const targets = asFloat64(columnOf(batch, target));
      for (const [row, category] of categoriesOf(each, input).entries()) {
        const value = targets[row] as number;
        // A row whose target is not known says nothing.
        if (value - value !== 0) continue;
        const sums = sumsOf(category)[foldOf(firstRow + row)] as TargetSum;
        sums.sum += value;
        sums.rows += 1;
      }
    },
    fitted(withoutFold) {
      const all = [...byCategory].map(([category, sums]) => ({ category, ...total(sums, withoutFold) }));
      const whole = all.reduce((left, { sum, rows }) => ({ sum: left.sum + sum, rows: left.rows + rows }), emptySum());
      if (whole.rows === 0) throw fitEmpty(target, `the encoding of "${column}"`);
      const mean = whole.sum / whole.rows + 0;
      const valueOf = ({ sum, rows }: TargetSum): number =>
        rows === 0 ? mean : (sum + smoothing * mean) / (rows + smoothing) + 0;
      const kept = all
        .flatMap(({ category, sum, rows }) => (category === null || rows === 0 ? [] : [{ category, sum, rows }]))
        .toSorted((a, b) => b.rows - a.rows || (a.category < b.category ? -1 : 1))
        .slice(0, maxCategories)
        .toSorted((a, b) => (a.category < b.category ? -1 : 1));
      return {
        kind: "target",
        column,
        input,
        categories: kept.map(({ category }) => category),
        values: kept.map(valueOf),
        unseen: mean,
        missing: valueOf(all.find(({ category }) => category === null) ?? emptySum()),
      };
    },
  };
}
