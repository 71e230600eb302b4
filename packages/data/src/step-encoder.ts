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
}

export type NumberWriter = StepEncoder["writeNumber"];

const blockRows = 2048;

/** The encoder of a step that sees numbers alone. */
export function numberEncoder(step: FittedStep, names: readonly string[], writeNumber: NumberWriter): StepEncoder {
  return {
    names,
    writeNumber,
    writeText: () => {
      throw columnType(step.column, "utf8", "a number or a boolean");
    },
    writeColumn(column, target, at, width) {
      expectKind(step, column);
      const block = new Float64Array(Math.min(blockRows, column.length));
      for (let start = 0; start < column.length; start += blockRows) {
        writeFloat64(column, block, start);
        const rows = Math.min(blockRows, column.length - start);
        for (let row = 0; row < rows; row += 1) writeNumber(block[row] as number, target, at + (start + row) * width);
      }
    },
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
