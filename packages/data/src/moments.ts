/** Count, mean, spread and range of finite numbers; JSON-safe. */
export type Moments = {
  readonly count: number;
  readonly mean: number;
  /** Sum of squared distances from the mean; at most the largest float. */
  readonly m2: number;
  /** Smallest and largest; 0 while `count` is 0. */
  readonly min: number;
  readonly max: number;
};

export const emptyMoments: Moments = { count: 0, mean: 0, m2: 0, min: 0, max: 0 };

/**
 * Moments of the finite numbers among the first `length`; mean first, then distances from it, so that nothing cancels. Sums are taken of the numbers
 * at even and at odd places apart, as vectors of two do. Throws RangeError where there are fewer.
 */
export function momentsOf(values: Float64Array, length: number = values.length): Moments {
  if (!(length <= values.length)) throw new RangeError(`There are ${values.length} values, not ${length}.`);
  let count = 0;
  const sums: [even: number, odd: number] = [0, 0];
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let lane = 0; lane < 2; lane += 1) {
    let sum = 0;
    for (let index = lane; index < length; index += 2) {
      const value = values[index] as number;
      // The difference of an infinity or NaN from itself is NaN.
      if (value - value !== 0) continue;
      count += 1;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    sums[lane as 0 | 1] = sum;
  }
  if (count === 0) return emptyMoments;
  const sum = sums[0] + sums[1];
  const about = Number.isFinite(sum) ? sum / count : min / 2 + max / 2;
  const [even, odd] = [distancesFrom(about, values, 0, length), distancesFrom(about, values, 1, length)];
  return correctedMoments({ count, about, rest: even.rest + odd.rest, squares: even.squares + odd.squares, min, max });
}

/** Sums of the distances, and of their squares, of every second number. */
function distancesFrom(
  about: number,
  values: Float64Array,
  from: number,
  length: number,
): { readonly rest: number; readonly squares: number } {
  let rest = 0;
  let squares = 0;
  for (let index = from; index < length; index += 2) {
    const distance = (values[index] as number) - about;
    if (distance - distance !== 0) continue;
    rest += distance;
    squares += distance * distance;
  }
  return { rest, squares };
}

/** What two passes over numbers tell: sums of distances from about the mean, and of their squares. */
export interface PassedNumbers {
  readonly count: number;
  readonly about: number;
  readonly rest: number;
  readonly squares: number;
  readonly min: number;
  readonly max: number;
}

/** The corrected two-pass algorithm: Chan, Golub and LeVeque (1983), equation 1.7. */
export const correctedMoments = ({ count, about, rest, squares, min, max }: PassedNumbers): Moments =>
  canonical({ count, mean: about + rest / count, m2: Math.max(0, squares - (rest * rest) / count), min, max });

/** Moments of finite numbers, growing, of which each was met some times. */
export function momentsOfCounted(values: Float64Array, counts: Float64Array): Moments {
  let count = 0;
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) {
    count += counts[index] as number;
    sum += (values[index] as number) * (counts[index] as number);
  }
  if (count === 0) return emptyMoments;
  const about = sum / count;
  let rest = 0;
  let squares = 0;
  for (let index = 0; index < values.length; index += 1) {
    const distance = (values[index] as number) - about;
    rest += distance * (counts[index] as number);
    squares += distance * distance * (counts[index] as number);
  }
  return correctedMoments({ count, about, rest, squares, min: values[0] as number, max: values.at(-1) as number });
}

/** Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance" (1983), equations 2.1: associative up to rounding. */
export function mergeMoments(a: Moments, b: Moments): Moments {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const count = a.count + b.count;
  const delta = b.mean - a.mean;
  return canonical({
    count,
    mean: a.mean + delta * (b.count / count),
    m2: a.m2 + b.m2 + delta * delta * ((a.count * b.count) / count),
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  });
}

/** @returns the variance with divisor `count − 1`; 0 below two values. */
export function varianceOf({ count, m2 }: Moments): number {
  return count < 2 ? 0 : m2 / (count - 1);
}

/** −0 would not survive JSON, nor would the squares of numbers beyond 2^511: those stand at the largest float. */
const canonical = ({ count, mean, m2, min, max }: Moments): Moments => ({
  count,
  mean: Number.isFinite(mean) ? mean + 0 : min / 2 + max / 2,
  m2: m2 <= Number.MAX_VALUE ? m2 : Number.MAX_VALUE,
  min: min + 0,
  max: max + 0,
});
