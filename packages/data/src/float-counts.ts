/** Counts of floats by bucket: a key is the bits of the high word, in the order of the floats, shifted to the right. */
export interface FloatCounts {
  /** Filled buckets. */
  readonly size: number;
  add(key: number, amount: number): void;
  /** Counts finite floats, given by their words, from one index to before another. */
  addFloats(words: Int32Array, start: number, end: number, shift: number): void;
  /** The same counts with pairs of buckets made one. @param shift That of the result. */
  joined(shift: number): FloatCounts;
  sorted(): SortedCounts;
}

/** Filled buckets, growing in value. */
export interface SortedCounts {
  readonly keys: Int32Array;
  readonly counts: Float64Array;
  readonly count: number;
}

/** From here on buckets are so few that they are found by place, and the table of pages is no larger than one of keys. */
const firstPagedShift = 12;
const pageBits = 6;
const pageSize = 1 << pageBits;

/** Maps the high word of a float to integers in the order of the floats; zeros and subnormal numbers to 0. */
function orderedKey(high: number): number {
  if ((high & 0x7ff00000) === 0) return 0;
  // Without a branch on the sign, which no processor foretells.
  return high ^ ((high >> 31) & 0x7fffffff);
}

/** Counts by 32-bit key: open addressing, linear probing, at most half full; a slot is free while its count is 0. */
export class CountTable implements FloatCounts {
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

  joined(shift: number): FloatCounts {
    const joined = shift >= firstPagedShift ? new PagedCounts(shift) : new CountTable(this.#mask + 1);
    for (let slot = 0; slot <= this.#mask; slot += 1) {
      const count = this.#counts[slot] as number;
      if (count !== 0) joined.add((this.#keys[slot] as number) >> 1, count);
    }
    return joined;
  }

  sorted(): SortedCounts {
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

/** Counts in pages of neighbouring buckets, which are found by place: numbers of a column mostly fill a few of them, which stay in the processor's first cache. */
class PagedCounts implements FloatCounts {
  readonly #lowest: number;
  /** The page of a run of keys, counted from 1; 0: there is none yet. */
  readonly #pages: Uint16Array;
  #counts = new Float64Array(16 * pageSize);
  #used = 0;
  #filled = 0;

  constructor(shift: number) {
    this.#lowest = -(2 ** (31 - shift));
    this.#pages = new Uint16Array(Math.max(1, 2 ** (32 - shift - pageBits)));
  }

  get size(): number {
    return this.#filled;
  }

  add(key: number, amount: number): void {
    if (amount === 0) return;
    const at = this.#placeOf(key - this.#lowest);
    if (this.#counts[at] === 0) this.#filled += 1;
    this.#counts[at] = (this.#counts[at] as number) + amount;
  }

  addFloats(words: Int32Array, start: number, end: number, shift: number): void {
    const pages = this.#pages;
    const lowest = this.#lowest;
    let counts = this.#counts;
    for (let index = start; index < end; index += 1) {
      const high = words[index * 2 + 1] as number;
      if ((high & 0x7ff00000) === 0x7ff00000) continue;
      const place = (orderedKey(high) >> shift) - lowest;
      const page = pages[place >> pageBits] as number;
      if (page === 0) {
        this.#placeOf(place);
        counts = this.#counts;
      }
      const at = ((pages[place >> pageBits] as number) - 1) * pageSize + (place & (pageSize - 1));
      const count = counts[at] as number;
      counts[at] = count + 1;
      if (count === 0) this.#filled += 1;
    }
  }

  joined(shift: number): FloatCounts {
    const joined = new PagedCounts(shift);
    this.#visit((key, count) => joined.add(key >> 1, count));
    return joined;
  }

  sorted(): SortedCounts {
    const keys = new Int32Array(this.#filled);
    const counts = new Float64Array(this.#filled);
    let at = 0;
    let count = 0;
    this.#visit((key, amount) => {
      keys[at] = key;
      counts[at] = amount;
      at += 1;
      count += amount;
    });
    return { keys, counts, count };
  }

  /** In the order of the keys. */
  #visit(take: (key: number, count: number) => void): void {
    for (const [run, page] of this.#pages.entries()) {
      if (page === 0) continue;
      for (let within = 0; within < pageSize; within += 1) {
        const count = this.#counts[(page - 1) * pageSize + within] as number;
        if (count !== 0) take(run * pageSize + within + this.#lowest, count);
      }
    }
  }

  /** Where the count of a place stands; its page is made where there is none. */
  #placeOf(place: number): number {
    const run = place >> pageBits;
    if (this.#pages[run] === 0) {
      if ((this.#used + 1) * pageSize > this.#counts.length) {
        const grown = new Float64Array(this.#counts.length * 2);
        grown.set(this.#counts);
        this.#counts = grown;
      }
      this.#used += 1;
      this.#pages[run] = this.#used;
    }
    return ((this.#pages[run] as number) - 1) * pageSize + (place & (pageSize - 1));
  }
}
