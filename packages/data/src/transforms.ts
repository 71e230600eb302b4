import type { Batch, Tensor } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { createStepEncoder } from "./encode-step.ts";
import { columnMissing, valueInvalid } from "./errors.ts";
import type { FittedStep, FittedTransforms } from "./transform-plan.ts";

/** A float32 matrix, one row per row of the batch, with the names of its columns. */
export type TransformedBatch = Extract<Tensor, { readonly dtype: "float32" }> & {
  /** `[rows, width]`. */
  readonly shape: readonly [number, number];
  readonly names: readonly string[];
};

/** Fitted transforms, ready to run. A row gives the same bits alone as in a batch. */
export interface CompiledTransforms {
  /** Names of the outputs, `width` of them. */
  readonly names: readonly string[];
  readonly width: number;
  /** The columns that are read, each once. */
  readonly columns: readonly string[];
  /** Throws `DATA_COLUMN_MISSING`, `DATA_COLUMN_TYPE`. Further columns are not looked at. */
  batch(batch: Batch): TransformedBatch;
  /**
   * One row from plain values: numbers, bigints, booleans, texts, Dates for timestamps (and for the dates of `dateParts`); null and undefined where there is none.
   * Writes `width` numbers to `target` from `at` on. Throws `DATA_COLUMN_MISSING` for an absent key, `DATA_VALUE_INVALID`.
   */
  row(values: Readonly<Record<string, unknown>>, target?: Float32Array, at?: number): Float32Array;
}

export function compileTransforms(fitted: FittedTransforms): CompiledTransforms {
  let width = 0;
  const steps = fitted.steps.map((step) => {
    const encoder = createStepEncoder(step);
    const at = width;
    width += encoder.names.length;
    return { step, encoder, at };
  });
  const names = steps.flatMap(({ encoder }) => encoder.names);
  return {
    names,
    width,
    columns: [...new Set(steps.map(({ step }) => step.column))],
    batch(batch) {
      const data = new Float32Array(batch.length * width);
      for (const { step, encoder, at } of steps) encoder.writeColumn(columnOf(batch, step.column), data, at, width);
      return { dtype: "float32", shape: [batch.length, width], data, names };
    },
    row(values, target = new Float32Array(width), at = 0) {
      target.fill(0, at, at + width);
      for (const { step, encoder, at: offset } of steps) {
        const { column, input } = step;
        const value = values[column];
        if (value === undefined && !Object.hasOwn(values, column)) throw columnMissing(column, Object.keys(values));
        if (input === "text") encoder.writeText(textOf(value), target, at + offset);
        else encoder.writeNumber(numberOf(value, step), target, at + offset);
      }
      return target;
    },
  };
}

function textOf(value: unknown): string | null {
  if (value == null) return null;
  if (typeof value !== "string") throw valueInvalid("utf8", 0, value);
  return value;
}

function numberOf(value: unknown, step: FittedStep): number {
  const { input } = step;
  if (value == null) return Number.NaN;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (input === "number") {
    if (typeof value === "number") return value;
    if (typeof value === "bigint") return Number(value);
    if (value instanceof Date)
      return step.kind === "dateParts" && step.unit === "day"
        ? Math.floor(value.getTime() / 86_400_000)
        : value.getTime() * 1000;
  }
  throw valueInvalid(input, 0, value);
}

/** `compileTransforms(fitted).batch(batch)`: compile once where it is used often. */
export function applyTransforms(fitted: FittedTransforms, batch: Batch): TransformedBatch {
  return compileTransforms(fitted).batch(batch);
}
