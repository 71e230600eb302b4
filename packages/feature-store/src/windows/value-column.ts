import { BlockExtremes } from "./block-extremes.ts";
import { addWhole, squareOf, type Whole } from "./whole.ts";

/** A value of an input: a whole number or a text; NaN where there is none. */
export type WindowValue = number | string;

/** What an event window keeps of an input. */
export interface InputNeeds {
  /** Running sums and counts of numbers. */
  readonly sums: boolean;
  /** Running sums of squares as well. */
  readonly squares: boolean;
  /** The values themselves. */
  readonly values: boolean;
}

/** An input's values at the positions of an event window's rows, with running sums of their squares where those are needed. */
export class ValueColumn {
  #values: WindowValue[] = [];
  /** Before position i; one entry more than values. */
  #squares: Whole[] | undefined;
  readonly #extremes = new BlockExtremes();

  constructor({ squares }: InputNeeds) {
    this.#squares = squares ? [0] : undefined;
  }

  insert(at: number, value: WindowValue): void {
    if (at === this.#values.length) this.#values.push(value);
    else {
      this.#values.splice(at, 0, value);
      this.#extremes.changed(at);
    }
    this.#sumSquares(at);
  }

  remove(at: number): void {
    this.#values.splice(at, 1);
    this.#extremes.changed(at);
    if (this.#squares !== undefined) this.#squares.length = this.#values.length + 1;
    this.#sumSquares(at);
  }

  /** Keeps the positions [from, to) alone, from 0 on. */
  slice(from: number, to: number): void {
    this.#values = this.#values.slice(from, to);
    // Sums begin anew at zero, so that they stay small.
    const before = this.#squares?.[from] ?? 0;
    this.#squares = this.#squares?.slice(from, to + 1).map((sum) => addWhole(sum, -before));
    this.#extremes.changed(0);
  }

  at(position: number): WindowValue {
    return this.#values[position]!;
  }

  /** Exact sum of the squares of the positions [from, to). */
  squares(from: number, to: number): Whole {
    const squares = this.#squares!;
    return addWhole(squares[to]!, -squares[from]!);
  }

  /** Infinity where there is none. */
  smallest(from: number, to: number): number {
    return this.#extremes.smallest(this.#values as readonly number[], from, to);
  }

  /** −Infinity where there is none. */
  largest(from: number, to: number): number {
    return this.#extremes.largest(this.#values as readonly number[], from, to);
  }

  /** Sums anew from a position on. */
  #sumSquares(from: number): void {
    const squares = this.#squares;
    if (squares === undefined) return;
    for (let at = from; at < this.#values.length; at++) {
      const value = this.#values[at] as number;
      squares[at + 1] = Number.isNaN(value) ? squares[at]! : addWhole(squares[at]!, squareOf(value));
    }
  }
}
