import type { Column } from "@millwright/contracts";
import { columnType } from "./errors.ts";
import { writeFloat64 } from "./float64.ts";
import { type FittedStep, inputKindOf } from "./transform-plan.ts";

/** Writes one step's outputs, for one row or for a column, with the same arithmetic. The target is zeros before. */
export interface StepEncoder {
  readonly names: readonly string[];
  /** @param value NaN where there is none. */
  writeNumber(value: number, target: Float32Array, at: number): void;
  writeText(text: string | null, target: Float32Array, at: number): void;
  /** Row `i` goes to `target[at + i·width ..]`. */
  writeColumn(column: Column, target: Float32Array, at: number, width: number): void;
  /** The same for the rows from `start` to `end`, the first of which goes to `at`; absent where a column is only read as a whole. */
  readonly writeRows?:
    | ((column: Column, rows: RowsOf, target: Float32Array, at: number, width: number) => void)
    | undefined;
}

export interface RowsOf {
  readonly start: number;
  readonly end: number;
}

export type NumberWriter = StepEncoder["writeNumber"];

/** Writes many numbers, the first to `at`, each `width` after the one before. */
export type NumbersWriter = (
  values: Float64Array,
  count: number,
  target: Float32Array,
  at: number,
  width: number,
) => void;

const blockRows = 2048;

/** The encoder of a step that sees numbers alone. */
export function numberEncoder(
  step: FittedStep,
  names: readonly string[],
  writeNumber: NumberWriter,
  writeNumbers: NumbersWriter = (values, count, target, at, width) => {
    for (let row = 0; row < count; row += 1) writeNumber(values[row] as number, target, at + row * width);
  },
): StepEncoder {
  const block = new Float64Array(blockRows);
  const writeRows: StepEncoder["writeRows"] = (column, { start, end }, target, at, width) => {
    for (let row = start; row < end; row += blockRows) {
      const count = Math.min(blockRows, end - row);
      writeFloat64(column, block.subarray(0, count), row);
      writeNumbers(block, count, target, at + (row - start) * width, width);
    }
  };
  return {
    names,
    writeNumber,
    writeText: () => {
      throw columnType(step.column, "utf8", "a number or a boolean");
    },
    writeColumn(column, target, at, width) {
      expectKind(step, column);
      writeRows(column, { start: 0, end: column.length }, target, at, width);
    },
    writeRows,
  };
}

/** A number and a boolean are not told apart: both are numbers to these steps. */
export function expectKind(step: FittedStep, column: Column): void {
  const kind = inputKindOf(column.type);
  if (kind !== step.input)
    throw columnType(
      step.column,
      column.type,
      `${step.input === "text" ? "text" : `a ${step.input}`}, as when it was fitted,`,
    );
}
