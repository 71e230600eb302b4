/** A whole number of any size: bigint only where a double would not be exact, so that equal numbers are equal values. */
export type Whole = number | bigint;

const LARGEST = BigInt(Number.MAX_SAFE_INTEGER);

/** Exact. */
export function addWhole(first: Whole, second: Whole): Whole {
  if (typeof first === "number" && typeof second === "number") {
    const sum = first + second;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return wholeOf(BigInt(first) + BigInt(second));
}

/** Exact. */
export function squareOf(value: number): Whole {
  const square = value * value;
  return Number.isSafeInteger(square) ? square : wholeOf(BigInt(value) ** 2n);
}

/** The number in its one form. */
export function wholeOf(value: bigint): Whole {
  return value <= LARGEST && value >= -LARGEST ? Number(value) : value;
}

/**
 * The sample variance, divisor n − 1, of `count` whole numbers with these sums, each divided by `scale`: n·Σx² − (Σx)² is exact, and what is
 * rounded is that number, the divisor and their quotient. NaN below two values.
 */
export function varianceOfSums(count: number, sum: Whole, squares: Whole, scale: number): number {
  if (count < 2) return Number.NaN;
  const numerator = BigInt(count) * BigInt(squares) - BigInt(sum) ** 2n;
  return Number(numerator) / (count * (count - 1) * scale * scale);
}
