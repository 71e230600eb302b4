/** Whole numbers as runs of them, each with both ends, in order and apart from each other. */
export type NumberRanges = readonly (readonly [first: number, last: number])[];

export function rangesHave(ranges: NumberRanges, number: number): boolean {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const [first, last] = ranges[middle]!;
    if (number < first) high = middle - 1;
    else if (number > last) low = middle + 1;
    else return true;
  }
  return false;
}

/** The ranges with more numbers in them. */
export const rangesWith = (ranges: NumberRanges, numbers: Iterable<number>): NumberRanges =>
  rangesOfBoth(
    ranges,
    Array.from(numbers, (number) => [number, number] as const),
  );

/** The numbers of two ranges; the second may be in any order. */
export function rangesOfBoth(ranges: NumberRanges, added: NumberRanges): NumberRanges {
  if (added.length === 0) return ranges;
  const merged: [number, number][] = [];
  for (const [first, last] of [...ranges, ...added].sort(([a], [b]) => a - b)) {
    const before = merged.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

/** All numbers of the ranges. */
export const numbersIn = (ranges: NumberRanges): number[] =>
  ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, step) => first + step));

/** Whether all numbers of the second are in the first. */
export const rangesCover = (ranges: NumberRanges, others: NumberRanges): boolean =>
  others.every(([first, last]) => ranges.some(([from, to]) => from <= first && last <= to));
