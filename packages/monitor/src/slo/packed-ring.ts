import { blockBuckets, canPack, PackedBlocks } from "./packed-blocks.ts";
import { type PairSum, PrefixRing } from "./prefix-ring.ts";

/** So many of the newest buckets have their running sums side by side; all windows of half an hour in buckets of ten seconds. */
const recentBuckets = 192;
const mostPending = 4096;

type Entry = readonly [bucket: number, first: number, second: number];

/**
 * Sums of two numbers by bucket, for the last `capacity` buckets, as a `PrefixRing` has them, and the same to the last bit: the newest are kept as there, and what is older is packed, one to
 * three bytes a bucket with events in place of 16 for each. Whole numbers below 2^29 are; where others come, all are kept as there.
 */
export class PackedRing {
  readonly capacity: number;
  /** What was read last. */
  first = 0;
  second = 0;
  #recent = new PrefixRing(recentBuckets + 2 * blockBuckets);
  #packed: PackedBlocks | undefined;
  /** Buckets before this one are packed. */
  #packedUntil = 0;
  #newest = Number.NEGATIVE_INFINITY;
  /** All, where they cannot be packed. */
  #plain: PrefixRing | undefined;
  #pending: Entry[] = [];

  constructor(capacity: number) {
    this.capacity = Math.max(1, capacity);
    if (this.capacity <= 2 * recentBuckets) this.#plain = new PrefixRing(this.capacity);
  }

  /** The newest bucket; −∞ while nothing was added. */
  get newest(): number {
    return this.#plain?.newest ?? this.#newest;
  }

  /** The oldest bucket that is still told apart. */
  get oldest(): number {
    return this.newest === Number.NEGATIVE_INFINITY ? 0 : this.newest - this.capacity + 1;
  }

  /** @returns false for what is older than all that is kept. */
  add(bucket: number, first: number, second: number): boolean {
    if (this.#plain === undefined && !canPack(first, second)) this.#unpack();
    if (this.#plain !== undefined) return this.#plain.add(bucket, first, second);
    if (bucket < this.oldest && this.#newest !== Number.NEGATIVE_INFINITY) return false;
    if (bucket > this.#newest && !this.#advance(bucket)) {
      this.#unpack();
      return this.add(bucket, first, second);
    }
    if (bucket >= this.#packedUntil) return this.#recent.add(bucket, first, second);
    this.#pending.push([bucket, first, second]);
    if (this.#pending.length >= mostPending) this.#settle();
    return true;
  }

  /** The sums over the buckets from one to another, both included; what is not kept counts nothing. They stand in `first` and `second` until the next reading. */
  read(from: number, to: number): void {
    if (this.#pending.length > 0) this.#settle();
    if (this.#plain !== undefined) {
      this.#plain.read(from, to);
      this.first = this.#plain.first;
      this.second = this.#plain.second;
      return;
    }
    const oldest = this.oldest;
    const begin = from > oldest ? from : oldest;
    this.#recent.read(begin > this.#packedUntil ? begin : this.#packedUntil, to);
    this.first = this.#recent.first;
    this.second = this.#recent.second;
    const packed = this.#packed;
    if (packed === undefined || begin >= this.#packedUntil) return;
    const start = packed.oldest * blockBuckets;
    const last = to < this.#packedUntil ? to : this.#packedUntil - 1;
    const earliest = begin > start ? begin : start;
    if (!(earliest <= last)) return;
    packed.read(earliest, last);
    this.first += packed.first;
    this.second += packed.second;
  }

  /** As `read`, as an object. */
  sum(from: number, to: number): PairSum {
    this.read(from, to);
    return { first: this.first, second: this.second };
  }

  /** The buckets that hold something, growing. */
  entries(): readonly Entry[] {
    if (this.#pending.length > 0) this.#settle();
    if (this.#plain !== undefined) return this.#plain.entries();
    const packed = this.#packed;
    const blocks =
      packed === undefined ? [] : Array.from({ length: packed.next - packed.oldest }, (_, at) => packed.oldest + at);
    return [
      ...blocks.flatMap((block) => entriesOf(block, (packed as PackedBlocks).numbers(block))),
      ...this.#recent.entries().filter(([bucket]) => bucket >= this.#packedUntil),
    ].filter(([bucket]) => bucket >= this.oldest);
  }

  /** Makes the bucket the newest, and packs what is no longer recent. @returns false where that cannot be packed. */
  #advance(bucket: number): boolean {
    const until = Math.floor((bucket - recentBuckets) / blockBuckets) * blockBuckets;
    if (bucket - this.#newest > this.capacity) {
      // Nothing from before counts any more, and the first one too comes here.
      this.#recent = new PrefixRing(this.#recent.capacity);
      this.#packed = undefined;
      this.#pending = [];
      this.#packedUntil = until;
    }
    while (this.#packedUntil < until) {
      const numbers = this.#recentNumbers();
      if (numbers === undefined) return false;
      this.#packed ??= new PackedBlocks(this.#packedUntil / blockBuckets);
      this.#packed.push(numbers);
      this.#packedUntil += blockBuckets;
    }
    this.#newest = bucket;
    this.#packed?.drop(Math.floor(this.oldest / blockBuckets));
    return true;
  }

  /** The next block to pack; undefined where it does not fit. */
  #recentNumbers(): Float64Array | undefined {
    const numbers = new Float64Array(2 * blockBuckets);
    if (this.#packedUntil > this.#recent.newest) return numbers;
    for (let each = 0; each < blockBuckets; each += 1) {
      const bucket = this.#packedUntil + each;
      this.#recent.read(bucket, bucket);
      if (!canPack(this.#recent.first, this.#recent.second)) return undefined;
      numbers[2 * each] = this.#recent.first;
      numbers[2 * each + 1] = this.#recent.second;
    }
    return numbers;
  }

  /** Puts what came late into its blocks. */
  #settle(): void {
    const pending = this.#pending.filter(([bucket]) => bucket >= this.oldest).toSorted((a, b) => a[0] - b[0]);
    this.#pending = [];
    const [earliest] = pending;
    if (earliest === undefined) return;
    const from = Math.floor(earliest[0] / blockBuckets);
    const packed = (this.#packed ??= new PackedBlocks(this.#packedUntil / blockBuckets));
    packed.extend(from);
    const blocks = packed.cut(from);
    for (const [bucket, first, second] of pending) {
      const numbers = blocks[Math.floor(bucket / blockBuckets) - from] as Float64Array;
      const at = 2 * (bucket - Math.floor(bucket / blockBuckets) * blockBuckets);
      numbers[at] = (numbers[at] as number) + first;
      numbers[at + 1] = (numbers[at + 1] as number) + second;
    }
    if (blocks.every(areSmall)) for (const numbers of blocks) packed.push(numbers);
    else this.#unpack(blocks.flatMap((numbers, at) => entriesOf(from + at, numbers)));
  }

  /** Goes on without packing. @param more Of blocks that are cut off. */
  #unpack(more: readonly Entry[] = []): void {
    const entries = this.entries();
    const plain = new PrefixRing(this.capacity);
    for (const [bucket, first, second] of [...entries, ...more].toSorted((a, b) => a[0] - b[0]))
      plain.add(bucket, first, second);
    // Nothing may have come of the newest one.
    if (this.#newest !== Number.NEGATIVE_INFINITY) plain.add(this.#newest, 0, 0);
    this.#plain = plain;
    this.#packed = undefined;
  }
}

const areSmall = (numbers: Float64Array): boolean => {
  for (let at = 0; at < numbers.length; at += 2)
    if (!canPack(numbers[at] as number, numbers[at + 1] as number)) return false;
  return true;
};

/** Of a block, the buckets that hold something. */
function entriesOf(block: number, numbers: Float64Array): Entry[] {
  const entries: Entry[] = [];
  for (let each = 0; each < blockBuckets; each += 1) {
    const [first, second] = [numbers[2 * each] as number, numbers[2 * each + 1] as number];
    if (first !== 0 || second !== 0) entries.push([block * blockBuckets + each, first, second]);
  }
  return entries;
}
