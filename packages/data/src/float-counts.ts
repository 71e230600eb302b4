import {
  blockNumbers,
  layout,
  type Machine,
  mostKeySlots,
  mostPages,
  placesAtOnce,
  spoilPage,
} from "./simd/machine.ts";

/** Counts of floats by bucket: a key is the bits of the high word, in the order of the floats, shifted to the right. */
export interface FloatCounts {
  /** Filled buckets. */
  readonly size: number;
  add(key: number, amount: number): void;
  /** Counts finite floats, given by their words, from one index to before another. */
  addFloats(words: Int32Array, start: number, end: number, shift: number): void;
  /** What is taken off the keys that are counted in the machine, and what there stands for no number. */
  readonly lowest: number;
  nothing(shift: number): number;
  /** Most keys that are counted in the machine at one time. */
  readonly placesAtOnce: number;
  /** Counts the first `rows` keys of the machine's places. */
  addPlaces(machine: Machine, rows: number, shift: number): void;
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
export function orderedKey(high: number): number {
  if ((high & 0x7ff00000) === 0) return 0;
  // Without a branch on the sign, which no processor foretells.
  return high ^ ((high >> 31) & 0x7fffffff);
}

/** @returns by how much keys are to be shifted, at least, so that no more than `most` different ones are left. @param keys Growing, without repetition. */
export function shiftToFit(keys: Int32Array, most: number): number {
  // Neighbours become one where all that they differ in is shifted away.
  const parting = new Int32Array(33);
  for (let index = 1; index < keys.length; index += 1) {
    const bits = 32 - Math.clz32((keys[index - 1] as number) ^ (keys[index] as number));
    parting[bits] = (parting[bits] as number) + 1;
  }
  let by = 0;
  for (let left = keys.length; left > most && by < 31; left -= parting[by] as number) by += 1;
  return by;
}

/** Counts by 32-bit key: open addressing, linear probing, at most half full; a slot is free while its count is 0. */
export class CountTable implements FloatCounts {
  #mask: number;
  #bits: number;
  #keys: Int32Array;
  #counts: Float64Array;
  #used = 0;

  readonly lowest: number = 0;
  /** As many more keys may come before the table is looked at. */
  readonly placesAtOnce: number = blockNumbers;

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

  /** The bits of no finite number. */
  nothing(shift: number): number {
    return -0x80000000 >> shift;
  }

  addPlaces(machine: Machine, rows: number, shift: number): void {
    const { floats, kernels, words } = machine;
    const [keysAt, countsAt] = [layout.pages / 4, layout.counts / 8];
    for (let row = 0; row < rows;) {
      const slots = this.#mask + 1;
      if (slots > mostKeySlots) return addRest(this, machine, row, rows, shift);
      words.set(this.#keys, keysAt);
      floats.set(this.#counts, countsAt);
      row = kernels.countKeys(row, rows, this.#mask, this.#bits, this.#used, this.nothing(shift));
      this.#used = words[layout.out / 4] as number;
      this.#keys.set(words.subarray(keysAt, keysAt + slots));
      this.#counts.set(floats.subarray(countsAt, countsAt + slots));
      if (this.#used * 2 > this.#mask) this.#grow();
    }
  }

  sorted(): SortedCounts {
    const keys = new Int32Array(this.#used);
    let at = 0;
    for (let slot = 0; slot <= this.#mask; slot += 1) {
      if (this.#counts[slot] === 0) continue;
      keys[at] = this.#keys[slot] as number;
      at += 1;
    }
    keys.sort();
    const counts = new Float64Array(keys.length);
    let count = 0;
    for (let index = 0; index < keys.length; index += 1) {
      const amount = this.#counts[this.#slotOf(keys[index] as number)] as number;
      counts[index] = amount;
      count += amount;
    }
    return { keys, counts, count };
  }

  /** Where a key is, or would be. */
  #slotOf(key: number): number {
    let slot = Math.imul(key, 0x9e3779b1) >>> this.#bits;
    while (this.#counts[slot] !== 0 && this.#keys[slot] !== key) slot = (slot + 1) & this.#mask;
    return slot;
  }

  #put(key: number, amount: number): void {
    const slot = this.#slotOf(key);
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

/** @returns the counts with each 2^`by` neighbouring buckets made one. @param shift That of the result. */
export function joinedCounts({ keys, counts }: SortedCounts, by: number, shift: number): FloatCounts {
  // A power of two, at least twice as many slots as there may be keys.
  const joined =
    shift >= firstPagedShift ? new PagedCounts(shift) : new CountTable(2 ** (33 - Math.clz32(keys.length)));
  for (let index = 0; index < keys.length; index += 1)
    joined.add((keys[index] as number) >> by, counts[index] as number);
  return joined;
}

/** Where more is counted than the machine has room for. */
function addRest(counts: FloatCounts, { words }: Machine, from: number, rows: number, shift: number): void {
  const nothing = counts.nothing(shift);
  for (let row = from; row < rows; row += 1) {
    const place = words[layout.places / 4 + row] as number;
    if (place !== nothing) counts.add(place + counts.lowest, 1);
  }
}

/** Counts in pages of neighbouring buckets, which are found by place: numbers of a column mostly fill a few of them, which stay in the processor's first cache. */
class PagedCounts implements FloatCounts {
  readonly lowest: number;
  readonly placesAtOnce: number = placesAtOnce;
  /** The page of a run of keys, counted from 1; 0: there is none yet. */
  readonly #pages: Uint16Array;
  #counts = new Float64Array(16 * pageSize);
  #used = 0;
  #filled = 0;

  constructor(shift: number) {
    this.lowest = -(2 ** (31 - shift));
    this.#pages = new Uint16Array(Math.max(1, 2 ** (32 - shift - pageBits)));
  }

  get size(): number {
    return this.#filled;
  }

  add(key: number, amount: number): void {
    if (amount === 0) return;
    const at = this.#placeOf(key - this.lowest);
    if (this.#counts[at] === 0) this.#filled += 1;
    this.#counts[at] = (this.#counts[at] as number) + amount;
  }

  addFloats(words: Int32Array, start: number, end: number, shift: number): void {
    const pages = this.#pages;
    const lowest = this.lowest;
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

  /** Behind the last of the runs. */
  nothing(): number {
    return this.#pages.length * pageSize;
  }

  addPlaces(machine: Machine, rows: number, shift: number): void {
    const { floats, halves, kernels, words } = machine;
    if (this.#used > mostPages) return addRest(this, machine, 0, rows, shift);
    const [pagesAt, countsAt] = [layout.pages / 2, layout.counts / 8];
    halves.set(this.#pages, pagesAt);
    halves[pagesAt + this.#pages.length] = spoilPage;
    floats[countsAt + spoilPage * pageSize] = 1;
    floats.fill(0, countsAt, countsAt + pageSize);
    floats.set(this.#counts.subarray(0, this.#used * pageSize), countsAt + pageSize);
    kernels.countPages(rows, this.#used, this.#filled);
    const used = words[layout.out / 4] as number;
    this.#filled = words[layout.out / 4 + 1] as number;
    if (used > this.#used) this.#pages.set(halves.subarray(pagesAt, pagesAt + this.#pages.length));
    while (used * pageSize > this.#counts.length) this.#growCounts();
    this.#counts.set(floats.subarray(countsAt + pageSize, countsAt + (used + 1) * pageSize));
    this.#used = used;
  }

  #growCounts(): void {
    const grown = new Float64Array(this.#counts.length * 2);
    grown.set(this.#counts);
    this.#counts = grown;
  }

  sorted(): SortedCounts {
    const keys = new Int32Array(this.#filled);
    const counts = new Float64Array(this.#filled);
    const { length } = this.#pages;
    let at = 0;
    let sum = 0;
    for (let run = 0; run < length; run += 1) {
      const page = this.#pages[run] as number;
      if (page === 0) continue;
      for (let within = 0; within < pageSize; within += 1) {
        const count = this.#counts[(page - 1) * pageSize + within] as number;
        if (count === 0) continue;
        keys[at] = run * pageSize + within + this.lowest;
        counts[at] = count;
        at += 1;
        sum += count;
      }
    }
    return { keys, counts, count: sum };
  }

  /** Where the count of a place stands; its page is made where there is none. */
  #placeOf(place: number): number {
    const run = place >> pageBits;
    if (this.#pages[run] === 0) {
      if ((this.#used + 1) * pageSize > this.#counts.length) this.#growCounts();
      this.#used += 1;
      this.#pages[run] = this.#used;
    }
    return ((this.#pages[run] as number) - 1) * pageSize + (place & (pageSize - 1));
  }
}
