/** Values a block joins. */
const BLOCK = 32;

/**
 * The smallest and the largest of any range of a growing list in logarithmic time: whole blocks of 32 values are known by their extremes, so are 32
 * blocks together, and so on. Blocks are made when a query needs them, so appending is free; a change in the middle unmakes only what comes after it.
 */
export class BlockExtremes {
  /** By level: the extremes of each whole block. */
  readonly #smallest: number[][] = [];
  readonly #largest: number[][] = [];

  /** Says that values from a position on have changed. */
  changed(from: number): void {
    let blocks = from;
    for (let level = 0; level < this.#smallest.length; level++) {
      blocks = Math.floor(blocks / BLOCK);
      if (this.#smallest[level]!.length > blocks) this.#smallest[level]!.length = this.#largest[level]!.length = blocks;
    }
  }

  /** The smallest of the values [from, to), NaN passed over; Infinity where there is none. */
  smallest(values: readonly number[], from: number, to: number): number {
    let least = Number.POSITIVE_INFINITY;
    this.#walk(this.#smallest, values, from, to, (value) => {
      if (value < least) least = value;
    });
    return least;
  }

  /** The largest of the values [from, to), NaN passed over; −Infinity where there is none. */
  largest(values: readonly number[], from: number, to: number): number {
    let most = Number.NEGATIVE_INFINITY;
    this.#walk(this.#largest, values, from, to, (value) => {
      if (value > most) most = value;
    });
    return most;
  }

  /** Visits single values and blocks that together make up the range. */
  #walk(
    blocks: readonly (readonly number[])[],
    values: readonly number[],
    from: number,
    to: number,
    visit: (value: number) => void,
  ): void {
    let [first, last, list] = [from, to, values];
    for (let level = 0; first < last; level++) {
      while (first < last && first % BLOCK !== 0) visit(list[first++]!);
      while (first < last && last % BLOCK !== 0) visit(list[--last]!);
      if (first >= last) return;
      first /= BLOCK;
      last /= BLOCK;
      this.#makeBlocks(level, values, last);
      list = blocks[level]!;
    }
  }

  /** Makes the first `count` blocks of a level, and of those below it. */
  #makeBlocks(level: number, values: readonly number[], count: number): void {
    const smallest = (this.#smallest[level] ??= []);
    const largest = (this.#largest[level] ??= []);
    if (smallest.length >= count) return;
    if (level > 0) this.#makeBlocks(level - 1, values, count * BLOCK);
    const [below, above] = level === 0 ? [values, values] : [this.#smallest[level - 1]!, this.#largest[level - 1]!];
    for (let block = smallest.length; block < count; block++) {
      let least = Number.POSITIVE_INFINITY;
      let most = Number.NEGATIVE_INFINITY;
      for (let at = block * BLOCK; at < (block + 1) * BLOCK; at++) {
        if (below[at]! < least) least = below[at]!;
        if (above[at]! > most) most = above[at]!;
      }
      smallest.push(least);
      largest.push(most);
    }
  }
}
