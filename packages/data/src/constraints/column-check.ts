import type { Column, ColumnType } from "@millwright/contracts";
import { isNull, isNumericType, numericColumn } from "../column.ts";
import { asFloat64 } from "../float64.ts";
import { kindOfText, numberOfText } from "../inference/text-kind.ts";
import type { ColumnProfile } from "../profile.ts";
import { type ColumnProfiler, createColumnProfiler } from "../profiler.ts";
import { toArray, valueAt } from "../value.ts";
import type { ColumnConstraint } from "./constraints.ts";

/** What was met of a constrained column. */
export interface ColumnMeasure {
  readonly rows: number;
  /** Rows with a value. */
  readonly count: number;
  /** Values of the inferred type. */
  readonly fitting: number;
  readonly negative: number;
  /** Values in the domain; all of them where there is none. */
  readonly known: number;
  /** For numbers: of the values that are numbers, also of text that writes them. For text: of text and booleans. Absent for other types. */
  readonly profile?: ColumnProfile | undefined;
}

/** Measures a column against its constraint. */
export interface ColumnCheck {
  update(column: Column): void;
  measure(): ColumnMeasure;
}

export function createColumnCheck(constraint: ColumnConstraint, type: ColumnType): ColumnCheck {
  const { inferredType } = constraint;
  if (inferredType === "Integral" || inferredType === "Fractional")
    return checkNumbers(type, inferredType === "Integral");
  return checkTexts(type, constraint.domain);
}

const isText = (type: ColumnType): boolean => type === "utf8" || type === "dictionary";

/** NaN where a text writes no number. */
function numbersOf(column: Column): Float64Array {
  if (isText(column.type)) return Float64Array.from(toArray(column) as (string | null)[], numberIn);
  return isNumericType(column.type) || column.type === "bool"
    ? asFloat64(column)
    : new Float64Array(column.length).fill(Number.NaN);
}

function numberIn(text: string | null): number {
  const kind = text === null ? "String" : kindOfText(text);
  return kind === "Integral" || kind === "Fractional" ? numberOfText(text as string) : Number.NaN;
}

/** Of a typed column all values fit or none; integers written as floats are integers. */
function fitTest(column: Column, integral: boolean): (row: number, value: number) => boolean {
  if (isText(column.type)) {
    const texts = toArray(column) as (string | null)[];
    return (row) => {
      const kind = kindOfText(texts[row] ?? "");
      return kind === "Integral" || (!integral && kind === "Fractional");
    };
  }
  if (!isNumericType(column.type) || column.type === "date" || column.type === "timestamp") return () => false;
  return integral ? (_row, value) => Number.isInteger(value) : () => true;
}

/** Where numbers are written as text, as in CSV, an empty text is a missing number. */
function missingTest(column: Column): (row: number) => boolean {
  if (column.type !== "utf8") return (row) => isNull(column, row);
  return (row) => isNull(column, row) || column.offsets[row] === column.offsets[row + 1];
}

function checkNumbers(type: ColumnType, integral: boolean): ColumnCheck {
  const profiler = createColumnProfiler("float64", {});
  let [rows, count, fitting, negative] = [0, 0, 0, 0];
  return {
    update(column) {
      const values = numbersOf(column);
      const fits = fitTest(column, integral);
      const isMissing = missingTest(column);
      for (let row = 0; row < column.length; row += 1) {
        if (isMissing(row)) continue;
        count += 1;
        if (fits(row, values[row] as number)) fitting += 1;
        if ((values[row] as number) < 0) negative += 1;
      }
      rows += column.length;
      if (type !== "date" && type !== "timestamp") profiler.update(numericColumn("float64", values));
    },
    measure: () => ({ rows, count, fitting, negative, known: count, profile: profiler.profile() }),
  };
}

function checkTexts(type: ColumnType, domain: readonly string[] | undefined): ColumnCheck {
  const profiler: ColumnProfiler | undefined =
    isText(type) || type === "bool" ? createColumnProfiler(type, {}) : undefined;
  const values = domain === undefined ? undefined : new Set(domain);
  let [rows, count, known] = [0, 0, 0];
  return {
    update(column) {
      const texts = isText(type) && values !== undefined ? toArray(column) : undefined;
      for (let row = 0; row < column.length; row += 1) {
        if (isNull(column, row)) continue;
        count += 1;
        if (values === undefined || values.has(String(texts === undefined ? valueAt(column, row) : texts[row])))
          known += 1;
      }
      rows += column.length;
      profiler?.update(column);
    },
    // Whatever can be written is text.
    measure: () => ({
      rows,
      count,
      fitting: count,
      negative: 0,
      known,
      ...(profiler === undefined ? {} : { profile: profiler.profile() }),
    }),
  };
}
