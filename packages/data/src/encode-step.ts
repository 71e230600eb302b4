import type { BytesColumn, Column, DictionaryColumn } from "@millwright/contracts";
import { isNull } from "./column.ts";
import { columnType } from "./errors.ts";
import { writeFloat64 } from "./float64.ts";
import { hashBytes, hashText } from "./hash.ts";
import { createTextTable, type TextTable } from "./text-table.ts";
import { categoryOfNumber, type FittedStep, inputKindOf, signedLog } from "./transform-plan.ts";

/** Writes one step's outputs, for one row or for a column, with the same arithmetic. The target is zeros before. */
export interface StepEncoder {
  readonly names: readonly string[];
  /** @param value NaN where there is none. */
  writeNumber(value: number, target: Float32Array, at: number): void;
  writeText(text: string | null, target: Float32Array, at: number): void;
  /** Row `i` goes to `target[at + i·width ..]`. */
  writeColumn(column: Column, target: Float32Array, at: number, width: number): void;
}

type Numeric = Extract<FittedStep, { readonly kind: "numeric" }>;
type OneHot = Extract<FittedStep, { readonly kind: "oneHot" }>;
type Hash = Extract<FittedStep, { readonly kind: "hash" }>;
type Cyclic = Extract<FittedStep, { readonly kind: "cyclic" }>;

export function createStepEncoder(step: FittedStep): StepEncoder {
  switch (step.kind) {
    case "numeric":
      return numberEncoder(step, numericNames(step), numericWriter(step));
    case "cyclic":
      return numberEncoder(step, [`${step.column}_sin`, `${step.column}_cos`], cyclicWriter(step));
    case "oneHot":
      return categoryEncoder(step, oneHotNames(step), oneHotFinder(step));
    case "hash":
      return categoryEncoder(
        step,
        Array.from({ length: step.buckets }, (_, bucket) => `${step.column}#${bucket}`),
        hashFinder(step),
      );
  }
}

type NumberWriter = StepEncoder["writeNumber"];

const numericNames = ({ column, missingIndicator }: Numeric): readonly string[] =>
  missingIndicator ? [column, `${column}_missing`] : [column];

function numericWriter({ fill, missingIndicator, log, offset, divisor }: Numeric): NumberWriter {
  return (value, target, at) => {
    // Infinities were left out of the fit, and would drown every other input.
    const missing = value - value !== 0;
    const filled = missing ? fill : value;
    target[at] = ((log ? signedLog(filled) : filled) - offset) / divisor;
    if (missingIndicator && missing) target[at + 1] = 1;
  };
}

function cyclicWriter({ period }: Cyclic): NumberWriter {
  return (value, target, at) => {
    if (value - value !== 0) return;
    // The remainder first: the sine of a large number loses digits.
    const angle = ((value % period) / period) * 2 * Math.PI;
    target[at] = Math.sin(angle);
    target[at + 1] = Math.cos(angle);
  };
}

const blockRows = 2048;

function numberEncoder(step: Numeric | Cyclic, names: readonly string[], writeNumber: NumberWriter): StepEncoder {
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
function expectKind(step: FittedStep, column: Column): void {
  const kind = inputKindOf(column.type);
  if (kind !== step.input)
    throw columnType(
      step.column,
      column.type,
      `${step.input === "text" ? "text" : `a ${step.input}`}, as when it was fitted,`,
    );
}

/** Which output is 1; −1: none. */
interface CategoryFinder {
  ofText(text: string): number;
  ofBytes(bytes: Uint8Array, start: number, end: number): number;
  ofNumber(value: number): number;
  readonly ofMissing: number;
}

const oneHotNames = ({ column, categories, other }: OneHot): readonly string[] => [
  ...categories.map((category) => `${column}=${category}`),
  ...(other ? [`${column}=(other)`] : []),
];

function oneHotFinder({ categories, fill, other, input }: OneHot): CategoryFinder {
  const positions = new Map(categories.map((category, position) => [category, position]));
  const rest = other ? categories.length : -1;
  const ofText = (text: string): number => positions.get(text) ?? rest;
  const ofNumbers = new Map<number, number>();
  let table: TextTable | undefined;
  return {
    ofText,
    ofBytes(bytes, start, end) {
      table ??= createTextTable(categories);
      const position = table.find(bytes, start, end);
      return position < 0 ? rest : position;
    },
    ofNumber(value) {
      const known = ofNumbers.get(value);
      if (known !== undefined) return known;
      const position = ofText(categoryOfNumber(value, input));
      // Numbers without end must not fill the memory.
      if (ofNumbers.size < 4096) ofNumbers.set(value, position);
      return position;
    },
    ofMissing: fill === null ? -1 : ofText(fill),
  };
}

function hashFinder({ buckets, seed, input }: Hash): CategoryFinder {
  return {
    ofText: (text) => hashText(text, seed) % buckets,
    ofBytes: (bytes, start, end) => hashBytes(bytes, start, end, seed) % buckets,
    ofNumber: (value) => hashText(categoryOfNumber(value, input), seed) % buckets,
    ofMissing: -1,
  };
}

function categoryEncoder(step: OneHot | Hash, names: readonly string[], finder: CategoryFinder): StepEncoder {
  const write = (position: number, target: Float32Array, at: number): void => {
    if (position >= 0) target[at + position] = 1;
  };
  return {
    names,
    writeNumber: (value, target, at) => write(value === value ? finder.ofNumber(value) : finder.ofMissing, target, at),
    writeText: (text, target, at) => write(text === null ? finder.ofMissing : finder.ofText(text), target, at),
    writeColumn(column, target, at, width) {
      expectKind(step, column);
      if (column.type === "dictionary")
        writeDictionary(column, finder, (row, position) => write(position, target, at + row * width));
      else if (column.type === "utf8")
        writeTexts(column, finder, (row, position) => write(position, target, at + row * width));
      else {
        const block = new Float64Array(column.length);
        writeFloat64(column, block);
        for (let row = 0; row < block.length; row += 1) {
          const value = block[row] as number;
          write(value === value ? finder.ofNumber(value) : finder.ofMissing, target, at + row * width);
        }
      }
    },
  };
}

function writeTexts(column: BytesColumn, finder: CategoryFinder, write: (row: number, position: number) => void): void {
  const { values, offsets } = column;
  for (let row = 0; row < column.length; row += 1) {
    const found = isNull(column, row)
      ? finder.ofMissing
      : finder.ofBytes(values, offsets[row] as number, offsets[row + 1] as number);
    write(row, found);
  }
}

function writeDictionary(
  column: DictionaryColumn,
  finder: CategoryFinder,
  write: (row: number, position: number) => void,
): void {
  const { values, offsets, length } = column.dictionary;
  const positions = Int32Array.from({ length }, (_, entry) =>
    finder.ofBytes(values, offsets[entry] as number, offsets[entry + 1] as number),
  );
  for (let row = 0; row < column.length; row += 1) {
    write(row, isNull(column, row) ? finder.ofMissing : (positions[column.values[row] as number] as number));
  }
}
