import type { Batch, Column, Dataset } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { columnMissing, columnType, fitEmpty, transformsInvalid } from "./errors.ts";
import { asFloat64 } from "./float64.ts";
import { addFrequent, emptyFrequent } from "./frequent.ts";
import { emptyMoments, mergeMoments, momentsOf } from "./moments.ts";
import { createQuantileSketcher, quantileOf } from "./quantile-sketch.ts";
import { toArray } from "./value.ts";
import {
  categoryOfNumber,
  type FittedStep,
  type FittedTransforms,
  type InputKind,
  inputKindOf,
  type NumericStep,
  type OneHotStep,
  signedLog,
  type TransformPlan,
  type TransformStep,
} from "./transform-plan.ts";

interface StepFitter {
  update(column: Column): void;
  fitted(): FittedStep;
}

/**
 * Reads the dataset once and fits every step to it. Fit on training rows alone, and apply what comes out everywhere.
 * Throws `DATA_TRANSFORMS_INVALID`, `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`, `DATA_FIT_EMPTY`.
 */
export async function fitTransforms(
  plan: TransformPlan,
  dataset: Dataset,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<FittedTransforms> {
  const fitters = plan.map((step, index) => ({ column: step.column, fitter: createFitter(step, index, dataset) }));
  const columns = [...new Set(fitters.map(({ column }) => column))];
  for await (const batch of dataset.batches({ columns, signal })) feed(fitters, batch);
  return { formatVersion: 1, steps: fitters.map(({ fitter }) => fitter.fitted()) };
}

function feed(fitters: readonly { readonly column: string; readonly fitter: StepFitter }[], batch: Batch): void {
  for (const { column, fitter } of fitters) fitter.update(columnOf(batch, column));
}

function createFitter(step: TransformStep, index: number, { schema }: Dataset): StepFitter {
  const field = schema.find(({ name }) => name === step.column);
  if (field === undefined)
    throw columnMissing(
      step.column,
      schema.map(({ name }) => name),
    );
  const input = inputKindOf(field.type);
  if (input === undefined) throw columnType(step.column, field.type, "a number, a boolean or text");
  const numeric = (): "number" | "bool" => {
    if (input === "text") throw columnType(step.column, field.type, "a number or a boolean");
    return input;
  };
  const invalid = (name: string, problem: string): never => {
    throw transformsInvalid(`step ${index} (${step.column}).${name}`, problem);
  };
  switch (step.kind) {
    case "numeric":
      return fitNumeric(step, numeric());
    case "oneHot":
      if (!((step.maxCategories ?? 1) >= 1)) invalid("maxCategories", "must be at least 1");
      return fitOneHot(step, input);
    case "hash": {
      const { column, buckets, seed = 0 } = step;
      if (!(Number.isInteger(buckets) && buckets >= 1))
        invalid("buckets", `must be a positive integer, not ${buckets}`);
      return { update: () => {}, fitted: () => ({ kind: "hash", column, input, buckets, seed }) };
    }
    case "cyclic": {
      const { column, period } = step;
      if (!(Number.isFinite(period) && period > 0)) invalid("period", `must be a positive number, not ${period}`);
      const kind = numeric();
      return { update: () => {}, fitted: () => ({ kind: "cyclic", column, input: kind, period }) };
    }
    default:
      return invalid("kind", `is unknown: ${String((step as { kind: unknown }).kind)}`);
  }
}

function fitNumeric(step: NumericStep, input: "number" | "bool"): StepFitter {
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

function fitOneHot(step: OneHotStep, input: InputKind): StepFitter {
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
  const count = (category: string): void => void counts.set(category, (counts.get(category) ?? 0) + 1);
  if (input === "text") for (const text of toArray(column)) if (text !== null) count(text as string);
  if (input !== "text")
    for (const value of asFloat64(column)) if (value === value) count(categoryOfNumber(value, input));
  return counts;
}
