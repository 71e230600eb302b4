import type { RowRange } from "@millwright/data";

/** An evenly spread part of rows: row `i` is in it where ⌊(i + 1)·share⌋ is more than ⌊i·share⌋. */
export class EvenShare {
  /** Rows in it. */
  readonly rows: number;
  /** Rows that it is a part of. */
  readonly total: number;
  readonly #share: number;

  /** @param most Rows that it may have; all where there are no more. */
  constructor(total: number, most: number = Infinity) {
    this.total = total;
    this.#share = most >= total ? 1 : most / total;
    this.rows = Math.floor(total * this.#share);
  }

  get isAll(): boolean {
    return this.#share === 1;
  }

  has(row: number): boolean {
    return this.#share === 1 || Math.floor((row + 1) * this.#share) > Math.floor(row * this.#share);
  }

  /** The rows from which those from `start` to `end` of the part come. */
  rangeOf({ start, end }: RowRange): RowRange {
    if (this.#share === 1 || start === end) return { start, end };
    return { start: this.#place(start), end: this.#place(end - 1) + 1 };
  }

  /** The row that is number `kept` of the part: the first with so many, and itself, up to it. */
  #place(kept: number): number {
    let row = Math.max(0, Math.floor(kept / this.#share) - 2);
    while (Math.floor((row + 1) * this.#share) <= kept) row += 1;
    return row;
  }
}
