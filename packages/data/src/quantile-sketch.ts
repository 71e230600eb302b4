import {
  CountTable,
  type FloatCounts,
  joinedCounts,
  orderedKey,
  shiftToFit,
  type SortedCounts,
} from "./float-counts.ts";
import type { Machine } from "./simd/machine.ts";

/**
 * A histogram whose buckets are ranges of the bits of a 64-bit float: the high `32 − shift` bits, so each bucket spans a share of 2^(shift − 20)
 * of its value. `shift` grows only when more than `maxBuckets` buckets would be filled, and then all buckets join in pairs: Epicoco et al.,
 * "UDDSketch: Accurate Tracking of Quantiles in Data Streams" (2020), on float bits in place of logarithms.
 * Numbers nearer to 0 than 2^−1022 count as 0. The state is a function of the set of values alone: neither order nor the way of merging leaves a trace. Between buckets, ranks are exact.
 */
export interface QuantileSketch {
  readonly maxBuckets: number;
  /** 0 to 20: the relative width of buckets is 2^(shift − 20). */
  readonly shift: number;
  /** Filled buckets, growing in value. */
  readonly keys: Int32Array;
  /** Values in each of them. */
  readonly counts: Float64Array;
  /** All values. */
  readonly count: number;
}

/** Sketches while they take values. */
export interface QuantileSketcher {
  /** Takes the finite numbers among the first `length`. */
  addAll(values: Float64Array, length?: number): void;
  addSketch(sketch: QuantileSketch): void;
  sketch(): QuantileSketch;
}

/** How the machine makes keys: the bits of a number, shifted, less the lowest. */
export interface Keying {
  readonly shift: number;
  readonly lowest: number;
  /** Stands for what is no finite number. */
  readonly nothing: number;
  /** Most keys at one time. */
  readonly mostAtOnce: number;
}

/** What profiles ask of a sketcher beyond that. */
export interface NumberSketcher extends QuantileSketcher {
  /** Takes finite numbers, of which each was met some times. */
  addCounted(values: Float64Array, counts: Float64Array): void;
  /** How keys are to be made for the next `addPlaces`. */
  keying(): Keying;
  /** Takes the first `rows` keys of the machine's places. */
  addPlaces(machine: Machine, rows: number): void;
}

const defaultMaxBuckets = 2048;
/** Every octave of both signs fits in as many buckets as this, so joining ends. */
const smallestMaxBuckets = 16;
const coarsestShift = 31;
/** Values between two looks at how many buckets are filled: bounds the memory of a sketch that will be coarser. */
const blockValues = 2048;

/** @param maxBuckets From 16. Default: 2048. Joining stops at the latest when one bucket is left for each sign. */
export function createQuantileSketcher(maxBuckets?: number): QuantileSketcher {
  const { addAll, addSketch, sketch } = createNumberSketcher(maxBuckets);
  return { addAll, addSketch, sketch };
}

export function createNumberSketcher(maxBuckets: number = defaultMaxBuckets): NumberSketcher {
  if (!(Number.isInteger(maxBuckets) && maxBuckets >= smallestMaxBuckets)) {
    throw new RangeError(`maxBuckets must be an integer from ${smallestMaxBuckets}, not ${maxBuckets}.`);
  }
  let table: FloatCounts = new CountTable(64);
  let shift = 0;
  // How coarse the buckets are depends on how many would be filled, not on when that is looked at.
  const coarsen = (): void => {
    if (table.size <= maxBuckets) return;
    const sorted = table.sorted();
    joinTo(Math.min(coarsestShift, shift + shiftToFit(sorted.keys, maxBuckets)), sorted);
  };
  const joinTo = (coarser: number, sorted?: SortedCounts): void => {
    if (coarser > shift) table = joinedCounts(sorted ?? table.sorted(), coarser - shift, coarser);
    shift = Math.max(shift, coarser);
  };
  return {
    addAll(values, length = values.length) {
      if (!(length <= values.length)) throw new RangeError(`There are ${values.length} values, not ${length}.`);
      const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
      for (let start = 0; start < length; start += blockValues) {
        table.addFloats(words, start, Math.min(length, start + blockValues), shift);
        coarsen();
      }
    },
    keying: () => ({ shift, lowest: table.lowest, nothing: table.nothing(shift), mostAtOnce: table.placesAtOnce }),
    addPlaces(machine, rows) {
      table.addPlaces(machine, rows, shift);
      coarsen();
    },
    addCounted(values, counts) {
      const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
      for (let index = 0; index < values.length; index += 1)
        table.add(orderedKey(words[index * 2 + 1] as number) >> shift, counts[index] as number);
      coarsen();
    },
    addSketch(sketch) {
      joinTo(sketch.shift);
      for (let index = 0; index < sketch.keys.length; index += 1) {
        table.add((sketch.keys[index] as number) >> (shift - sketch.shift), sketch.counts[index] as number);
      }
      coarsen();
    },
    sketch: () => ({ maxBuckets, shift, ...table.sorted() }),
  };
}

export function emptyQuantileSketch(maxBuckets: number = defaultMaxBuckets): QuantileSketch {
  return createQuantileSketcher(maxBuckets).sketch();
}

/** Exactly associative and commutative; any number at once. The smallest `maxBuckets` counts. */
export function mergeQuantileSketches(first: QuantileSketch, ...rest: readonly QuantileSketch[]): QuantileSketch {
  if (rest.length === 0) return first;
  const sketcher = createQuantileSketcher(
    rest.reduce((least, { maxBuckets }) => Math.min(least, maxBuckets), first.maxBuckets),
  );
  for (const sketch of [first, ...rest]) sketcher.addSketch(sketch);
  return sketcher.sketch();
}

/** @returns the sketch of finite numbers of which each was met some times. */
export function sketchOfCounted(values: Float64Array, counts: Float64Array, maxBuckets?: number): QuantileSketch {
  const sketcher = createNumberSketcher(maxBuckets);
  sketcher.addCounted(values, counts);
  return sketcher.sketch();
}

/** @returns the relative width of the buckets: every value a sketch gives lies within this share of a true one of that rank. */
export function relativeErrorOf({ shift }: QuantileSketch): number {
  return 2 ** (shift - 20);
}

/** A filled bucket: the smallest and the largest float it may hold, and how many values fell in it. */
export interface QuantileBucket {
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** @returns the filled buckets, growing in value. */
export function bucketsOf(sketch: QuantileSketch): QuantileBucket[] {
  return Array.from(sketch.keys, (key, index) => ({
    low: lowestOf(sketch, key),
    high: highestOf(sketch, key),
    count: sketch.counts[index] as number,
  }));
}

const smallestNormal = 2 ** -1022;
const float = new Float64Array(1);
const word = new Int32Array(float.buffer);

function floatOf(high: number, low: number): number {
  word[1] = high;
  word[0] = low;
  // The largest bucket of a coarse sketch reaches into the bits of infinity.
  return (
    Math.min(
      Number.MAX_VALUE,
      Math.max(-Number.MAX_VALUE, Number.isNaN(float[0]) ? (high < 0 ? -Infinity : Infinity) : (float[0] as number)),
    ) + 0
  );
}

function lowestOf({ shift }: QuantileSketch, key: number): number {
  const first = key * 2 ** shift;
  return first >= 0 ? floatOf(first, 0) : floatOf(first ^ 0x7fffffff, -1);
}

function highestOf({ shift }: QuantileSketch, key: number): number {
  // Subnormal numbers are taken for 0, so that 0 has a bucket to itself.
  if (key === 0 && shift <= 20) return 0;
  const last = (key + 1) * 2 ** shift - 1;
  if (last === -1) return -smallestNormal;
  return last >= 0 ? floatOf(last, -1) : floatOf(last ^ 0x7fffffff, 0);
}

/** @returns how many values are at most `value`: at least `low`, at most `high`; equal where `value` lies between buckets. */
export function rankBounds(sketch: QuantileSketch, value: number): { readonly low: number; readonly high: number } {
  let low = 0;
  let high = 0;
  for (let index = 0; index < sketch.keys.length; index += 1) {
    const key = sketch.keys[index] as number;
    if (lowestOf(sketch, key) > value) break;
    high += sketch.counts[index] as number;
    if (highestOf(sketch, key) <= value) low = high;
  }
  return { low, high };
}

/** @returns the share of values at most `value`, in [0, 1]: exact between buckets, interpolated within one. NaN without values. */
export function rankOf(sketch: QuantileSketch, value: number): number {
  let below = 0;
  for (let index = 0; index < sketch.keys.length; index += 1) {
    const key = sketch.keys[index] as number;
    const count = sketch.counts[index] as number;
    const low = lowestOf(sketch, key);
    const high = highestOf(sketch, key);
    if (value < low) break;
    if (value < high) {
      below += count * ((value - low) / (high - low));
      break;
    }
    below += count;
  }
  return below / sketch.count;
}

/** @returns about the value with this share of values at most it, within `relativeErrorOf`. NaN without values. `q` in [0, 1]. */
export function quantileOf(sketch: QuantileSketch, q: number): number {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`The quantile must be in [0, 1], not ${q}.`);
  if (sketch.count === 0) return Number.NaN;
  const rank = Math.max(1, Math.ceil(q * sketch.count));
  let below = 0;
  for (let index = 0; index < sketch.keys.length; index += 1) {
    const count = sketch.counts[index] as number;
    if (below + count >= rank) {
      const key = sketch.keys[index] as number;
      const low = lowestOf(sketch, key);
      return low + (highestOf(sketch, key) - low) * ((rank - below - 0.5) / count);
    }
    below += count;
  }
  return highestOf(sketch, sketch.keys.at(-1) ?? 0);
}
