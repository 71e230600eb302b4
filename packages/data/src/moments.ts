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

/** Moments of the finite numbers among the first `length`; mean first, then distances from it, so that nothing cancels. Throws RangeError where there are fewer. */
export function momentsOf(values: Float64Array, length: number = values.length): Moments {
  if (!(length <= values.length)) throw new RangeError(`There are ${values.length} values, not ${length}.`);
  let count = 0;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < length; index += 1) {
    const value = values[index] as number;
    // The difference of an infinity or NaN from itself is NaN.
    if (value - value !== 0) continue;
    count += 1;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (count === 0) return emptyMoments;
  const about = Number.isFinite(sum) ? sum / count : min / 2 + max / 2;
  let m2 = 0;
  let rest = 0;
  for (let index = 0; index < length; index += 1) {
    const distance = (values[index] as number) - about;
    if (distance - distance !== 0) continue;
    rest += distance;
    m2 += distance * distance;
  }
  // The corrected two-pass algorithm: Chan, Golub and LeVeque (1983), equation 1.7.
  return canonical({ count, mean: about + rest / count, m2: Math.max(0, m2 - (rest * rest) / count), min, max });
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
