import duckdb from "@duckdb/node-bindings";

/** DuckDB's `string_t`: a length, and 12 inline bytes, or 4 bytes of prefix and a pointer. */
export const STRING_BYTES = 16;
/** Strings up to this length stand in the vector itself, longer ones behind a pointer. */
const INLINE_BYTES = 12;
/** The C API aligns heap strings: neighbours lie a few bytes apart. */
const LARGEST_GAP = 16;
/** From here on a native copy costs less than a loop. */
const LONG_BYTES = 256;
const LARGEST_BATCH_BYTES = 0x7fff_ffff;

/** Rows of a vector of strings. */
export interface StringRows {
  /** Four words a row: the length first. */
  readonly words: Uint32Array;
  readonly mask: Uint8Array | undefined;
  readonly start: number;
  readonly count: number;
}

/** Writes where the strings will end, after the one that ends at `offsets[at]`. @returns the end of the last. Throws a RangeError beyond 2 GiB. */
export function placeStrings({ words, mask, start, count }: StringRows, offsets: Int32Array, at: number): number {
  let end = offsets[at]!;
  for (let index = 0; index < count; index++) {
    const row = start + index;
    if (mask === undefined || ((mask[row >> 3]! >> (row & 7)) & 1) === 1) end += words[row * 4]!;
    if (end > LARGEST_BATCH_BYTES)
      throw new RangeError("A batch's text takes more than 2 GiB: ask for fewer rows with `batchRows`.");
    offsets[at + index + 1] = end;
  }
  return end;
}

/** Gathers strings one behind another. */
export interface StringCopier {
  /** Copies the strings to where their offsets say, the first of them from `offsets[at]` on; what lay behind is overwritten. */
  copy(rows: StringRows, offsets: Int32Array, at: number): void;
  /** What was copied, up to `end`: a view, good until the next copy. */
  bytes(end: number): Uint8Array;
}

export function createStringCopier(): StringCopier {
  let bytes = new Uint8Array(16_384);
  let view = new DataView(bytes.buffer);
  /** Inline strings are copied by words, which may reach beyond their end. */
  const ensure = (used: number, end: number): void => {
    if (bytes.length >= end + INLINE_BYTES) return;
    const larger = new Uint8Array(Math.max(end + INLINE_BYTES, bytes.length * 2));
    larger.set(bytes.subarray(0, used));
    bytes = larger;
    view = new DataView(bytes.buffer);
  };
  return {
    copy(rows, offsets, at) {
      const { words, start, count } = rows;
      ensure(offsets[at]!, offsets[at + count]!);
      const heap = new Heap(rows, bytes, view);
      let to = offsets[at]!;
      for (let index = 0; index < count; index++) {
        const end = offsets[at + index + 1]!;
        const size = end - to;
        const word = (start + index) * 4;
        if (size > INLINE_BYTES) heap.copy(start + index, to, size);
        else if (size > 0) {
          view.setUint32(to, words[word + 1]!, true);
          if (size > 4) view.setUint32(to + 4, words[word + 2]!, true);
          if (size > 8) view.setUint32(to + 8, words[word + 3]!, true);
        }
        to = end;
      }
    },
    bytes: (end) => bytes.subarray(0, end),
  };
}

/** The strings of a vector that stand behind pointers. */
class Heap {
  readonly #rows: StringRows;
  readonly #target: Uint8Array;
  readonly #view: DataView;
  /** The run of neighbours that was fetched last. */
  #run: Uint8Array = new Uint8Array(0);
  #runView: DataView = new DataView(this.#run.buffer);
  #start = 0;
  #end = 0;
  /** Where strings have been copied to already: those of a dictionary are pointed at from many rows. */
  readonly #copied = new Map<number, { readonly at: number; readonly size: number }>();

  constructor(rows: StringRows, target: Uint8Array, view: DataView) {
    this.#rows = rows;
    this.#target = target;
    this.#view = view;
  }

  copy(row: number, to: number, size: number): void {
    const pointer = pointerAt(this.#rows.words, row);
    if (pointer < this.#start || pointer + size > this.#end) {
      const known = this.#copied.get(pointer);
      if (known !== undefined && known.size >= size) {
        this.#target.copyWithin(to, known.at, known.at + size);
        return;
      }
      this.#copied.set(pointer, { at: to, size });
      this.#start = pointer;
      this.#end = endOfRun(this.#rows, row);
      this.#run = readHeap(pointer, this.#end - pointer);
      this.#runView = new DataView(this.#run.buffer, this.#run.byteOffset, this.#run.byteLength);
    }
    const from = pointer - this.#start;
    if (size >= LONG_BYTES) this.#target.set(this.#run.subarray(from, from + size), to);
    else copyByWords(this.#runView, from, this.#view, to, size);
  }
}

/** At least a word. */
function copyByWords(source: DataView, from: number, target: DataView, to: number, size: number): void {
  for (let at = 0; at + 4 <= size; at += 4) target.setUint32(to + at, source.getUint32(from + at, true), true);
  // The last word may hold bytes of the one before it once more.
  target.setUint32(to + size - 4, source.getUint32(from + size - 4, true), true);
}

const pointerBytes = new ArrayBuffer(8);
const pointerWords = new Uint32Array(pointerBytes);

/** A view of memory that belongs to the vector. */
function readHeap(pointer: number, bytes: number): Uint8Array {
  pointerWords[0] = pointer >>> 0;
  pointerWords[1] = Math.floor(pointer / 2 ** 32);
  return duckdb.get_data_from_pointer(pointerBytes, 0, bytes);
}

function pointerAt(words: Uint32Array, row: number): number {
  return words[row * 4 + 3]! * 2 ** 32 + words[row * 4 + 2]!;
}

/** Strings of a column mostly lie one after another: one call fetches the whole run, where one a string would cost most of the time. */
function endOfRun({ words, mask, start, count }: StringRows, first: number): number {
  let end = pointerAt(words, first) + words[first * 4]!;
  for (let row = first + 1; row < start + count; row++) {
    const size = words[row * 4]!;
    if (size <= INLINE_BYTES || (mask !== undefined && ((mask[row >> 3]! >> (row & 7)) & 1) === 0)) continue;
    const pointer = pointerAt(words, row);
    if (pointer < end || pointer - end >= LARGEST_GAP) break;
    end = pointer + size;
  }
  return end;
}
