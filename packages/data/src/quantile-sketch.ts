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

const defaultMaxBuckets = 2048;
/** Every octave of both signs fits in as many buckets as this, so joining ends. */
const smallestMaxBuckets = 16;
const coarsestShift = 31;
/** Values between two looks at how many buckets are filled: bounds the memory of a sketch that will be coarser. */
const blockValues = 2048;

/** @param maxBuckets From 16. Default: 2048. Joining stops at the latest when one bucket is left for each sign. */
export function createQuantileSketcher(maxBuckets: number = defaultMaxBuckets): QuantileSketcher {
  if (!(Number.isInteger(maxBuckets) && maxBuckets >= smallestMaxBuckets)) {
    throw new RangeError(`maxBuckets must be an integer from ${smallestMaxBuckets}, not ${maxBuckets}.`);
  }
  let table = new CountTable(64);
  let shift = 0;
  // How coarse the buckets are depends on how many would be filled, not on when that is looked at.
  const coarsen = (): void => {
    for (; table.size > maxBuckets && shift < coarsestShift; shift += 1) table = table.joined();
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
    addSketch(sketch) {
      for (; shift < sketch.shift; shift += 1) table = table.joined();
      for (let index = 0; index < sketch.keys.length; index += 1) {
        table.add((sketch.keys[index] as number) >> (shift - sketch.shift), sketch.counts[index] as number);
      }
      coarsen();
    },
    sketch: () => ({ maxBuckets, shift, ...table.sorted() }),
  };
}

/** Maps the high word of a float to integers in the order of the floats; zeros and subnormal numbers to 0. */
function orderedKey(high: number): number {
  if ((high & 0x7ff00000) === 0) return 0;
  return high >= 0 ? high : high ^ 0x7fffffff;
}

/** Counts by 32-bit key: open addressing, linear probing, at most half full; a slot is free while its count is 0. */
class CountTable {
  #mask: number;
  #bits: number;
  #keys: Int32Array;
  #counts: Float64Array;
  #used = 0;

  /** @param slots A power of two. */
  constructor(slots: number) {
    this.#mask = slots - 1;
    this.#bits = Math.clz32(slots) + 1;
    this.#keys = new Int32Array(slots);
    this.#counts = new Float64Array(slots);
  }

  get size(): number {
    return this.#used;
  }

  add(key: number, amount: number): void {
    this.#put(key, amount);
    if (this.#used * 2 > this.#mask) this.#grow();
  }

  /** Counts finite floats, given by their words, from one index to before another. The loop is written out: nothing of a profile costs more. */
  addFloats(words: Int32Array, start: number, end: number, shift: number): void {
    let mask = this.#mask;
    let bits = this.#bits;
    let keys = this.#keys;
    let counts = this.#counts;
    for (let index = start; index < end; index += 1) {
      const high = words[index * 2 + 1] as number;
      if ((high & 0x7ff00000) === 0x7ff00000) continue;
      const key = orderedKey(high) >> shift;
      let slot = Math.imul(key, 0x9e3779b1) >>> bits;
      while (counts[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) & mask;
      const count = counts[slot] as number;
      counts[slot] = count + 1;
      if (count !== 0) continue;
      keys[slot] = key;
      this.#used += 1;
      if (this.#used * 2 <= mask) continue;
      this.#grow();
      mask = this.#mask;
      bits = this.#bits;
      keys = this.#keys;
      counts = this.#counts;
    }
  }

  /** The same counts with pairs of buckets made one. */
  joined(): CountTable {
    const joined = new CountTable(this.#mask + 1);
    for (let slot = 0; slot <= this.#mask; slot += 1) {
      const count = this.#counts[slot] as number;
      if (count !== 0) joined.#put((this.#keys[slot] as number) >> 1, count);
    }
    return joined;
  }

  sorted(): Pick<QuantileSketch, "keys" | "counts" | "count"> {
    const filled = Array.from(this.#keys.keys()).filter((slot) => this.#counts[slot] !== 0);
    filled.sort((a, b) => (this.#keys[a] as number) - (this.#keys[b] as number));
    const counts = Float64Array.from(filled, (slot) => this.#counts[slot] as number);
    return {
      keys: Int32Array.from(filled, (slot) => this.#keys[slot] as number),
      counts,
      count: counts.reduce((sum, each) => sum + each, 0),
    };
  }

  #put(key: number, amount: number): void {
    let slot = Math.imul(key, 0x9e3779b1) >>> this.#bits;
    while (this.#counts[slot] !== 0 && this.#keys[slot] !== key) slot = (slot + 1) & this.#mask;
    if (this.#counts[slot] === 0) {
      this.#keys[slot] = key;
      this.#used += 1;
    }
    this.#counts[slot] = (this.#counts[slot] as number) + amount;
  }

  #grow(): void {
    const [keys, counts] = [this.#keys, this.#counts];
    this.#mask = this.#mask * 2 + 1;
    this.#bits -= 1;
    this.#keys = new Int32Array(this.#mask + 1);
    this.#counts = new Float64Array(this.#mask + 1);
    this.#used = 0;
    for (let slot = 0; slot < keys.length; slot += 1) {
      if (counts[slot] !== 0) this.#put(keys[slot] as number, counts[slot] as number);
    }
  }
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
