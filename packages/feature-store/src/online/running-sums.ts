/** Sums up to here are exact in a double. */
const LARGEST = Number.MAX_SAFE_INTEGER;

/** Running sums and counts of one input of an event window's rows: before row i stands what all rows before it add up to. */
export class RunningSums {
  #sums: Float64Array = new Float64Array(5);
  #counts: Float64Array = new Float64Array(5);
  /** Sum of the absolute values behind the sums: none between them is larger. */
  #size = 0;

  /** Whether a value of this size can be added and all sums stay exact. */
  hasRoom(amount: number): boolean {
    return !(this.#size + amount > LARGEST);
  }

  /** @param end How many rows there are, those let go at the front included. */
  insert(at: number, end: number, value: number): void {
    const isPresent = !Number.isNaN(value);
    shift(this.#sums, at, end, isPresent ? value : 0);
    shift(this.#counts, at, end, isPresent ? 1 : 0);
    this.#size += isPresent ? Math.abs(value) : 0;
  }

  remove(at: number, end: number): void {
    this.#size -= Math.abs(this.#sums[at + 1]! - this.#sums[at]!);
    unshift(this.#sums, at, end);
    unshift(this.#counts, at, end);
  }

  /** Of the rows [from, to). */
  sum(from: number, to: number): number {
    return this.#sums[to]! - this.#sums[from]!;
  }

  /** How many of the rows [from, to) have a value. */
  count(from: number, to: number): number {
    return this.#counts[to]! - this.#counts[from]!;
  }

  clear(): void {
    this.#sums[0] = 0;
    this.#counts[0] = 0;
    this.#size = 0;
  }

  /** Keeps `length` rows from `start` on, with room for `capacity`; sums begin anew at zero, so that they stay small. */
  move(start: number, length: number, capacity: number): void {
    const sums = (this.#sums = rebased(this.#sums, start, length, capacity));
    this.#counts = rebased(this.#counts, start, length, capacity);
    this.#size = 0;
    for (let i = 0; i < length; i++) this.#size += Math.abs(sums[i + 1]! - sums[i]!);
  }
}

function rebased(source: Float64Array, start: number, length: number, capacity: number): Float64Array {
  const target = new Float64Array(capacity + 1);
  target.set(source.subarray(start, start + length + 1));
  const base = target[0]!;
  for (let i = 0; i <= length; i++) target[i]! -= base;
  return target;
}

/** Puts a value between running sums: entry `at + 1` on, all grow by it. */
function shift(sums: Float64Array, at: number, end: number, value: number): void {
  for (let i = end; i >= at; i--) sums[i + 1] = sums[i]! + value;
}

/** Takes the value behind entry `at + 1` out of running sums. */
function unshift(sums: Float64Array, at: number, end: number): void {
  const value = sums[at + 1]! - sums[at]!;
  for (let i = at + 1; i < end; i++) sums[i] = sums[i + 1]! - value;
}
