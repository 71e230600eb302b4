import type { Batch, Column } from "@millwright/contracts";
import { columnOf, takeColumn } from "@millwright/data";

/** Finds entities by their keys, each of which is a run of rows that stand together. */
export interface KeyIndex {
  /** Entities. */
  readonly length: number;
  /** `length + 1` positions: the rows of entity `i` are `offsets[i]` to `offsets[i + 1]`. */
  readonly offsets: Int32Array;
  /** The key columns of the entities, one row each. */
  readonly keys: Batch;
  readonly sizeBytes: number;
  /** The entity of each row of keys; −1 where there is none, or a key is null. */
  find(keys: Batch): Int32Array;
}

/** A key column as words or bytes, whichever type it has: what is hashed and compared. */
type KeyColumn =
  | { readonly kind: "words"; readonly words: Int32Array; readonly width: 1 | 2 }
  | { readonly kind: "text"; readonly bytes: Uint8Array; readonly offsets: Int32Array };

/** Rows by their keys. */
export interface KeyGroups {
  /** By row: its entity; they are numbered as they come. */
  readonly entities: Int32Array;
  /** By entity: its first row. */
  readonly first: Int32Array;
}

/** Tells which rows have the same keys. @param keys Their key columns, without nulls. */
export function groupByKey(names: readonly string[], keys: Batch): KeyGroups {
  const columns = names.map((name) => keyColumn(columnOf(keys, name)));
  const hashes = hashesOf(columns, keys.length);
  const isEqual = equalRows(columns, columns);
  const entities = new Int32Array(keys.length);
  let first = new Int32Array(1024);
  let length = 0;
  let { table, mask } = tableOf(new Int32Array(0));
  for (let row = 0; row < keys.length; row++) {
    let slot = hashes[row]! & mask;
    let entity = table[slot]! - 1;
    while (entity >= 0 && !(hashes[first[entity]!] === hashes[row] && isEqual(row, first[entity]!))) {
      slot = (slot + 1) & mask;
      entity = table[slot]! - 1;
    }
    if (entity < 0) {
      entity = length++;
      table[slot] = length;
      if (length > first.length) first = grown(first);
      first[entity] = row;
      if (length * 2 > table.length) {
        ({ table, mask } = tableOf(
          first.subarray(0, length).map((each) => hashes[each]!),
          length * 2,
        ));
      }
    }
    entities[row] = entity;
  }
  return { entities, first: first.slice(0, length) };
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}

/** Indexes rows that stand together by key. @param first The keys of each entity, without nulls. @param offsets Where its rows start, and the end of the last one's. */
export function indexRuns(names: readonly string[], first: Batch, offsets: Int32Array): KeyIndex {
  const { length } = first;
  const entities = names.map((name) => keyColumn(columnOf(first, name)));
  const hashes = hashesOf(entities, length);
  const { table, mask } = tableOf(hashes);
  const sizeBytes =
    offsets.byteLength + hashes.byteLength + table.byteLength + entities.reduce((sum, each) => sum + sizeOf(each), 0);
  return {
    length,
    offsets,
    keys: first,
    sizeBytes,
    find(batch) {
      const given = names.map((name) => keyColumn(columnOf(batch, name)));
      const wanted = hashesOf(given, batch.length);
      const found = new Int32Array(batch.length);
      const isEqual = equalRows(given, entities);
      for (let row = 0; row < batch.length; row++) {
        const hash = wanted[row]!;
        let slot = hash & mask;
        let entity = table[slot]! - 1;
        while (entity >= 0 && !(hashes[entity] === hash && isEqual(row, entity))) {
          slot = (slot + 1) & mask;
          entity = table[slot]! - 1;
        }
        found[row] = entity;
      }
      for (const name of names) leaveOutNulls(found, columnOf(batch, name));
      return found;
    },
  };
}

function keyColumn(column: Column): KeyColumn {
  switch (column.type) {
    case "dictionary":
      return keyColumn(takeColumn(column.dictionary, column.values.subarray(0, column.length)));
    case "utf8":
      return { kind: "text", bytes: column.values, offsets: column.offsets };
    case "int64": {
      // Two halves each: a bigint for every value would cost more than all else.
      const { buffer, byteOffset } = column.values;
      return { kind: "words", words: new Int32Array(buffer, byteOffset, column.length * 2), width: 2 };
    }
    case "uint32": {
      const { buffer, byteOffset } = column.values;
      return { kind: "words", words: new Int32Array(buffer, byteOffset, column.length), width: 1 };
    }
    case "int32":
      return { kind: "words", words: column.values, width: 1 };
    case "int8":
    case "int16":
    case "uint8":
    case "uint16":
      return { kind: "words", words: Int32Array.from(column.values.subarray(0, column.length)), width: 1 };
    default:
      throw new TypeError(`A key cannot be ${column.type}.`);
  }
}

const sizeOf = (column: KeyColumn): number =>
  column.kind === "words" ? column.words.byteLength : column.bytes.byteLength + column.offsets.byteLength;

type RowsEqual = (row: number, other: number) => boolean;

function equalRows(columns: readonly KeyColumn[], others: readonly KeyColumn[]): RowsEqual {
  const each = columns.map((column, index) => equalIn(column, others[index]!));
  const [only] = each;
  if (each.length === 1 && only !== undefined) return only;
  return (row, other) => each.every((isEqual) => isEqual(row, other));
}

function equalIn(column: KeyColumn, other: KeyColumn): RowsEqual {
  if (column.kind === "words" && other.kind === "words") {
    const [words, otherWords] = [column.words, other.words];
    if (column.width === 1) return (row, at) => words[row] === otherWords[at];
    return (row, at) => words[2 * row] === otherWords[2 * at] && words[2 * row + 1] === otherWords[2 * at + 1];
  }
  if (column.kind !== "text" || other.kind !== "text") throw new TypeError("Keys of different types are never equal.");
  const [{ bytes, offsets }, { bytes: otherBytes, offsets: otherOffsets }] = [column, other];
  return (row, at) => {
    const start = offsets[row]!;
    const length = offsets[row + 1]! - start;
    const otherStart = otherOffsets[at]!;
    if (otherOffsets[at + 1]! - otherStart !== length) return false;
    for (let index = 0; index < length; index++) {
      if (bytes[start + index] !== otherBytes[otherStart + index]) return false;
    }
    return true;
  };
}

function hashesOf(columns: readonly KeyColumn[], length: number): Int32Array {
  const hashes = new Int32Array(length);
  for (const column of columns) {
    if (column.kind === "words") mixWords(hashes, column.words, column.width);
    else mixTexts(hashes, column.bytes, column.offsets);
  }
  return hashes;
}

/** One step of MurmurHash3 a word, and its finalizer, so that low bits depend on all. */
function mixWords(hashes: Int32Array, words: Int32Array, width: 1 | 2): void {
  for (let row = 0; row < hashes.length; row++) {
    let hash = Math.imul(hashes[row]! ^ words[row * width]!, 0xcc9e2d51);
    hash = (hash << 15) | (hash >>> 17);
    if (width === 2) hash = Math.imul(hash ^ words[row * 2 + 1]!, 0x1b873593);
    hashes[row] = finished(hash);
  }
}

/** FNV-1a over the bytes, and then the same finalizer. */
function mixTexts(hashes: Int32Array, bytes: Uint8Array, offsets: Int32Array): void {
  for (let row = 0; row < hashes.length; row++) {
    let hash = hashes[row]! ^ 0x811c9dc5;
    const end = offsets[row + 1]!;
    for (let at = offsets[row]!; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    hashes[row] = finished(hash);
  }
}

function finished(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Open addressing, at most half full: entity + 1, or 0 for an empty place. */
function tableOf(
  hashes: Int32Array,
  room: number = hashes.length,
): { readonly table: Int32Array; readonly mask: number } {
  let size = 16;
  while (size < room * 2) size *= 2;
  const mask = size - 1;
  const table = new Int32Array(size);
  for (let entity = 0; entity < hashes.length; entity++) {
    let slot = hashes[entity]! & mask;
    while (table[slot] !== 0) slot = (slot + 1) & mask;
    table[slot] = entity + 1;
  }
  return { table, mask };
}

function leaveOutNulls(found: Int32Array, { validity }: Column): void {
  if (validity === undefined) return;
  for (let row = 0; row < found.length; row++) {
    if (((validity[row >> 3]! >> (row & 7)) & 1) === 0) found[row] = -1;
  }
}
