import type { Batch, BytesColumn, Column, DictionaryColumn, NumericColumn } from "@millwright/contracts";
import { writeBits } from "./bitmap.ts";
import { columnOf, fieldOf } from "./batch.ts";
import { numericArray, numericColumn, textColumn } from "./column.ts";
import { columnTooLarge, schemaMismatch } from "./errors.ts";
import { sliceColumn } from "./rows.ts";
import { toArray } from "./value.ts";

/**
 * All rows in one batch whose columns own their memory and nothing more. Columns are found by name, in the order of the first batch.
 * Throws `DATA_SCHEMA_MISMATCH`, `DATA_COLUMN_MISSING`, `DATA_COLUMN_TOO_LARGE`, a RangeError without any batch.
 */
export function concatBatches(batches: readonly Batch[]): Batch {
  const [first] = batches;
  if (first === undefined) throw new RangeError("There is no batch to take the columns from.");
  const names = Object.keys(first.columns);
  for (const batch of batches) {
    if (Object.keys(batch.columns).length !== names.length) {
      throw schemaMismatch(`one batch has ${names.length} columns, another ${Object.keys(batch.columns).length}`);
    }
  }
  const length = batches.reduce((rows, batch) => rows + batch.length, 0);
  const columns = names.map(
    (name) =>
      [
        name,
        concatColumns(
          name,
          batches.map((batch) => columnOf(batch, name)),
        ),
      ] as const,
  );
  return { length, columns: Object.fromEntries(columns) };
}

/** A copy whose columns own their memory and nothing more: what to transfer, or to `structuredClone` out of a slice. */
export function copyBatch(batch: Batch): Batch {
  return concatBatches([batch]);
}

/** @returns the column of all rows, copied; `name` is for errors. */
export function concatColumns(name: string, columns: readonly Column[]): Column {
  const [first] = columns;
  if (first === undefined) throw new RangeError("There is no column to concatenate.");
  const wanted = fieldOf(name, first);
  for (const column of columns) {
    const found = fieldOf(name, column);
    if (found.type !== wanted.type || found.items !== wanted.items) {
      throw schemaMismatch(`the column "${name}" is ${found.type} in one batch and ${wanted.type} in another`);
    }
  }
  const length = columns.reduce((rows, column) => rows + column.length, 0);
  const joined = joinedValidity(columns, length);
  const validity = joined === undefined ? {} : { validity: joined };
  switch (first.type) {
    case "bool":
      return { type: "bool", length, values: joinedBits(columns.filter(hasType("bool")), length), ...validity };
    case "utf8":
    case "binary":
      return { ...joinBytesColumns(columns.filter(hasType(first.type)), length, first.type), ...validity };
    case "dictionary":
      return { ...unifyDictionaries(columns.filter(hasType("dictionary"))), ...validity };
    case "list": {
      const lists = columns.filter(hasType("list"));
      const items = lists.map(({ values, offsets, length: rows }) => sliceOfItems(values, offsets, rows));
      return {
        type: "list",
        length,
        values: concatColumns(name, items),
        offsets: joinedOffsets(lists, length),
        ...validity,
      };
    }
    default:
      return joinNumbers(columns as readonly NumericColumn[], length, joined);
  }
}

const hasType =
  <Type extends Column["type"]>(type: Type) =>
  (column: Column): column is Extract<Column, { readonly type: Type }> =>
    column.type === type;

function joinNumbers(
  columns: readonly NumericColumn[],
  length: number,
  validity: Uint8Array | undefined,
): NumericColumn {
  const { type } = columns[0] as NumericColumn;
  const values = numericArray(type, length);
  let at = 0;
  for (const column of columns) {
    (values as Float64Array).set(column.values.subarray(0, column.length) as Float64Array, at);
    at += column.length;
  }
  return numericColumn(type, values, { length, validity });
}

function joinedValidity(columns: readonly Column[], length: number): Uint8Array | undefined {
  if (columns.every(({ validity }) => validity === undefined)) return undefined;
  const bits = new Uint8Array((length + 7) >> 3);
  let at = 0;
  for (const column of columns) {
    writeBits(bits, at, column.validity, column.length);
    at += column.length;
  }
  return bits;
}

function joinedBits(
  columns: readonly { readonly values: Uint8Array; readonly length: number }[],
  length: number,
): Uint8Array {
  const bits = new Uint8Array((length + 7) >> 3);
  let at = 0;
  for (const column of columns) {
    writeBits(bits, at, column.values, column.length);
    at += column.length;
  }
  return bits;
}

interface WithOffsets {
  readonly offsets: Int32Array;
  readonly length: number;
}

const spanOf = ({ offsets, length }: WithOffsets): readonly [number, number] => [offsets[0] ?? 0, offsets[length] ?? 0];

function joinedOffsets(columns: readonly WithOffsets[], length: number): Int32Array {
  const offsets = new Int32Array(length + 1);
  let row = 0;
  let base = 0;
  for (const column of columns) {
    const [start, end] = spanOf(column);
    if (base + end - start > 0x7fffffff) throw columnTooLarge(base + end - start);
    for (let index = 1; index <= column.length; index += 1)
      offsets[row + index] = base + (column.offsets[index] ?? 0) - start;
    row += column.length;
    base += end - start;
  }
  return offsets;
}

function joinBytesColumns(columns: readonly BytesColumn[], length: number, type: BytesColumn["type"]): BytesColumn {
  const offsets = joinedOffsets(columns, length);
  const values = new Uint8Array(offsets[length] ?? 0);
  let at = 0;
  for (const column of columns) {
    const [start, end] = spanOf(column);
    values.set(column.values.subarray(start, end), at);
    at += end - start;
  }
  return { type, length, values, offsets };
}

function sliceOfItems(items: Column, offsets: Int32Array, rows: number): Column {
  const [start, end] = spanOf({ offsets, length: rows });
  return sliceColumn(items, start, end);
}

/** @returns one dictionary column of all rows; entries keep the order in which they are first met. Validity is left to the caller. */
export function unifyDictionaries(columns: readonly DictionaryColumn[]): DictionaryColumn {
  const positions = new Map<string, number>();
  const remaps = new Map<BytesColumn, Int32Array>();
  const length = columns.reduce((rows, column) => rows + column.length, 0);
  const values = new Int32Array(length);
  let at = 0;
  for (const { dictionary, values: indices, length: rows } of columns) {
    let remap = remaps.get(dictionary);
    if (remap === undefined) {
      remap = Int32Array.from(toArray(dictionary) as string[], (text) => {
        const known = positions.get(text) ?? positions.size;
        positions.set(text, known);
        return known;
      });
      remaps.set(dictionary, remap);
    }
    for (let row = 0; row < rows; row += 1, at += 1) values[at] = remap[indices[row] ?? 0] ?? 0;
  }
  return { type: "dictionary", length, values, dictionary: textColumn([...positions.keys()]) };
}
