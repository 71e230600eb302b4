import type { BytesColumn, DictionaryColumn } from "@millwright/contracts";
import { isNull } from "./column.ts";
import { writeFloat64 } from "./float64.ts";
import { expectKind, type StepEncoder } from "./step-encoder.ts";
import { createTextTable, type TextTable } from "./text-table.ts";
import { categoryOfNumber, type FittedStep, type InputKind } from "./transform-plan.ts";

/** Which output is 1; −1: none. */
export interface CategoryFinder {
  ofText(text: string): number;
  ofBytes(bytes: Uint8Array, start: number, end: number): number;
  ofNumber(value: number): number;
  readonly ofMissing: number;
}

/** Finds a category's position among those given, for others `unseen`, and where there is none `missing`. */
export function findCategory(
  categories: readonly string[],
  { unseen, missing, input }: { readonly unseen: number; readonly missing: number; readonly input: InputKind },
): CategoryFinder {
  const positions = new Map(categories.map((category, position) => [category, position]));
  const ofText = (text: string): number => positions.get(text) ?? unseen;
  const ofNumbers = new Map<number, number>();
  let table: TextTable | undefined;
  return {
    ofText,
    ofBytes(bytes, start, end) {
      table ??= createTextTable(categories);
      const position = table.find(bytes, start, end);
      return position < 0 ? unseen : position;
    },
    ofNumber(value) {
      const known = ofNumbers.get(value);
      if (known !== undefined) return known;
      const position = ofText(categoryOfNumber(value, input));
      // Numbers without end must not fill the memory.
      if (ofNumbers.size < 4096) ofNumbers.set(value, position);
      return position;
    },
    ofMissing: missing,
  };
}

/** Writes what belongs to a position, which is not −1. */
export type PositionWriter = (position: number, target: Float32Array, at: number) => void;

const writeOne: PositionWriter = (position, target, at) => {
  target[at + position] = 1;
};

/** The encoder of a step that sees categories. */
export function categoryEncoder(
  step: FittedStep,
  names: readonly string[],
  finder: CategoryFinder,
  writePosition: PositionWriter = writeOne,
): StepEncoder {
  const write: PositionWriter = (position, target, at) => {
    if (position >= 0) writePosition(position, target, at);
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
