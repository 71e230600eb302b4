/** Sums up to here are exact in a double. */
const LARGEST = Number.MAX_SAFE_INTEGER;

/**
 * The rows of one entity in order of time, with running sums of their inputs: what a window holds is a difference of two of them.
 * Inputs are whole numbers and all sums stay below 2^53, so that every result is exact and no order of arrival can change it:
 * the same code gives features to training and to serving.
 */
export interface EventWindow {
  /** Rows kept. */
  readonly length: number;
  /**
   * Adds a row at its place in time, after those of equal time.
   * @param inputs One whole number an input; NaN where the row has none.
   * @param row What `rowAt` gives back.
   * @returns the index of the input whose sum left the exact range, or −1; the row is then not added.
   */
  add(timeUs: number, inputs: ArrayLike<number>, row?: unknown): number;
  /** Whether values of this size together can be added and all sums stay exact. */
  hasRoom(input: number, amount: number): boolean;
  /** The number of rows before a time: the index of the first row at or after it. */
  countBefore(timeUs: number): number;
  /** Time of a row, by index. */
  timeAt(index: number): number;
  rowAt(index: number): unknown;
  /** Sum of an input over the rows [from, to). */
  sum(input: number, from: number, to: number): number;
  /** How many rows of [from, to) have the input. */
  count(input: number, from: number, to: number): number;
  /** Drops rows before a time, but always keeps the newest of them: it tells how old the entity's last row is. */
  dropBefore(timeUs: number): void;
  /** Forgets all rows. */
  clear(): void;
  /** Walks the rows kept, in order. */
  rows(): IterableIterator<{ readonly timeUs: number; readonly inputs: readonly number[]; readonly row: unknown }>;
}

export function createEventWindow(inputCount: number, { keepRows = false }: { keepRows?: boolean } = {}): EventWindow {
  return new ArrayEventWindow(inputCount, keepRows);
}

class ArrayEventWindow implements EventWindow {
  readonly #inputs: number;
  readonly #keepRows: boolean;
  #times = new Float64Array(4);
  /** Before row i: sums and counts of each input over all rows kept up to it. One entry more than rows. */
  #sums: Float64Array[];
  #counts: Float64Array[];
  /** Sums of the absolute values behind each input's sums: no sum between them is larger. */
  #sizes: Float64Array;
  #rows: unknown[] = [];
  #start = 0;
  #end = 0;
  /** Where the last search ended: the next one is mostly close by. */
  #hint = 0;

  constructor(inputs: number, keepRows: boolean) {
    this.#inputs = inputs;
    this.#keepRows = keepRows;
    this.#sums = Array.from({ length: inputs }, () => new Float64Array(5));
    this.#counts = Array.from({ length: inputs }, () => new Float64Array(5));
    this.#sizes = new Float64Array(inputs);
  }

  get length(): number {
    return this.#end - this.#start;
  }

  add(timeUs: number, inputs: ArrayLike<number>, row?: unknown): number {
    for (let input = 0; input < this.#inputs; input++) {
      if (!this.hasRoom(input, Math.abs(inputs[input]!))) return input;
    }
    if (this.#end === this.#times.length) this.#makeRoom();
    const at = this.#end === this.#start || this.#times[this.#end - 1]! <= timeUs ? this.#end : this.#insertAt(timeUs);
    this.#times[at] = timeUs;
    if (this.#keepRows) this.#rows[at] = row;
    for (let input = 0; input < this.#inputs; input++) {
      const value = inputs[input]!;
      const isPresent = !Number.isNaN(value);
      shiftSums(this.#sums[input]!, at, this.#end, isPresent ? value : 0);
      shiftSums(this.#counts[input]!, at, this.#end, isPresent ? 1 : 0);
      this.#sizes[input]! += isPresent ? Math.abs(value) : 0;
    }
    this.#end++;
    return -1;
  }

  hasRoom(input: number, amount: number): boolean {
    if (!(this.#sizes[input]! + amount > LARGEST)) return true;
    this.#makeRoom();
    return !(this.#sizes[input]! + amount > LARGEST);
  }

  countBefore(timeUs: number): number {
    return this.#find(timeUs) - this.#start;
  }

  timeAt(index: number): number {
    return this.#times[this.#start + index]!;
  }

  rowAt(index: number): unknown {
    return this.#rows[this.#start + index];
  }

  sum(input: number, from: number, to: number): number {
    const sums = this.#sums[input]!;
    return sums[this.#start + to]! - sums[this.#start + from]!;
  }

  count(input: number, from: number, to: number): number {
    const counts = this.#counts[input]!;
    return counts[this.#start + to]! - counts[this.#start + from]!;
  }

  dropBefore(timeUs: number): void {
    // Moving the start forgets nothing yet: what is before it goes when room is made.
    this.#start = Math.max(this.#start, this.#find(timeUs) - 1);
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
    this.#hint = 0;
    this.#rows = [];
    for (let input = 0; input < this.#inputs; input++) {
      this.#sums[input]![0] = 0;
      this.#counts[input]![0] = 0;
      this.#sizes[input] = 0;
    }
  }

  *rows(): IterableIterator<{ readonly timeUs: number; readonly inputs: readonly number[]; readonly row: unknown }> {
    for (let index = 0; index < this.length; index++) {
      const inputs = Array.from({ length: this.#inputs }, (_, input) =>
        this.count(input, index, index + 1) === 0 ? Number.NaN : this.sum(input, index, index + 1),
      );
      yield { timeUs: this.timeAt(index), inputs, row: this.rowAt(index) };
    }
  }

  /** The first position whose time is not before `timeUs`. */
  #find(timeUs: number): number {
    const times = this.#times;
    let low = this.#start;
    let high = this.#end;
    // A few steps from the last place, then halving.
    let at = Math.min(Math.max(this.#hint, low), high);
    for (let steps = 0; steps < 8; steps++) {
      if (at < high && times[at]! < timeUs) {
        at++;
        low = at;
      } else if (at > low && times[at - 1]! >= timeUs) {
        at--;
        high = at;
      } else {
        this.#hint = at;
        return at;
      }
    }
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle]! < timeUs) low = middle + 1;
      else high = middle;
    }
    this.#hint = low;
    return low;
  }

  /** Opens a gap for a row that comes late; equal times keep their order of arrival. */
  #insertAt(timeUs: number): number {
    let at = this.#end;
    while (at > this.#start && this.#times[at - 1]! > timeUs) at--;
    this.#times.copyWithin(at + 1, at, this.#end);
    if (this.#keepRows) this.#rows.splice(at, 0, undefined);
    return at;
  }

  /** Moves what is kept to the front, in larger arrays where it fills them; sums begin anew at zero, so that they stay small. */
  #makeRoom(): void {
    const length = this.length;
    const capacity = length * 2 > this.#times.length ? this.#times.length * 2 : this.#times.length;
    const move = (source: Float64Array, size: number, count: number): Float64Array<ArrayBuffer> => {
      const target = new Float64Array(size);
      target.set(source.subarray(this.#start, this.#start + count));
      return target;
    };
    this.#times = move(this.#times, capacity, length);
    const rebase = (source: Float64Array): Float64Array<ArrayBuffer> => {
      const target = move(source, capacity + 1, length + 1);
      const base = target[0]!;
      for (let i = 0; i <= length; i++) target[i]! -= base;
      return target;
    };
    this.#sums = this.#sums.map(rebase);
    this.#counts = this.#counts.map(rebase);
    this.#sizes = Float64Array.from(this.#sums, (sums) => {
      let size = 0;
      for (let i = 0; i < length; i++) size += Math.abs(sums[i + 1]! - sums[i]!);
      return size;
    });
    if (this.#keepRows) this.#rows = this.#rows.slice(this.#start, this.#end);
    this.#hint = Math.max(this.#hint - this.#start, 0);
    this.#start = 0;
    this.#end = length;
  }
}

/** Puts a value between running sums: entry `at + 1` on, all grow by it. */
function shiftSums(sums: Float64Array, at: number, end: number, value: number): void {
  for (let i = end; i >= at; i--) sums[i + 1] = sums[i]! + value;
}
