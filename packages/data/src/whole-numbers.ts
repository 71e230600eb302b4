import type { BoolColumn, Column, ColumnType, NumericColumn } from "@millwright/contracts";
import { countBits } from "./bitmap.ts";
import { addNumbersToDistinct, type DistinctSketch } from "./distinct.ts";
import { mergeMoments, type Moments, momentsOfCounted } from "./moments.ts";
import { mergeQuantileSketches, type QuantileSketch, sketchOfCounted } from "./quantile-sketch.ts";

/** Counts whole numbers by value while they lie near each other, as counts, grades and ages do: nothing of a profile costs less, and it is exact. */
export interface WholeNumbers {
  /** Counts the rows from one to before another, at most `rowsAtOnce` of them; all or, where one of them lies too far away, none. @returns whether it did. */
  add(column: Column, from: number, to: number): boolean;
  counted(): CountedNumbers;
}

/** Different numbers, growing, and how often each was met. */
export interface CountedNumbers {
  readonly values: Float64Array;
  readonly counts: Float64Array;
}

/** Most rows that are counted at one time. */
export const rowsAtOnce = 2048;
/** Most whole numbers side by side: their counts are 64 KB. */
const mostNumbers = 8192;
const firstNumbers = 256;

/** Shared: nothing waits between filling it and reading it. */
const block = new Int32Array(rowsAtOnce);

const narrowTypes: ReadonlySet<ColumnType> = new Set(["int8", "int16", "int32", "uint8", "uint16", "uint32", "date"]);
const wideTypes: ReadonlySet<ColumnType> = new Set(["int64", "uint64", "timestamp"]);

/** @returns `undefined` for types whose numbers are not whole. */
export function createWholeNumbers(type: ColumnType): WholeNumbers | undefined {
  if (!narrowTypes.has(type) && !wideTypes.has(type)) return undefined;
  const window = new CountWindow();
  let near = true;
  return {
    add(column, from, to) {
      if (!near) return false;
      const { validity } = column;
      near = fillBlock(column as NumericColumn, from, to) && window.add(validity, from, to - from);
      return near;
    },
    // From 2^31 on, the numbers of `uint32` stand in the block as negative ones.
    counted: () => window.counted(type === "uint32" ? (value) => value >>> 0 : (value) => value),
  };
}

/** @returns whether the numbers have 32 bits. */
function fillBlock(column: NumericColumn, from: number, to: number): boolean {
  if (!wideTypes.has(column.type)) {
    block.set(column.values.subarray(from, to) as Int32Array);
    return true;
  }
  const { values, validity } = column as { readonly values: BigInt64Array; readonly validity?: Uint8Array };
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  for (let row = from; row < to; row += 1) {
    const low = words[row * 2] as number;
    block[row - from] = low;
    if (words[row * 2 + 1] === low >> 31) continue;
    if (validity === undefined || (((validity[row >> 3] as number) >> (row & 7)) & 1) === 1) return false;
  }
  return column.type !== "uint64" || !hasNegative(validity, from, to - from);
}

/** Whether the block holds a number that, without a sign, needs more than 31 bits. */
function hasNegative(validity: Uint8Array | undefined, from: number, rows: number): boolean {
  for (let index = 0; index < rows; index += 1) {
    if ((block[index] as number) >= 0) continue;
    const row = from + index;
    if (validity === undefined || (((validity[row >> 3] as number) >> (row & 7)) & 1) === 1) return true;
  }
  return false;
}

/** Counts of the integers from `#low` on, one after the other. */
class CountWindow {
  #low = 0;
  #counts = new Float64Array(0);

  /** Counts the first `rows` numbers of the block, or none where they need too many counts. */
  add(validity: Uint8Array | undefined, start: number, rows: number): boolean {
    for (let index = 0; index < rows;) {
      index = this.#count(validity, start, index, rows);
      if (index === rows || this.#widen(block[index] as number)) continue;
      this.#takeBack(validity, start, index);
      return false;
    }
    return true;
  }

  /** @returns the index of the first number without a count; `rows` where there is none. */
  #count(validity: Uint8Array | undefined, start: number, from: number, rows: number): number {
    const counts = this.#counts;
    const low = this.#low;
    for (let index = from; index < rows; index += 1) {
      const row = start + index;
      if (validity !== undefined && (((validity[row >> 3] as number) >> (row & 7)) & 1) === 0) continue;
      const place = (block[index] as number) - low;
      if (place < 0 || place >= counts.length) return index;
      counts[place] = (counts[place] as number) + 1;
    }
    return rows;
  }

  #takeBack(validity: Uint8Array | undefined, start: number, end: number): void {
    for (let index = 0; index < end; index += 1) {
      const row = start + index;
      if (validity !== undefined && (((validity[row >> 3] as number) >> (row & 7)) & 1) === 0) continue;
      const place = (block[index] as number) - this.#low;
      this.#counts[place] = (this.#counts[place] as number) - 1;
    }
  }

  /** Makes room for a number, and for as many more on its side. */
  #widen(value: number): boolean {
    const had = this.#counts.length;
    if (had === 0) this.#low = value - firstNumbers / 2;
    const high = this.#low + had;
    const needed = value < this.#low ? high - value : value + 1 - this.#low;
    if (needed > mostNumbers) return false;
    let size = Math.max(firstNumbers, had);
    while (size < needed) size *= 2;
    const grown = new Float64Array(size);
    const below = had > 0 && value < this.#low ? size - had : 0;
    grown.set(this.#counts, below);
    this.#low -= below;
    this.#counts = grown;
    return true;
  }

  counted(valueOf: (value: number) => number): CountedNumbers {
    const pairs: [value: number, count: number][] = [];
    for (const [place, count] of this.#counts.entries()) if (count > 0) pairs.push([valueOf(this.#low + place), count]);
    pairs.sort(([a], [b]) => a - b);
    return {
      values: Float64Array.from(pairs, ([value]) => value),
      counts: Float64Array.from(pairs, ([, count]) => count),
    };
  }
}

/** The rows of a column of booleans: how many are false, and how many true. */
export function countBools({ values, validity, length }: BoolColumn): readonly [no: number, yes: number] {
  if (validity === undefined) {
    const yes = countBits(values, length);
    return [length - yes, yes];
  }
  const bytes = (length + 7) >> 3;
  const yes = countBits(
    Uint8Array.from({ length: bytes }, (_, at) => (values[at] as number) & (validity[at] as number)),
    length,
  );
  return [countBits(validity, length) - yes, yes];
}

/** What a profile tells of numbers. */
export interface NumberSummary {
  readonly moments: Moments;
  readonly quantiles: QuantileSketch;
  readonly distinct: DistinctSketch;
}

/** @returns the same as if each number had been met one by one. */
export function withCounted(summary: NumberSummary, { values, counts }: CountedNumbers): NumberSummary {
  if (values.length === 0) return summary;
  const distinct = summary.distinct.slice();
  addNumbersToDistinct(distinct, values, values.length);
  const { maxBuckets } = summary.quantiles;
  return {
    moments: mergeMoments(summary.moments, momentsOfCounted(values, counts)),
    quantiles: mergeQuantileSketches(summary.quantiles, sketchOfCounted(values, counts, maxBuckets)),
    distinct,
  };
}
