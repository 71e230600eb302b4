/** Buckets of a block: a sum is read by a walk over one block at most. */
export const blockBuckets = 64;
/** What does not fit into so many bits is not packed: the difference of two that do still fits into 32 with its sign. */
const mostOfBucket = 2 ** 29;
const hasFirst = 1;
const hasGap = 2;
/** Of the six bits for the difference: it stands by itself. */
const wide = 63;
const fewestDropped = 16;
/** A byte, and three numbers of up to five. */
const mostBytesOfEntry = 16;

/** Whether two numbers of a bucket can be packed. */
export const canPack = (first: number, second: number): boolean =>
  Number.isInteger(first) &&
  Number.isInteger(second) &&
  Math.abs(first) < mostOfBucket &&
  Math.abs(second) < mostOfBucket;

/**
 * Blocks of buckets with two whole numbers each, packed one behind the other. Buckets without numbers take no room, and one whose second number is near that of the one before takes a byte or two.
 *
 * An entry is a byte (bit 0: `first` is not 0; bit 1: empty buckets lie before it; six bits: by how much `second` differs from the entry before in the block, from 0 in its first, or 63), then
 * how many empty buckets, the difference, and `first`, as far as the byte says: seven bits a byte, lowest first; numbers that may be negative zigzag (2n, or −2n − 1).
 */
export class PackedBlocks {
  /** What was read last. */
  first = 0;
  second = 0;
  #bytes = new Uint8Array(256);
  #end = 0;
  /** Where each block begins, from the oldest, and the sums of all before it. */
  #offsets: number[] = [];
  #sums: Float64Array = new Float64Array(2 * 16);
  #total: [first: number, second: number] = [0, 0];
  /** The number of the oldest block that is kept. */
  #oldest: number;
  #at = 0;

  /** @param next Number of the block that is pushed first. */
  constructor(next: number) {
    this.#oldest = next;
  }

  /** Number of the oldest block, and of the one that is pushed next. */
  get oldest(): number {
    return this.#oldest;
  }
  get next(): number {
    return this.#oldest + this.#offsets.length;
  }

  /** @param numbers Of each bucket of the next block, both; all can be packed. */
  push(numbers: Float64Array): void {
    const at = this.#offsets.length;
    if (2 * at >= this.#sums.length) this.#sums = grown(this.#sums, new Float64Array(2 * Math.ceil(1.25 * at + 1)));
    this.#offsets.push(this.#end);
    this.#sums.set(this.#total, 2 * at);
    const most = this.#end + mostBytesOfEntry * blockBuckets;
    // A quarter more than is used, so that little stands empty.
    if (most > this.#bytes.length)
      this.#bytes = grown(this.#bytes, new Uint8Array(Math.max(most, Math.ceil(1.25 * this.#end))));
    let [skipped, previous] = [0, 0];
    for (let each = 0; each < blockBuckets; each += 1) {
      const [first, second] = [numbers[2 * each] as number, numbers[2 * each + 1] as number];
      if (first === 0 && second === 0) {
        skipped += 1;
        continue;
      }
      this.#putEntry(skipped, second - previous, first);
      this.#total[0] += first;
      this.#total[1] += second;
      [skipped, previous] = [0, second];
    }
  }

  /** Lets go of the blocks before one. */
  drop(before: number): void {
    const gone = Math.min(before - this.#oldest, this.#offsets.length);
    // Many at once: all behind them are moved.
    if (gone < fewestDropped && gone < this.#offsets.length) return;
    const offset = this.#offsets[gone] ?? this.#end;
    this.#bytes.copyWithin(0, offset, this.#end);
    this.#end -= offset;
    this.#offsets = this.#offsets.slice(gone).map((each) => each - offset);
    this.#sums.copyWithin(0, 2 * gone);
    this.#oldest += gone;
  }

  /** Begins with an earlier block: those before are empty. */
  extend(oldest: number): void {
    const more = this.#oldest - oldest;
    if (more <= 0) return;
    const held = this.#sums;
    const [first, second] = this.#offsets.length === 0 ? this.#total : [held[0] as number, held[1] as number];
    this.#sums = new Float64Array(held.length + 2 * more);
    for (let each = 0; each < more; each += 1) this.#sums.set([first, second], 2 * each);
    this.#sums.set(held, 2 * more);
    this.#offsets = [...Array.from({ length: more }, () => 0), ...this.#offsets];
    this.#oldest = oldest;
  }

  /** Takes the blocks from one on away again, and gives their numbers, in order. */
  cut(from: number): Float64Array[] {
    const blocks: Float64Array[] = [];
    for (let block = from; block < this.next; block += 1) blocks.push(this.numbers(block));
    const at = from - this.#oldest;
    if (at >= this.#offsets.length) return blocks;
    this.#end = this.#offsets[at] as number;
    this.#total = [this.#sums[2 * at] as number, this.#sums[2 * at + 1] as number];
    this.#offsets.length = at;
    return blocks;
  }

  numbers(block: number): Float64Array {
    const numbers = new Float64Array(2 * blockBuckets);
    const at = block - this.#oldest;
    const end = this.#offsets[at + 1] ?? this.#end;
    this.#at = this.#offsets[at] ?? end;
    let [bucket, second] = [0, 0];
    while (this.#at < end) {
      const head = this.#bytes[this.#at++] as number;
      if ((head & hasGap) !== 0) bucket += this.#take();
      second += this.#takeDifference(head);
      if ((head & hasFirst) !== 0) numbers[2 * bucket] = unzigzag(this.#take());
      numbers[2 * bucket + 1] = second;
      bucket += 1;
    }
    return numbers;
  }

  /** Sums from one bucket to another, both included and both of blocks that are kept: in `first` and `second` until the next reading. */
  read(from: number, to: number): void {
    this.#readUntil(from);
    const [first, second] = [this.first, this.second];
    this.#readUntil(to + 1);
    this.first -= first;
    this.second -= second;
  }

  /** Sums of all buckets before one. */
  #readUntil(bucket: number): void {
    const block = Math.floor(bucket / blockBuckets) - this.#oldest;
    if (block >= this.#offsets.length) {
      [this.first, this.second] = this.#total;
      return;
    }
    let [first, total] = [this.#sums[2 * block] as number, this.#sums[2 * block + 1] as number];
    let left = bucket - (block + this.#oldest) * blockBuckets;
    const end = this.#offsets[block + 1] ?? this.#end;
    this.#at = this.#offsets[block] as number;
    let second = 0;
    while (this.#at < end) {
      const head = this.#bytes[this.#at++] as number;
      if ((head & hasGap) !== 0) left -= this.#take();
      if (left <= 0) break;
      second += this.#takeDifference(head);
      if ((head & hasFirst) !== 0) first += unzigzag(this.#take());
      total += second;
      left -= 1;
    }
    this.first = first;
    this.second = total;
  }

  #takeDifference(head: number): number {
    const short = head >> 2;
    return unzigzag(short === wide ? this.#take() : short);
  }

  #take(): number {
    let byte = this.#bytes[this.#at++] as number;
    let value = byte & 127;
    for (let shift = 7; byte > 127; shift += 7) {
      byte = this.#bytes[this.#at++] as number;
      value |= (byte & 127) << shift;
    }
    return value >>> 0;
  }

  #putEntry(skipped: number, difference: number, first: number): void {
    const told = zigzag(difference);
    const isWide = told >= wide;
    this.#bytes[this.#end++] =
      (first === 0 ? 0 : hasFirst) | (skipped === 0 ? 0 : hasGap) | ((isWide ? wide : told) << 2);
    if (skipped !== 0) this.#put(skipped);
    if (isWide) this.#put(told);
    if (first !== 0) this.#put(zigzag(first));
  }

  #put(value: number): void {
    let rest = value;
    for (; rest > 127; rest >>>= 7) this.#bytes[this.#end++] = (rest & 127) | 128;
    this.#bytes[this.#end++] = rest;
  }
}

const zigzag = (value: number): number => ((value << 1) ^ (value >> 31)) >>> 0;
const unzigzag = (value: number): number => (value >>> 1) ^ -(value & 1);

function grown<Numbers extends Uint8Array | Float64Array>(from: Numbers, into: Numbers): Numbers {
  into.set(from);
  return into;
}
