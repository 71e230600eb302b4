/** Two numbers summed over buckets: of bad events and of all of them. */
export interface PairSum {
  readonly first: number;
  readonly second: number;
}

/** Late numbers that lie further back than this many buckets wait for the next reading, and are put in together. */
const inPlace = 64;
const mostPending = 4096;
const farFromBase = 1_000_000_000;
/** Fractions below this share of the running sums are what rounding left. */
const roundingShare = 1e-12;

/**
 * Running sums of two numbers by bucket, for the last `capacity` buckets: the sum over any range of buckets is a difference of two of them. Whole numbers
 * are exact up to 2^53. Memory grows with the time covered, up to 16 bytes a bucket.
 */
export class PrefixRing {
  readonly capacity: number;
  /** What was read last. */
  first = 0;
  second = 0;
  #sums = new Float64Array(2 * 16);
  #slots = 16;
  /** Bucket of the index 0 before the first turn; no bucket that is kept lies before it. */
  #base = 0;
  /** Sums are kept of the buckets from this one, whose own is what came before all others. */
  #low = 0;
  #newest = Number.NEGATIVE_INFINITY;
  #pending: (readonly [bucket: number, first: number, second: number])[] = [];

  constructor(capacity: number) {
    this.capacity = Math.max(1, capacity);
  }

  /** The newest bucket; −∞ while nothing was added. */
  get newest(): number {
    return this.#newest;
  }

  /** The oldest bucket that is still told apart. */
  get oldest(): number {
    return this.#newest === Number.NEGATIVE_INFINITY ? 0 : this.#newest - this.capacity + 1;
  }

  /** @returns false for what is older than all that is kept. */
  add(bucket: number, first: number, second: number): boolean {
    if (bucket < this.oldest && this.#newest !== Number.NEGATIVE_INFINITY) return false;
    if (bucket > this.#newest) this.#advance(bucket);
    else if (bucket <= this.#low) this.#extend(bucket - 1);
    if (this.#newest - bucket > inPlace) {
      this.#pending.push([bucket, first, second]);
      if (this.#pending.length >= mostPending) this.#settle();
      return true;
    }
    for (let each = bucket; each <= this.#newest; each += 1) {
      const index = this.#indexOf(each);
      this.#sums[index] = (this.#sums[index] as number) + first;
      this.#sums[index + 1] = (this.#sums[index + 1] as number) + second;
    }
    return true;
  }

  /**
   * The sums over the buckets from one to another, both included; what is not kept counts nothing. They stand in `first` and `second` until the next
   * reading: thousands of objectives are read at once, and an object for each window would cost more than the reading.
   */
  read(from: number, to: number): void {
    if (this.#pending.length > 0) this.#settle();
    const last = to < this.#newest ? to : this.#newest;
    const before = from - 1 > this.#low ? from - 1 : this.#low;
    if (!(last > before)) {
      this.first = 0;
      this.second = 0;
      return;
    }
    const sums = this.#sums;
    const end = this.#indexOf(last);
    const start = this.#indexOf(before);
    this.first = difference(sums[end] as number, sums[start] as number);
    this.second = difference(sums[end + 1] as number, sums[start + 1] as number);
  }

  /** As `read`, as an object. */
  sum(from: number, to: number): PairSum {
    this.read(from, to);
    return { first: this.first, second: this.second };
  }

  /** The buckets that hold something, growing. */
  entries(): readonly (readonly [bucket: number, first: number, second: number])[] {
    const entries: (readonly [number, number, number])[] = [];
    const from = Math.max(this.oldest, this.#low + 1);
    for (let bucket = from; bucket <= this.#newest; bucket += 1) {
      const { first, second } = this.sum(bucket, bucket);
      if (first !== 0 || second !== 0) entries.push([bucket, first, second]);
    }
    return entries;
  }

  /** Buckets stay within 2^31 of the base: remainders of small whole numbers are many times faster than of others. */
  #indexOf(bucket: number): number {
    return 2 * (((bucket - this.#base) | 0) % this.#slots);
  }

  /** Makes the bucket the newest: all between take over the sums so far. */
  #advance(bucket: number): void {
    if (this.#newest === Number.NEGATIVE_INFINITY) {
      this.#base = bucket - 2 * (this.capacity + 1);
      this.#low = bucket - 1;
      this.#newest = bucket - 1;
      this.#sums.fill(0);
    }
    // By whole turns, so that every bucket stays where it is.
    if (bucket - this.#base > farFromBase)
      this.#base += this.#slots * Math.floor((this.#low - this.#base) / this.#slots);
    const low = Math.max(this.#low, bucket - this.capacity);
    if (this.#pending.length > 0 && low > this.#low) this.#settle();
    const [first, second] = this.#at(this.#newest);
    const [lowFirst, lowSecond] = low <= this.#newest ? this.#at(low) : [first, second];
    this.#fit(low, bucket);
    // After a long silence the turn is complete, and no sum from before it is asked for again.
    if (low > this.#newest) this.#put(low, lowFirst, lowSecond);
    for (let each = Math.max(this.#newest, low) + 1; each <= bucket; each += 1) this.#put(each, first, second);
    this.#low = low;
    this.#newest = bucket;
  }

  /** Begins earlier: nothing was there. */
  #extend(low: number): void {
    this.#fit(low, this.#newest);
    const [first, second] = this.#at(this.#low);
    for (let each = low; each < this.#low; each += 1) this.#put(each, first, second);
    this.#low = low;
  }

  #at(bucket: number): readonly [number, number] {
    const index = this.#indexOf(bucket);
    return [this.#sums[index] as number, this.#sums[index + 1] as number];
  }

  #put(bucket: number, first: number, second: number): void {
    const index = this.#indexOf(bucket);
    this.#sums[index] = first;
    this.#sums[index + 1] = second;
  }

  /** Makes room for the buckets from one to another. */
  #fit(low: number, newest: number): void {
    const needed = newest - low + 1;
    if (needed <= this.#slots) return;
    const slots = Math.min(this.capacity + 1, Math.max(needed, 2 * this.#slots));
    const grown = new Float64Array(2 * slots);
    for (let each = Math.max(this.#low, low); each <= this.#newest; each += 1) {
      const [first, second] = this.#at(each);
      const index = 2 * (((each - this.#base) | 0) % slots);
      grown[index] = first;
      grown[index + 1] = second;
    }
    this.#sums = grown;
    this.#slots = slots;
  }

  /** Puts what came late into the sums: one walk, however many there are. */
  #settle(): void {
    const pending = this.#pending.filter(([bucket]) => bucket > this.#low).toSorted((a, b) => a[0] - b[0]);
    this.#pending = [];
    let [first, second, next] = [0, 0, 0];
    for (let bucket = pending[0]?.[0] ?? Number.POSITIVE_INFINITY; bucket <= this.#newest; bucket += 1) {
      for (; pending[next]?.[0] === bucket; next += 1) {
        first += pending[next]?.[1] ?? 0;
        second += pending[next]?.[2] ?? 0;
      }
      const index = this.#indexOf(bucket);
      this.#sums[index] = (this.#sums[index] as number) + first;
      this.#sums[index + 1] = (this.#sums[index + 1] as number) + second;
    }
  }
}

function difference(end: number, start: number): number {
  const value = end - start;
  if (value === 0) return 0;
  return !Number.isInteger(value) && Math.abs(value) <= Math.abs(end) * roundingShare ? 0 : value;
}
