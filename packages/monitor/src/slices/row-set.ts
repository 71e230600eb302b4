/** A set of rows: a bit each, and how many there are. */
export interface RowSet {
  readonly bits: Uint32Array;
  readonly count: number;
}

export function rowSet(rows: number, has: (row: number) => boolean): RowSet {
  const bits = new Uint32Array(Math.ceil(rows / 32));
  let count = 0;
  for (let row = 0; row < rows; row += 1) {
    if (!has(row)) continue;
    bits[row >> 5]! |= 1 << (row & 31);
    count += 1;
  }
  return { bits, count };
}

export function intersection(a: RowSet, b: RowSet): RowSet {
  const bits = a.bits.map((word, index) => word & b.bits[index]!);
  let count = 0;
  for (const word of bits) count += ones(word);
  return { bits, count };
}

/** How many bits of a word are 1 (Warren, Hacker's Delight, figure 5-2). */
function ones(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

export function sumOver({ bits }: RowSet, values: Float64Array): number {
  let sum = 0;
  for (const [index, whole] of bits.entries()) {
    for (let word = whole; word !== 0; word &= word - 1) sum += values[index * 32 + 31 - Math.clz32(word & -word)]!;
  }
  return sum;
}

export const rowsIn = ({ bits }: RowSet, rows: number): number[] =>
  Array.from({ length: rows }, (_, row) => row).filter((row) => ((bits[row >> 5]! >>> (row & 31)) & 1) === 1);
