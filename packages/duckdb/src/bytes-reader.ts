import duckdb, { type Vector } from "@duckdb/node-bindings";
import { createBitmapBuilder } from "./bitmap.ts";
import { validityOf, withoutAbsentValidity, type ColumnReader } from "./vector.ts";

/** Strings up to this length stand in the vector itself, longer ones behind a pointer. */
const INLINE_BYTES = 12;
/** The C API aligns heap strings: neighbours lie a few bytes apart. */
const LARGEST_GAP = 16;

const pointerBytes = new ArrayBuffer(8);
const pointerWords = new Uint32Array(pointerBytes);

/** Copies memory that belongs to the vector just loaded. */
function readHeap(pointer: number, bytes: number): Uint8Array {
  pointerWords[0] = pointer >>> 0;
  pointerWords[1] = Math.floor(pointer / 2 ** 32);
  return duckdb.get_data_from_pointer(pointerBytes, 0, bytes);
}

/** A chunk's strings, one after another. */
interface Strings {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
}

/** Reads VARCHAR and BLOB: 16-byte `string_t` of length, 4-byte prefix and pointer, or 12 inline bytes. */
export function createBytesReader(type: "utf8" | "binary"): ColumnReader {
  let loaded: Strings = { bytes: new Uint8Array(0), offsets: new Int32Array(1) };
  let mask: Uint8Array | undefined;
  let values = new Uint8Array(16_384);
  let used = 0;
  let offsets = new Int32Array(2049);
  let length = 0;
  let validity = createBitmapBuilder();
  return {
    load(vector, rows) {
      mask = validityOf(vector, rows);
      loaded = decodeStrings(vector, rows, mask);
    },
    take(start, count) {
      const from = loaded.offsets[start]!;
      const size = loaded.offsets[start + count]! - from;
      if (used + size > 0x7fff_ffff) {
        throw new RangeError("A batch's text takes more than 2 GiB: ask for fewer rows with `batchRows`.");
      }
      if (values.length < used + size) {
        const larger = new Uint8Array(Math.max(used + size, values.length * 2));
        larger.set(values.subarray(0, used));
        values = larger;
      }
      if (offsets.length < length + count + 1) {
        const larger = new Int32Array(Math.max(length + count + 1, offsets.length * 2));
        larger.set(offsets);
        offsets = larger;
      }
      values.set(loaded.bytes.subarray(from, from + size), used);
      for (let i = 1; i <= count; i++) offsets[length + i] = loaded.offsets[start + i]! - from + used;
      used += size;
      length += count;
      validity.append(mask, start, count);
    },
    finish() {
      const column = withoutAbsentValidity({
        type,
        length,
        values: values.slice(0, used),
        offsets: offsets.slice(0, length + 1),
        validity: validity.finish(),
      });
      used = 0;
      length = 0;
      validity = createBitmapBuilder();
      return column;
    },
    view: () =>
      withoutAbsentValidity({
        type,
        length: loaded.offsets.length - 1,
        values: loaded.bytes,
        offsets: loaded.offsets,
        validity: mask,
      }),
  };
}

function decodeStrings(vector: Vector, rows: number, mask: Uint8Array | undefined): Strings {
  const raw = duckdb.vector_get_data(vector, rows * 16);
  const words = new Uint32Array(raw.buffer as ArrayBuffer, raw.byteOffset, rows * 4);
  const isPresent = (row: number): boolean => mask === undefined || ((mask[row >> 3]! >> (row & 7)) & 1) === 1;
  const offsets = new Int32Array(rows + 1);
  for (let row = 0; row < rows; row++) offsets[row + 1] = offsets[row]! + (isPresent(row) ? words[row * 4]! : 0);
  const bytes = new Uint8Array(offsets[rows]!);

  let heap: Uint8Array = new Uint8Array(0);
  let heapStart = 0;
  let heapEnd = 0;
  for (let row = 0; row < rows; row++) {
    if (!isPresent(row)) continue;
    const size = words[row * 4]!;
    const target = offsets[row]!;
    if (size <= INLINE_BYTES) {
      const source = row * 16 + 4;
      for (let i = 0; i < size; i++) bytes[target + i] = raw[source + i]!;
      continue;
    }
    const pointer = pointerAt(words, row);
    if (pointer < heapStart || pointer + size > heapEnd) {
      heapStart = pointer;
      heapEnd = endOfRun(words, row, rows, isPresent);
      heap = readHeap(heapStart, heapEnd - heapStart);
    }
    const source = pointer - heapStart;
    bytes.set(heap.subarray(source, source + size), target);
  }
  return { bytes, offsets };
}

function pointerAt(words: Uint32Array, row: number): number {
  return words[row * 4 + 3]! * 2 ** 32 + words[row * 4 + 2]!;
}

/** Strings of a column mostly lie one after another: one call fetches the whole run, where one a string would cost most of the time. */
function endOfRun(words: Uint32Array, first: number, rows: number, isPresent: (row: number) => boolean): number {
  let end = pointerAt(words, first) + words[first * 4]!;
  for (let row = first + 1; row < rows; row++) {
    const size = words[row * 4]!;
    if (size <= INLINE_BYTES || !isPresent(row)) continue;
    const pointer = pointerAt(words, row);
    if (pointer < end || pointer - end >= LARGEST_GAP) break;
    end = pointer + size;
  }
  return end;
}
