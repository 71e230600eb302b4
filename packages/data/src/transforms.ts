import type { Batch, Column, Tensor } from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { createStepEncoder } from "./encode-step.ts";
import { expectKind, type StepEncoder } from "./step-encoder.ts";
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
  /** The same, into memory that is there: the batch's first row goes to row `firstRow` of `target`. Throws a RangeError where it has no room. */
  write(batch: Batch, target: Float32Array, firstRow?: number): void;
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
      writeSteps(steps, batch, { target: data, from: 0, width });
      return { dtype: "float32", shape: [batch.length, width], data, names };
    },
    write(batch, target, firstRow = 0) {
      const from = firstRow * width;
      const end = from + batch.length * width;
      if (!(Number.isSafeInteger(from) && from >= 0 && end <= target.length))
        throw new RangeError(
          `Rows ${firstRow} to ${firstRow + batch.length} of ${width} numbers do not fit in ${target.length}.`,
        );
      target.fill(0, from, end);
      writeSteps(steps, batch, { target, from, width });
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

interface PlacedStep {
  readonly step: FittedStep;
  readonly encoder: StepEncoder;
  readonly at: number;
}

/** So few that the rows they are written to stay in the cache from column to column. */
const blockNumbers = 32_768;

function writeSteps(
  steps: readonly PlacedStep[],
  batch: Batch,
  { target, from, width }: { readonly target: Float32Array; readonly from: number; readonly width: number },
): void {
  const inBlocks: { readonly placed: PlacedStep; readonly column: Column }[] = [];
  for (const placed of steps) {
    const column = columnOf(batch, placed.step.column);
    if (placed.encoder.writeRows === undefined) {
      placed.encoder.writeColumn(column, target, from + placed.at, width);
      continue;
    }
    expectKind(placed.step, column);
    inBlocks.push({ placed, column });
  }
  const rows = Math.max(64, Math.min(2_048, Math.floor(blockNumbers / width)));
  for (let start = 0; start < batch.length; start += rows) {
    const end = Math.min(batch.length, start + rows);
    for (const { placed, column } of inBlocks)
      placed.encoder.writeRows?.(column, { start, end }, target, from + start * width + placed.at, width);
  }
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
