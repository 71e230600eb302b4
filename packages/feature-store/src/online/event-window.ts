import { type InputNeeds, ValueColumn, type WindowValue } from "../windows/value-column.ts";
import type { Whole } from "../windows/whole.ts";
import { RunningSums } from "./running-sums.ts";

/**
 * The rows of one entity in order of time, with running sums of their inputs: what a window holds is a difference of two of them.
 * Inputs are whole numbers and all sums stay below 2^53, so that every result is exact and no order of arrival can change it:
 * the same code gives features to training and to serving.
 */
export interface EventWindow {
  /** Rows kept. */
  readonly length: number;
  /** Rows dropped from the front since `epoch` changed. */
  readonly dropped: number;
  /** Changes when rows come between others, or go from between them. */
  readonly epoch: number;
  /**
   * Adds a row at its place in time, after those of equal time.
   * @param inputs One value an input: a whole number, or a text where no sums are needed; NaN where the row has none.
   * @param row What `rowAt` gives back.
   * @returns the index of the input whose sum left the exact range, or −1; the row is then not added.
   */
  add(timeUs: number, inputs: ArrayLike<WindowValue>, row?: unknown): number;
  /** The first row of this time with these inputs, of which only some may be compared; −1 where there is none. */
  find(timeUs: number, inputs: ArrayLike<WindowValue>, compared?: readonly number[]): number;
  /** Takes away a row, by index. */
  removeAt(index: number): void;
  /** Whether values of this size together can be added and all sums stay exact: always, for inputs without sums. */
  hasRoom(input: number, amount: number): boolean;
  /** The number of rows before a time: the index of the first row at or after it. */
  countBefore(timeUs: number): number;
  /** Time of a row, by index. */
  timeAt(index: number): number;
  rowAt(index: number): unknown;
  /** An input of a row; NaN where it has none. */
  valueAt(input: number, index: number): WindowValue;
  /** Sum of an input over the rows [from, to). */
  sum(input: number, from: number, to: number): number;
  /** How many rows of [from, to) have the input. */
  count(input: number, from: number, to: number): number;
  /** Sum of an input's squares over the rows [from, to). */
  squares(input: number, from: number, to: number): Whole;
  /** The smallest of an input over the rows [from, to); Infinity where there is none. */
  smallest(input: number, from: number, to: number): number;
  /** The largest of an input over the rows [from, to); −Infinity where there is none. */
  largest(input: number, from: number, to: number): number;
  /** Drops rows before a time, but always keeps the newest of them: it tells how old the entity's last row is. */
  dropBefore(timeUs: number): void;
  /** Forgets all rows. */
  clear(): void;
  /** Walks the rows kept, in order. */
  rows(): IterableIterator<WindowRow>;
}

export interface WindowRow {
  readonly timeUs: number;
  readonly inputs: readonly WindowValue[];
  readonly row: unknown;
}

export interface EventWindowOptions {
  /** Whether `rowAt` gives back what was added. Default: false. */
  readonly keepRows?: boolean | undefined;
  /** What is kept of each input. Default: sums of each. */
  readonly needs?: readonly InputNeeds[] | undefined;
}

export function createEventWindow(inputCount: number, options: EventWindowOptions = {}): EventWindow {
  const { keepRows = false, needs = [] } = options;
  const sums = { sums: true, squares: false, values: false };
  return new ArrayEventWindow(
    Array.from({ length: inputCount }, (_, input) => needs[input] ?? sums),
    keepRows,
  );
}

class ArrayEventWindow implements EventWindow {
  readonly #all: readonly number[];
  /** By input: its sums, where they are needed. */
  readonly #sums: readonly (RunningSums | undefined)[];
  readonly #summed: readonly number[];
  /** By input: its values, where they are needed. */
  readonly #values: readonly (ValueColumn | undefined)[];
  readonly #valued: readonly number[];
  readonly #keepRows: boolean;
  #times = new Float64Array(4);
  #rows: unknown[] = [];
  #start = 0;
  #end = 0;
  /** Where the last search ended: the next one is mostly close by. */
  #hint = 0;
  #dropped = 0;
  #epoch = 0;

  constructor(needs: readonly InputNeeds[], keepRows: boolean) {
    this.#keepRows = keepRows;
    this.#values = needs.map((each) => (each.values || each.squares ? new ValueColumn(each) : undefined));
    const all = (this.#all = needs.map((_, input) => input));
    this.#sums = needs.map(({ sums }) => (sums ? new RunningSums() : undefined));
    this.#summed = all.filter((input) => needs[input]!.sums);
    this.#valued = all.filter((input) => this.#values[input] !== undefined);
  }

  get dropped(): number {
    return this.#dropped;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  add(timeUs: number, inputs: ArrayLike<WindowValue>, row?: unknown): number {
    const summed = this.#summed;
    for (let each = 0; each < summed.length; each++) {
      const input = summed[each]!;
      if (!this.hasRoom(input, Math.abs(inputs[input]! as number))) return input;
    }
    if (this.#end === this.#times.length) this.#makeRoom();
    const at = this.#end === this.#start || this.#times[this.#end - 1]! <= timeUs ? this.#end : this.#insertAt(timeUs);
    this.#times[at] = timeUs;
    if (this.#keepRows) this.#rows[at] = row;
    for (let each = 0; each < summed.length; each++) {
      const input = summed[each]!;
      this.#sums[input]!.insert(at, this.#end, inputs[input]! as number);
    }
    for (const input of this.#valued) this.#values[input]!.insert(at, inputs[input]!);
    this.#end++;
    return -1;
  }

  find(timeUs: number, inputs: ArrayLike<WindowValue>, compared: readonly number[] = this.#all): number {
    for (let at = this.#find(timeUs); at < this.#end && this.#times[at] === timeUs; at++) {
      const index = at - this.#start;
      if (compared.every((input) => Object.is(this.valueAt(input, index), inputs[input]))) return index;
    }
    return -1;
  }

  removeAt(index: number): void {
    const at = this.#start + index;
    for (const input of this.#summed) this.#sums[input]!.remove(at, this.#end);
    for (const input of this.#valued) this.#values[input]!.remove(at);
    this.#times.copyWithin(at, at + 1, this.#end);
    if (this.#keepRows) this.#rows.splice(at, 1);
    this.#end--;
    this.#epoch++;
    this.#dropped = 0;
  }

  hasRoom(input: number, amount: number): boolean {
    const sums = this.#sums[input];
    if (sums === undefined || sums.hasRoom(amount)) return true;
    this.#makeRoom();
    return sums.hasRoom(amount);
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

  valueAt(input: number, index: number): WindowValue {
    const values = this.#values[input];
    if (values !== undefined) return values.at(this.#start + index);
    return this.count(input, index, index + 1) === 0 ? Number.NaN : this.sum(input, index, index + 1);
  }

  sum(input: number, from: number, to: number): number {
    return this.#sums[input]!.sum(this.#start + from, this.#start + to);
  }

  count(input: number, from: number, to: number): number {
    return this.#sums[input]!.count(this.#start + from, this.#start + to);
  }

  squares(input: number, from: number, to: number): Whole {
    return this.#values[input]!.squares(this.#start + from, this.#start + to);
  }

  smallest(input: number, from: number, to: number): number {
    return this.#values[input]!.smallest(this.#start + from, this.#start + to);
  }

  largest(input: number, from: number, to: number): number {
    return this.#values[input]!.largest(this.#start + from, this.#start + to);
  }

  dropBefore(timeUs: number): void {
    // Moving the start forgets nothing yet: what is before it goes when room is made.
    const start = Math.max(this.#start, this.#find(timeUs) - 1);
    this.#dropped += start - this.#start;
    this.#start = start;
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
    this.#hint = 0;
    this.#rows = [];
    this.#dropped = 0;
    this.#epoch++;
    for (const input of this.#valued) this.#values[input]!.slice(0, 0);
    for (const input of this.#summed) this.#sums[input]!.clear();
  }

  *rows(): IterableIterator<WindowRow> {
    for (let index = 0; index < this.length; index++) {
      const inputs = this.#all.map((input) => this.valueAt(input, index));
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
    this.#epoch++;
    this.#dropped = 0;
    this.#times.copyWithin(at + 1, at, this.#end);
    if (this.#keepRows) this.#rows.splice(at, 0, undefined);
    return at;
  }

  /** Moves what is kept to the front, in larger arrays where it fills them; sums begin anew at zero, so that they stay small. */
  #makeRoom(): void {
    const length = this.length;
    const capacity = length * 2 > this.#times.length ? this.#times.length * 2 : this.#times.length;
    const times = new Float64Array(capacity);
    times.set(this.#times.subarray(this.#start, this.#end));
    this.#times = times;
    for (const input of this.#summed) this.#sums[input]!.move(this.#start, length, capacity);
    for (const input of this.#valued) this.#values[input]!.slice(this.#start, this.#end);
    if (this.#keepRows) this.#rows = this.#rows.slice(this.#start, this.#end);
    this.#hint = Math.max(this.#hint - this.#start, 0);
    this.#start = 0;
    this.#end = length;
  }
}
