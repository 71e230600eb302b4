import type { BytesColumn, Column, ColumnType, NumericType } from "@millwright/contracts";
import { column as columnFrom, isNumericType, numericArray, numericColumn } from "@millwright/data";

/** Where values come from: of a row, the position in the column, or −1 where it is not in this one. */
export interface GatherSource {
  readonly column: Column;
  readonly rows: Int32Array;
}

/** One column of the values found in several of one type: in each row at most one has it, and a row that none has is null. */
export function gatherColumn(type: ColumnType, length: number, sources: readonly GatherSource[]): Column {
  if (sources.length === 0) return columnFrom(type, Array<null>(length).fill(null));
  const valid = validityOf(length, sources);
  const validity = valid === undefined ? {} : { validity: valid };
  if (type === "bool") return { type, length, values: gatherBits(length, sources), ...validity };
  if (type === "utf8") return { ...gatherTexts(length, sources), ...validity };
  if (!isNumericType(type)) throw new TypeError(`A feature cannot be ${type}.`);
  const values = numericArray(type, length);
  for (const { column, rows } of sources) copyNumbers(values, column.values as typeof values, rows);
  return numericColumn<NumericType>(type, values, { length, validity: valid });
}

function validityOf(length: number, sources: readonly GatherSource[]): Uint8Array | undefined {
  const bits = new Uint8Array((length + 7) >> 3);
  let present = 0;
  for (const { column, rows } of sources) {
    const { validity } = column;
    for (let index = 0; index < length; index++) {
      const row = rows[index]!;
      if (row < 0 || (validity !== undefined && ((validity[row >> 3]! >> (row & 7)) & 1) === 0)) continue;
      bits[index >> 3]! |= 1 << (index & 7);
      present++;
    }
  }
  return present === length ? undefined : bits;
}

type Numbers = ReturnType<typeof numericArray>;

/** Values are moved as bits, one loop a width: loops over arrays of many kinds are slow, and those over bigints slower. */
function copyNumbers(target: Numbers, source: Numbers, rows: Int32Array): void {
  switch (target.BYTES_PER_ELEMENT) {
    case 1:
      return copyBytes(bytesOf(target), bytesOf(source), rows);
    case 2:
      return copyHalves(halvesOf(target), halvesOf(source), rows);
    case 4:
      return copyWords(wordsOf(target), wordsOf(source), rows);
    default:
      return copyPairs(wordsOf(target), wordsOf(source), rows);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Numbers): Int8Array =>
  new Int8Array(buffer, byteOffset, byteLength);
const halvesOf = ({ buffer, byteOffset, byteLength }: Numbers): Int16Array =>
  new Int16Array(buffer, byteOffset, byteLength / 2);
const wordsOf = ({ buffer, byteOffset, byteLength }: Numbers): Int32Array =>
  new Int32Array(buffer, byteOffset, byteLength / 4);

function copyBytes(target: Int8Array, source: Int8Array, rows: Int32Array): void {
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    if (row >= 0) target[index] = source[row]!;
  }
}

function copyHalves(target: Int16Array, source: Int16Array, rows: Int32Array): void {
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    if (row >= 0) target[index] = source[row]!;
  }
}

function copyWords(target: Int32Array, source: Int32Array, rows: Int32Array): void {
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    if (row >= 0) target[index] = source[row]!;
  }
}

function copyPairs(target: Int32Array, source: Int32Array, rows: Int32Array): void {
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    if (row < 0) continue;
    target[2 * index] = source[2 * row]!;
    target[2 * index + 1] = source[2 * row + 1]!;
  }
}

function gatherBits(length: number, sources: readonly GatherSource[]): Uint8Array {
  const bits = new Uint8Array((length + 7) >> 3);
  for (const { column, rows } of sources) {
    const values = column.values as Uint8Array;
    for (let index = 0; index < length; index++) {
      const row = rows[index]!;
      if (row >= 0) bits[index >> 3]! |= ((values[row >> 3]! >> (row & 7)) & 1) << (index & 7);
    }
  }
  return bits;
}

function gatherTexts(length: number, sources: readonly GatherSource[]): BytesColumn {
  const offsets = new Int32Array(length + 1);
  for (const { column, rows } of sources) {
    const from = (column as BytesColumn).offsets;
    for (let index = 0; index < length; index++) {
      const row = rows[index]!;
      if (row >= 0) offsets[index + 1] = from[row + 1]! - from[row]!;
    }
  }
  for (let index = 0; index < length; index++) offsets[index + 1]! += offsets[index]!;
  const values = new Uint8Array(offsets[length]!);
  for (const { column, rows } of sources) {
    const { values: bytes, offsets: from } = column as BytesColumn;
    for (let index = 0; index < length; index++) {
      const row = rows[index]!;
      if (row < 0) continue;
      const start = from[row]!;
      const at = offsets[index]!;
      const count = offsets[index + 1]! - at;
      for (let byte = 0; byte < count; byte++) values[at + byte] = bytes[start + byte]!;
    }
  }
  return { type: "utf8", length, values, offsets };
}
