import type { BoolColumn, Column, ColumnType, NumericColumn } from "@millwright/contracts";
import { countBits } from "./bitmap.ts";
import { addNumbersToDistinct, type DistinctSketch } from "./distinct.ts";
import { mergeMoments, type Moments, momentsOfCounted } from "./moments.ts";
import { mergeQuantileSketches, type QuantileSketch, sketchOfCounted } from "./quantile-sketch.ts";
import { type Machine, machine, placesAtOnce } from "./simd/machine.ts";
import { boundsOfWholes, countWholes, wholesOf } from "./simd/whole-rows.ts";

/** Counts whole numbers by value while they lie near each other, as counts, grades and ages do: nothing of a profile costs less, and it is exact. */
export interface WholeNumbers {
  /** Counts the rows from one to before another, at most `wholesAtOnce` of them, the first a multiple of 8; all or, where one of them lies too far away, none. @returns whether it did. */
  add(column: Column, from: number, to: number): boolean;
  counted(): CountedNumbers;
}

/** Different numbers, growing, and how often each was met. */
export interface CountedNumbers {
  readonly values: Float64Array;
  readonly counts: Float64Array;
}

/** Most rows that are counted at one time. */
export const wholesAtOnce: number = placesAtOnce;
/** With fewer rows at one time the machine is not worth its start. */
const manyRows = 1024;
/** Most whole numbers side by side: their counts are 64 KB. */
const mostNumbers = 8192;
const firstNumbers = 256;

/** Shared: nothing waits between filling it and reading it. Made when it is first needed. */
let shared: Int32Array | undefined;

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
      const rows = to - from;
      const quick = rows >= manyRows ? machine() : undefined;
      const block = quick === undefined ? (shared ??= new Int32Array(wholesAtOnce)) : wholesOf(quick, rows);
      const validity = column.validity?.subarray(from >> 3, (to + 7) >> 3);
      near = fillBlock(block, column as NumericColumn, from, to) && window.add(block, validity, rows, quick);
      return near;
    },
    // From 2^31 on, the numbers of `uint32` stand in the block as negative ones.
    counted: () => window.counted(type === "uint32" ? (value) => value >>> 0 : (value) => value),
  };
}

/** @returns whether the numbers have 32 bits. */
function fillBlock(block: Int32Array, column: NumericColumn, from: number, to: number): boolean {
  if (!wideTypes.has(column.type)) {
    block.set(column.values.subarray(from, to) as Int32Array);
    return true;
  }
  const { values, validity } = column as { readonly values: BigInt64Array; readonly validity?: Uint8Array };
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  // Without a sign, a number that needs more than 31 bits would stand in the block as a negative one.
  const unsigned = column.type === "uint64";
  for (let row = from; row < to; row += 1) {
    const low = words[row * 2] as number;
    block[row - from] = low;
    if (words[row * 2 + 1] === low >> 31 && !(unsigned && low < 0)) continue;
    if (isThere(validity, row)) return false;
  }
  return true;
}

const isThere = (validity: Uint8Array | undefined, row: number): boolean =>
  validity === undefined || (((validity[row >> 3] as number) >> (row & 7)) & 1) === 1;

/** Counts of the integers from `#low` on, one after the other. */
class CountWindow {
  #low = 0;
  #counts = new Float64Array(0);

  /** Counts the first `rows` numbers of the block, or none where they need too many counts. @param validity Their bits. */
  add(block: Int32Array, validity: Uint8Array | undefined, rows: number, quick: Machine | undefined): boolean {
    const { min, max } = quick === undefined ? boundsOf(block, validity, rows) : boundsOfWholes(quick, validity, rows);
    if (min > max) return true;
    if (!(this.#widen(min) && this.#widen(max))) return false;
    if (quick !== undefined) countWholes(quick, validity !== undefined, rows, this.#low, this.#counts);
    else this.#count(block, validity, rows);
    return true;
  }

  #count(block: Int32Array, validity: Uint8Array | undefined, rows: number): void {
    const counts = this.#counts;
    const low = this.#low;
    for (let row = 0; row < rows; row += 1) {
      if (validity !== undefined && (((validity[row >> 3] as number) >> (row & 7)) & 1) === 0) continue;
      const place = (block[row] as number) - low;
      counts[place] = (counts[place] as number) + 1;
    }
  }

  /** Makes room for a number where there is none, and for as many more on its side. */
  #widen(value: number): boolean {
    const had = this.#counts.length;
    if (had === 0) this.#low = value - firstNumbers / 2;
    const high = this.#low + had;
    if (value >= this.#low && value < high) return true;
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

/** The smallest and the largest of the first `rows` numbers that are not null. */
function boundsOf(block: Int32Array, validity: Uint8Array | undefined, rows: number): { min: number; max: number } {
  let min = Infinity;
  let max = -Infinity;
  for (let row = 0; row < rows; row += 1) {
    if (validity !== undefined && (((validity[row >> 3] as number) >> (row & 7)) & 1) === 0) continue;
    const value = block[row] as number;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
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
