import type { Column } from "@millwright/contracts";
import { asFloat64 } from "@millwright/data";
import type { TrainingTask } from "../define-training.ts";
import { labelInvalid } from "../errors.ts";

/** The labels of a batch. Throws `TRAINER_LABEL_INVALID`. @param firstRow How many rows of the data come before. */
export function labelsOf(column: Column, name: string, task: TrainingTask, firstRow: number): Float64Array {
  const values = asFloat64(column);
  const binary = task === "binary";
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row] as number;
    if (binary ? value === 0 || value === 1 : Number.isFinite(value)) continue;
    const shown = Number.isNaN(value) ? "null or NaN" : value;
    throw labelInvalid(name, firstRow + row, shown, binary ? "0 or 1" : "a finite number");
  }
  return values;
}
