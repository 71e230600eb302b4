import type { Batch, Column, ColumnType } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { isNull } from "../column.ts";
import { asFloat64 } from "../float64.ts";
import { keyTexts } from "../key-text.ts";
import { toArray, valueAt } from "../value.ts";
import type { ComparisonOperator, Expectation } from "./expectation.ts";
import type { ReferenceKeys } from "./reference-keys.ts";

/** True, false, or undefined where it cannot be known. */
export type RowTest = (row: number) => boolean | undefined;

/** An expectation that each row meets or not, whatever the others hold. */
export type RowExpectation = Extract<
  Expectation,
  { kind: "complete" | "between" | "match" | "oneOf" | "compare" | "references" }
>;

/** @returns the test of a batch's rows, to be asked only where no column of the expectation is null (but for `complete`). */
export function rowTest(expectation: RowExpectation, batch: Batch, references: ReferenceKeys | undefined): RowTest {
  if (expectation.kind === "compare") return compareTest(expectation, batch);
  const column = columnOf(batch, expectation.column);
  switch (expectation.kind) {
    case "complete":
      return (row) => !isNull(column, row);
    case "between": {
      const values = asFloat64(column);
      const min = boundIn(column.type, expectation.min) ?? Number.NEGATIVE_INFINITY;
      const max = boundIn(column.type, expectation.max) ?? Number.POSITIVE_INFINITY;
      return (row) => (values[row] as number) >= min && (values[row] as number) <= max;
    }
    case "match":
      return matchTest(new RegExp(expectation.pattern, expectation.flags), column);
    case "oneOf": {
      const allowed = new Set(expectation.values);
      const textAt = column.type === "utf8" || column.type === "dictionary" ? textReader(column) : plainReader(column);
      return (row) => allowed.has(textAt(row));
    }
    case "references":
      return referenceTest(keyTexts(expectation.column, column), references);
  }
}

/** Times in the unit of the column: days, or microseconds. */
function boundIn(type: ColumnType, bound: number | string | undefined): number | undefined {
  if (typeof bound !== "string") return bound;
  const milliseconds = Date.parse(bound);
  return type === "date" ? milliseconds / 86_400_000 : milliseconds * 1000;
}

function textReader(column: Column): (row: number) => string {
  const texts = toArray(column) as readonly string[];
  return (row) => texts[row] as string;
}

/** −0 reads "0" as a text. */
const plainReader =
  (column: Column) =>
  (row: number): string =>
    String(valueAt(column, row));

function matchTest(pattern: RegExp, column: Column): RowTest {
  if (column.type === "dictionary") {
    const matches = (toArray(column.dictionary) as readonly string[]).map((text) => pattern.test(text));
    return (row) => matches[column.values[row] as number];
  }
  const textAt = textReader(column);
  return (row) => pattern.test(textAt(row));
}

function referenceTest(keyAt: (row: number) => string | undefined, references: ReferenceKeys | undefined): RowTest {
  const { keys, complete } = references ?? { keys: new Set(), complete: false };
  return (row) => keys.has(keyAt(row) ?? "") || (complete ? false : undefined);
}

function compareTest(expectation: Extract<Expectation, { kind: "compare" }>, batch: Batch): RowTest {
  const [left, right] = [columnOf(batch, expectation.left), columnOf(batch, expectation.right)];
  const holds = comparisons[expectation.operator];
  if (isText(left.type)) {
    const [leftAt, rightAt] = [textReader(left), textReader(right)];
    return (row) => holds(leftAt(row), rightAt(row));
  }
  // Two 64-bit integers are compared exactly; with anything else as floats.
  if (wide.has(left.type) && wide.has(right.type))
    return (row) => holds(valueAt(left, row) as bigint, valueAt(right, row) as bigint);
  const [lefts, rights] = [asFloat64(left), asFloat64(right)];
  return (row) => holds(lefts[row] as number, rights[row] as number);
}

type Comparable = number | bigint | string;

const comparisons: Readonly<Record<ComparisonOperator, (a: Comparable, b: Comparable) => boolean>> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  ">=": (a, b) => a >= b,
  ">": (a, b) => a > b,
};

const wide: ReadonlySet<ColumnType> = new Set(["int64", "uint64", "timestamp"]);
export const isText = (type: ColumnType): boolean => type === "utf8" || type === "dictionary";
