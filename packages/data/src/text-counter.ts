import type { BytesColumn, DictionaryColumn } from "@millwright/contracts";
import { isNull } from "./column.ts";
import { addBytesToDistinct, type DistinctSketch } from "./distinct.ts";
import { boundedText, type FrequentTexts, mergeFrequent } from "./frequent.ts";
import { createTextTable, type TextTable } from "./text-table.ts";

/** Counts texts by their bytes: only those that a summary keeps become strings. */
export interface TextCounter {
  addTexts(column: BytesColumn): void;
  addDictionary(column: DictionaryColumn): void;
  /** What was counted so far; more may follow. */
  frequent(): FrequentTexts;
}

/** A text of at most so many bytes is told by three words of four bytes, which may overlap, and its length. */
const shortBytes = 12;
/** As many different texts are counted before they go into the summary: they bound the memory. */
const mostCounted = 8192;
const rowsAtOnce = 4096;
const firstSlots = 256;

/** @param distinct Takes the texts that were counted. @param summary What was counted before. */
export function createTextCounter(distinct: DistinctSketch, summary: FrequentTexts): TextCounter {
  const pending = new PendingTexts();
  let frequent = summary;
  const settle = (): void => {
    if (pending.size > 0) frequent = mergeFrequent(frequent, pending.settle(distinct, frequent.capacity));
  };
  return {
    addTexts(column) {
      // Looked at after each so many rows: until then as many new texts may come.
      for (let row = 0; row < column.length; row += rowsAtOnce) {
        pending.addRows(column, row, Math.min(column.length, row + rowsAtOnce));
        if (pending.size >= mostCounted) settle();
      }
    },
    addDictionary(column) {
      const { values, offsets, length } = column.dictionary;
      const totals = new Float64Array(length);
      for (let row = 0; row < column.length; row += 1) {
        if (isNull(column, row)) continue;
        const entry = column.values[row] as number;
        totals[entry] = (totals[entry] as number) + 1;
      }
      const view = viewOf(values);
      for (let entry = 0; entry < length; entry += 1) {
        const times = totals[entry] as number;
        if (times === 0) continue;
        pending.add(values, view, offsets[entry] as number, offsets[entry + 1] as number, times);
        if (pending.size >= mostCounted) settle();
      }
    },
    frequent() {
      settle();
      return frequent;
    },
  };
}

/** Exact counts of the texts met since they were last settled. */
class PendingTexts {
  readonly #short = new ShortTexts();
  #long: LongTexts = { table: createTextTable(), counts: [] };

  /** Different texts. */
  get size(): number {
    return this.#short.size + this.#long.counts.length;
  }

  add(bytes: Uint8Array, view: DataView, start: number, end: number, times: number): void {
    if (end - start <= shortBytes) this.#short.add(bytes, view, start, end, times);
    else {
      const number = this.#long.table.intern(bytes, start, end);
      this.#long.counts[number] = (this.#long.counts[number] ?? 0) + times;
    }
  }

  /** Each value of a column from one row to before another once. */
  addRows(column: BytesColumn, from: number, to: number): void {
    const view = viewOf(column.values);
    for (let row = from; row < to; row += 1) {
      // Those that are counted already, and short, are counted in one loop without calls.
      row = this.#short.countRows(column, view, row, to);
      if (row >= to) return;
      this.add(column.values, view, column.offsets[row] as number, column.offsets[row + 1] as number, 1);
    }
  }

  #visit(take: Take): void {
    this.#short.visit(take);
    const { table, counts } = this.#long;
    for (const [number, bytes] of table.entries().entries()) take(bytes, bytes.length, counts[number] as number);
  }

  /** Empties it. @returns the summary: what falls to the cut of its capacity becomes no string. */
  settle(distinct: DistinctSketch, capacity: number): FrequentTexts {
    const cut = this.size <= capacity ? 0 : nthLargest((take) => this.#visit(take), this.size, capacity);
    const counts = new Map<string, number>();
    let total = 0;
    this.#visit((bytes, length, times) => {
      addBytesToDistinct(distinct, bytes, 0, length);
      total += times;
      if (times <= cut) return;
      const text = boundedText(decode(bytes, length));
      counts.set(text, (counts.get(text) ?? 0) + times - cut);
    });
    this.#short.clear();
    this.#long = { table: createTextTable(), counts: [] };
    return { capacity, total, error: cut, counts };
  }
}

interface LongTexts {
  readonly table: TextTable;
  readonly counts: number[];
}

/** Takes the bytes of a text, which are good until it returns, and how often it was met. */
type Take = (bytes: Uint8Array, length: number, times: number) => void;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function nthLargest(visit: (take: Take) => void, size: number, place: number): number {
  const counts = new Float64Array(size);
  let at = 0;
  visit((_bytes, _length, times) => {
    counts[at] = times;
    at += 1;
  });
  return counts.sort()[size - 1 - place] as number;
}

const decode = (bytes: Uint8Array, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, length).toString("utf8");

function hashOf(first: number, middle: number, last: number, length: number): number {
  const hash = Math.imul(first, 0x9e3779b1) ^ Math.imul(middle, 0x85ebca6b) ^ Math.imul(last + length, 0xc2b2ae35);
  return hash ^ (hash >>> 15);
}

type Key = readonly [first: number, middle: number, last: number, length: number];

/** Open addressing, linear probing, at most half full; a slot is free while its count is 0. A key is three words and the length. */
class ShortTexts {
  #keys = new Int32Array(firstSlots * 4);
  #counts = new Float64Array(firstSlots);
  #mask = firstSlots - 1;
  size = 0;

  add(bytes: Uint8Array, view: DataView, start: number, end: number, times: number): void {
    const length = end - start;
    let first = 0;
    let middle = 0;
    let last = 0;
    if (length >= 4) {
      first = view.getInt32(start, true);
      last = view.getInt32(end - 4, true);
      if (length > 8) middle = view.getInt32(start + 4, true);
    } else for (let at = end - 1; at >= start; at -= 1) first = (first << 8) | (bytes[at] as number);
    this.#put(first, middle, last, length, times);
  }

  /** Counts rows until one that is long, or new. @returns that row; `to` where there is none. */
  countRows({ values, offsets, validity }: BytesColumn, view: DataView, from: number, to: number): number {
    const keys = this.#keys;
    const counts = this.#counts;
    const mask = this.#mask;
    let start = offsets[from] as number;
    for (let row = from; row < to; row += 1) {
      const end = offsets[row + 1] as number;
      const length = end - start;
      if (validity !== undefined && (((validity[row >> 3] as number) >> (row & 7)) & 1) === 0) {
        start = end;
        continue;
      }
      if (length > shortBytes) return row;
      let first = 0;
      let middle = 0;
      let last = 0;
      if (length >= 4) {
        first = view.getInt32(start, true);
        last = view.getInt32(end - 4, true);
        if (length > 8) middle = view.getInt32(start + 4, true);
      } else for (let at = end - 1; at >= start; at -= 1) first = (first << 8) | (values[at] as number);
      let slot = hashOf(first, middle, last, length) & mask;
      let at = slot * 4;
      while (keys[at] !== first || keys[at + 2] !== last || keys[at + 1] !== middle || keys[at + 3] !== length) {
        if (counts[slot] === 0) return row;
        slot = (slot + 1) & mask;
        at = slot * 4;
      }
      // The key of a free slot is that of the empty text.
      const count = counts[slot] as number;
      if (count === 0) return row;
      counts[slot] = count + 1;
      start = end;
    }
    return to;
  }

  #put(first: number, middle: number, last: number, length: number, times: number): void {
    const keys = this.#keys;
    for (let slot = hashOf(first, middle, last, length) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const count = this.#counts[slot] as number;
      const at = slot * 4;
      if (count === 0) {
        keys[at] = first;
        keys[at + 1] = middle;
        keys[at + 2] = last;
        keys[at + 3] = length;
        this.#counts[slot] = times;
        this.size += 1;
        if (this.size * 2 > this.#mask) this.#grow();
        return;
      }
      if (keys[at] === first && keys[at + 2] === last && keys[at + 1] === middle && keys[at + 3] === length) {
        this.#counts[slot] = count + times;
        return;
      }
    }
  }

  #grow(): void {
    const [keys, counts] = [this.#keys, this.#counts];
    this.#reset(counts.length * 2);
    for (let slot = 0; slot < counts.length; slot += 1) {
      if (counts[slot] === 0) continue;
      const [first, middle, last, length] = keys.subarray(slot * 4, slot * 4 + 4) as unknown as Key;
      this.#put(first, middle, last, length, counts[slot] as number);
    }
  }

  #reset(slots: number): void {
    this.#keys = new Int32Array(slots * 4);
    this.#counts = new Float64Array(slots);
    this.#mask = slots - 1;
    this.size = 0;
  }

  clear(): void {
    if (this.size > 0) this.#reset(firstSlots);
  }

  visit(take: Take): void {
    const words = new DataView(new ArrayBuffer(shortBytes));
    const bytes = new Uint8Array(words.buffer);
    for (let slot = 0; slot < this.#counts.length; slot += 1) {
      if (this.#counts[slot] === 0) continue;
      const length = this.#keys[slot * 4 + 3] as number;
      words.setInt32(0, this.#keys[slot * 4] as number, true);
      if (length > 8) words.setInt32(4, this.#keys[slot * 4 + 1] as number, true);
      if (length >= 4) words.setInt32(length - 4, this.#keys[slot * 4 + 2] as number, true);
      take(bytes, length, this.#counts[slot] as number);
    }
  }
}
