import type { BytesColumn, DictionaryColumn } from "@millwright/contracts";
import { isNull } from "./column.ts";
import { addBytesToDistinct, type DistinctSketch } from "./distinct.ts";
import { boundedText, type FrequentTexts, mergeFrequent } from "./frequent.ts";
import { ShortTexts, shortBytes, type Take } from "./short-texts.ts";
import { layout, type Machine, machine, textRows } from "./simd/machine.ts";
import { createTextTable, type TextTable } from "./text-table.ts";

/** Counts texts by their bytes: only those that a summary keeps become strings. */
export interface TextCounter {
  addTexts(column: BytesColumn): void;
  addDictionary(column: DictionaryColumn): void;
  /** What was counted so far; more may follow. */
  frequent(): FrequentTexts;
}

/** As many different texts are counted before they go into the summary: they bound the memory. */
const mostCounted = 8192;
/** With fewer rows at one time the machine is not worth its start. */
const manyRows = 1024;

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
      for (let row = 0; row < column.length; row += textRows) {
        pending.addRows(column, row, Math.min(column.length, row + textRows));
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

  /** Each value of a column from one row to before another once; at most `textRows`, the first a multiple of 8. */
  addRows(column: BytesColumn, from: number, to: number): void {
    const quick = to - from >= manyRows && this.#short.fits(column, from, to) ? machine() : undefined;
    const view = viewOf(column.values);
    const skip = (row: number): number => this.#addLong(column, view, row, to);
    let row = from;
    if (quick !== undefined) {
      lendTexts(quick, column, from, to);
      row = this.#short.countLent(quick, column, from, to, skip);
    }
    // Those that are short are counted in one loop without calls.
    while (row < to) row = skip(this.#short.countRows(column, view, row, to));
  }

  /** @returns the first row that is not long. */
  #addLong(column: BytesColumn, view: DataView, from: number, to: number): number {
    const { values, offsets } = column;
    for (let row = from; row < to; row += 1) {
      if (isNull(column, row)) continue;
      const [start, end] = [offsets[row] as number, offsets[row + 1] as number];
      if (end - start <= shortBytes) return row;
      this.add(values, view, start, end, 1);
    }
    return to;
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

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Brings the texts of some rows to the machine. */
function lendTexts({ bytes, words }: Machine, column: BytesColumn, from: number, to: number): void {
  const { offsets, validity, values } = column;
  words.set(offsets.subarray(from, to + 1), layout.offsets / 4);
  bytes.set(values.subarray(offsets[from], offsets[to]), layout.texts);
  if (validity !== undefined) bytes.set(validity.subarray(from >> 3, (to + 7) >> 3), layout.bits);
}

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
