import type { Batch, CapturedLabel } from "@millwright/contracts";
import { asFloat64, takeRows } from "@millwright/data";
import type { SampledRows } from "../capture/row-sample.ts";
import { rowsInvalid } from "../errors.ts";
import { truthOf } from "../quality/quality.ts";

/** How the answers and labels of rows are read, as `QualityOptions` has it. */
export interface AnswerOptions {
  /** The output tensor that holds the answer: shape `[rows]`, `[rows, 1]`, or `[rows, 2]` whose second column is the probability. */
  readonly output: string;
  /** `binary`: the output is a probability of the positive label; `regression`: it is the value itself. Default: `binary`. */
  readonly answers?: "binary" | "regression" | undefined;
  /** The label that is positive, for `binary`. Default: true, 1, "1" and "true". */
  readonly positive?: CapturedLabel["value"] | undefined;
}

/** The answered rows of a sample. */
export interface AnsweredRows {
  readonly features: Batch;
  readonly answers: Float64Array;
  /** NaN where none came, or none that is one. */
  readonly truths: Float64Array;
}

/** Throws `MONITOR_ROWS_INVALID`. */
export function answeredRows(
  { features, outputs, labels, length }: SampledRows,
  { output, answers: kind = "binary", positive }: AnswerOptions,
): AnsweredRows {
  const answers = numbersOf(outputs, [output, `${output}[1]`]);
  const answered = pick(length, (row) => Number.isFinite(answers[row]));
  const truth = (row: number): number => {
    const label = labels[row];
    return (label === undefined ? undefined : truthOf(label, { output, kind, positive })) ?? Number.NaN;
  };
  return {
    features: takeRows(features, answered),
    answers: Float64Array.from(answered, (row) => answers[row] as number),
    truths: Float64Array.from(answered, truth),
  };
}

/** Those of the rows whose label came. */
export function labelledRows({ features, answers, truths }: AnsweredRows): AnsweredRows {
  const labelled = pick(truths.length, (row) => !Number.isNaN(truths[row]));
  return {
    features: takeRows(features, labelled),
    answers: Float64Array.from(labelled, (row) => answers[row] as number),
    truths: Float64Array.from(labelled, (row) => truths[row] as number),
  };
}

const pick = (length: number, isWanted: (row: number) => boolean): Int32Array =>
  Int32Array.from(Array.from({ length }, (_, row) => row).filter(isWanted));

/** The first of the columns that is there; NaN where it has no value. Throws `MONITOR_ROWS_INVALID`. */
export function numbersOf({ columns }: Batch, names: readonly string[]): Float64Array {
  const name = names.find((each) => Object.hasOwn(columns, each));
  const column = name === undefined ? undefined : columns[name];
  if (column === undefined)
    throw rowsInvalid(`they have no output "${names[0]}", but ${Object.keys(columns).join(", ") || "none"}`);
  if (column.type !== "float64") throw rowsInvalid(`the output "${name}" is of the type ${column.type}`);
  return asFloat64(column);
}
