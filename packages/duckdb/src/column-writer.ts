import duckdb, { type Vector } from "@duckdb/node-bindings";
import type { BytesColumn, Column } from "@millwright/contracts";
import { copyBits } from "./bitmap.ts";

/** Rows DuckDB takes in one vector. */
export const VECTOR_ROWS = 2048;

/** Writes `count` rows of a column from `start` into an empty vector of the matching type. */
export function writeVector(vector: Vector, column: Column, start: number, count: number): void {
  writeValidity(vector, column.validity, start, count);
  switch (column.type) {
    case "bool": {
      const bytes = new Uint8Array(count);
      for (let i = 0, bit = start; i < count; i++, bit++) bytes[i] = (column.values[bit >> 3]! >> (bit & 7)) & 1;
      duckdb.copy_data_to_vector(vector, 0, bytes.buffer, 0, count);
      return;
    }
    case "utf8":
    case "binary":
      writeBytes(vector, column, count, (row) => start + row);
      return;
    case "dictionary": {
      const { values, validity, dictionary } = column;
      // A null row's code holds anything, so it must not be looked up.
      const isPresent = (row: number): boolean =>
        validity === undefined || ((validity[row >> 3]! >> (row & 7)) & 1) === 1;
      writeBytes(vector, dictionary, count, (row) => (isPresent(start + row) ? values[start + row]! : -1));
      return;
    }
    case "list":
      writeList(vector, column.values, column.offsets, start, count);
      return;
    default: {
      const { buffer, byteOffset, BYTES_PER_ELEMENT: size } = column.values;
      duckdb.copy_data_to_vector(vector, 0, buffer as ArrayBuffer, byteOffset + start * size, count * size);
    }
  }
}

function writeValidity(vector: Vector, validity: Uint8Array | undefined, start: number, count: number): void {
  if (validity === undefined || count === 0) return;
  const mask = new Uint8Array(((count + 63) >> 6) << 3);
  copyBits(validity, start, mask, 0, count);
  duckdb.vector_ensure_validity_writable(vector);
  duckdb.copy_data_to_vector_validity(vector, 0, mask.buffer, 0, mask.length);
}

/**
 * Writes strings as 16-byte `string_t`. Those over 12 bytes need a pointer into the vector's own memory: all bytes are handed over as one
 * string, whose place is read back, and the pointers are made from it, so that a vector costs three calls and not one a string.
 * @param rowOf Which row of `source` stands at a place of the vector; -1 for none.
 */
function writeBytes(vector: Vector, source: BytesColumn, count: number, rowOf: (row: number) => number): void {
  const { offsets, values } = source;
  const entries = new Uint8Array(count * 16);
  const words = new Uint32Array(entries.buffer);
  const { first, last, longest } = extentOf(offsets, count, rowOf);
  const base = longest > 12 ? placeBytes(vector, values.subarray(first, last)) - first : 0;
  for (let row = 0; row < count; row++) {
    const at = rowOf(row);
    if (at < 0) continue;
    const from = offsets[at]!;
    const size = offsets[at + 1]! - from;
    words[row * 4] = size;
    const prefix = Math.min(size, size <= 12 ? 12 : 4);
    for (let i = 0; i < prefix; i++) entries[row * 16 + 4 + i] = values[from + i]!;
    if (size > 12) {
      const pointer = base + from;
      words[row * 4 + 2] = pointer >>> 0;
      words[row * 4 + 3] = Math.floor(pointer / 2 ** 32);
    }
  }
  duckdb.copy_data_to_vector(vector, 0, entries.buffer, 0, entries.length);
}

/** The range of bytes that the rows use, and the longest of them. */
function extentOf(
  offsets: Int32Array,
  count: number,
  rowOf: (row: number) => number,
): { readonly first: number; readonly last: number; readonly longest: number } {
  let first = Number.MAX_SAFE_INTEGER;
  let last = 0;
  let longest = 0;
  for (let row = 0; row < count; row++) {
    const at = rowOf(row);
    if (at < 0) continue;
    const from = offsets[at]!;
    const to = offsets[at + 1]!;
    if (from < first) first = from;
    if (to > last) last = to;
    if (to - from > longest) longest = to - from;
  }
  return { first, last, longest };
}

/** Puts more than 12 bytes into the vector's memory and tells where. */
function placeBytes(vector: Vector, bytes: Uint8Array): number {
  duckdb.vector_assign_string_element_len(vector, 0, bytes);
  const entry = duckdb.vector_get_data(vector, 16);
  const words = new Uint32Array(entry.buffer as ArrayBuffer, entry.byteOffset, 4);
  return words[3]! * 2 ** 32 + words[2]!;
}

function writeList(vector: Vector, items: Column, offsets: Int32Array, start: number, count: number): void {
  const first = offsets[start]!;
  const total = offsets[start + count]! - first;
  duckdb.list_vector_reserve(vector, total);
  duckdb.list_vector_set_size(vector, total);
  const entries = new Uint32Array(count * 4);
  for (let row = 0; row < count; row++) {
    entries[row * 4] = offsets[start + row]! - first;
    entries[row * 4 + 2] = offsets[start + row + 1]! - offsets[start + row]!;
  }
  if (total > 0) writeVector(duckdb.list_vector_get_child(vector), items, first, total);
  duckdb.copy_data_to_vector(vector, 0, entries.buffer, 0, entries.length * 4);
}
