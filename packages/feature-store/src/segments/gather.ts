import type { BytesColumn, Column, ColumnType, NumericType } from "@millwright/contracts";
import { isNumericType, numericArray, numericColumn } from "@millwright/data";

/** Values for some places of a column. */
export interface GatherPiece {
  readonly column: Column;
  /** The row of the segment that the column begins with. */
  readonly first: number;
  /** Rows of the segment that are wanted of it. */
  readonly rows: Int32Array;
  /** Where the value of each of them goes. */
  readonly places: Int32Array;
}

/** A column that is put together from pieces, each place at most once; what no piece had is null. */
export interface Gathering {
  add(piece: GatherPiece): void;
  finish(): Column;
}

/** @param present A bitmap of the places that pieces will come for. */
export function createGathering(type: ColumnType, length: number, present: Uint8Array): Gathering {
  const validity = present.slice();
  if (type === "bool") return gatherBits(length, validity);
  if (type === "utf8") return gatherTexts(length, validity);
  if (!isNumericType(type)) throw new TypeError(`A feature cannot be ${type}.`);
  const values = numericArray(type, length);
  return {
    add(piece) {
      copyNumbers(values, piece.column.values as typeof values, piece);
      leaveOutNulls(validity, piece);
    },
    finish: () => numericColumn<NumericType>(type, values, { length, validity: unlessFull(validity, length) }),
  };
}

function leaveOutNulls(validity: Uint8Array, { column: { validity: bits }, first, rows, places }: GatherPiece): void {
  if (bits === undefined) return;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]! - first;
    const place = places[index]!;
    if (((bits[row >> 3]! >> (row & 7)) & 1) === 0) validity[place >> 3]! &= ~(1 << (place & 7));
  }
}

function unlessFull(validity: Uint8Array, length: number): Uint8Array | undefined {
  const whole = length >> 3;
  for (let byte = 0; byte < whole; byte++) if (validity[byte] !== 255) return validity;
  return (length & 7) === 0 || validity[whole] === (1 << (length & 7)) - 1 ? undefined : validity;
}

type Numbers = ReturnType<typeof numericArray>;

/** Values are moved as bits, one loop a width: loops over arrays of many kinds are slow, and those over bigints slower. */
function copyNumbers(target: Numbers, source: Numbers, piece: GatherPiece): void {
  switch (target.BYTES_PER_ELEMENT) {
    case 1:
      return copyBytes(bytesOf(target), bytesOf(source), piece);
    case 2:
      return copyHalves(halvesOf(target), halvesOf(source), piece);
    case 4:
      return copyWords(wordsOf(target), wordsOf(source), piece);
    default:
      return copyPairs(wordsOf(target), wordsOf(source), piece);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Numbers): Int8Array =>
  new Int8Array(buffer, byteOffset, byteLength);
const halvesOf = ({ buffer, byteOffset, byteLength }: Numbers): Int16Array =>
  new Int16Array(buffer, byteOffset, byteLength / 2);
const wordsOf = ({ buffer, byteOffset, byteLength }: Numbers): Int32Array =>
  new Int32Array(buffer, byteOffset, byteLength / 4);

function copyBytes(target: Int8Array, source: Int8Array, { first, rows, places }: GatherPiece): void {
  for (let index = 0; index < rows.length; index++) target[places[index]!] = source[rows[index]! - first]!;
}

function copyHalves(target: Int16Array, source: Int16Array, { first, rows, places }: GatherPiece): void {
  for (let index = 0; index < rows.length; index++) target[places[index]!] = source[rows[index]! - first]!;
}

function copyWords(target: Int32Array, source: Int32Array, { first, rows, places }: GatherPiece): void {
  for (let index = 0; index < rows.length; index++) target[places[index]!] = source[rows[index]! - first]!;
}

function copyPairs(target: Int32Array, source: Int32Array, { first, rows, places }: GatherPiece): void {
  for (let index = 0; index < rows.length; index++) {
    const place = 2 * places[index]!;
    const row = 2 * (rows[index]! - first);
    target[place] = source[row]!;
    target[place + 1] = source[row + 1]!;
  }
}

function gatherBits(length: number, validity: Uint8Array): Gathering {
  const bits = new Uint8Array((length + 7) >> 3);
  return {
    add(piece) {
      const { first, rows, places } = piece;
      const values = piece.column.values as Uint8Array;
      for (let index = 0; index < rows.length; index++) {
        const row = rows[index]! - first;
        const place = places[index]!;
        bits[place >> 3]! |= ((values[row >> 3]! >> (row & 7)) & 1) << (place & 7);
      }
      leaveOutNulls(validity, piece);
    },
    finish: () => withValidity({ type: "bool", length, values: bits }, unlessFull(validity, length)),
  };
}

const withValidity = <Kind extends Column>(column: Kind, validity: Uint8Array | undefined): Kind =>
  validity === undefined ? column : { ...column, validity };

/** What offsets of 32 bits reach. */
const MOST_BYTES = 2 ** 31 - 1;

/** Texts are kept as they come, and brought into the order of their places when all are there. */
function gatherTexts(length: number, validity: Uint8Array): Gathering {
  const offsets = new Int32Array(length + 1);
  const starts = new Int32Array(length);
  let kept = new Uint8Array(1024);
  let used = 0;
  return {
    add(piece) {
      const wanted = used + bytesIn(piece);
      if (wanted > MOST_BYTES) {
        throw new RangeError(`The texts of ${length} labels take more than 2 GiB. Give fewer labels a batch.`);
      }
      if (wanted > kept.length) {
        const larger = new Uint8Array(Math.min(MOST_BYTES, Math.max(wanted, kept.length * 2)));
        larger.set(kept.subarray(0, used));
        kept = larger;
      }
      used = keepTexts(piece, { kept, used, starts, offsets });
      leaveOutNulls(validity, piece);
    },
    finish() {
      const values = arrangeTexts(kept, starts, offsets);
      return withValidity<BytesColumn>({ type: "utf8", length, values, offsets }, unlessFull(validity, length));
    },
  };
}

/** Texts in the order of their places. @param offsets Lengths; then where each ends. */
function arrangeTexts(kept: Uint8Array, starts: Int32Array, offsets: Int32Array): Uint8Array {
  const { length } = starts;
  for (let place = 0; place < length; place++) offsets[place + 1]! += offsets[place]!;
  const values = new Uint8Array(offsets[length]!);
  for (let place = 0; place < length; place++) {
    const end = offsets[place + 1]!;
    for (let at = offsets[place]!, from = starts[place]!; at < end; at++, from++) values[at] = kept[from]!;
  }
  return values;
}

function bytesIn({ column, first, rows }: GatherPiece): number {
  const { offsets } = column as BytesColumn;
  let bytes = 0;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]! - first;
    bytes += offsets[row + 1]! - offsets[row]!;
  }
  return bytes;
}

interface KeptTexts {
  readonly kept: Uint8Array;
  readonly used: number;
  /** By place: where its text begins in what is kept. */
  readonly starts: Int32Array;
  /** One after each place: its length. */
  readonly offsets: Int32Array;
}

/** @returns how much is used then. */
function keepTexts({ column, first, rows, places }: GatherPiece, { kept, used, starts, offsets }: KeptTexts): number {
  const { values, offsets: from } = column as BytesColumn;
  let at = used;
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]! - first;
    const place = places[index]!;
    const end = from[row + 1]!;
    const begin = at;
    for (let byte = from[row]!; byte < end; byte++) kept[at++] = values[byte]!;
    starts[place] = begin;
    offsets[place + 1] = at - begin;
  }
  return at;
}
