/** A slope with the bounds of its confidence interval. */
export interface RobustSlope {
  readonly slope: number;
  readonly low: number;
  readonly high: number;
}

/** Quantile of the normal distribution for an interval of 99 %. */
const z = 2.5758293035489004;

/**
 * The median of the slopes between all pairs of evenly spaced values (Theil 1950, Sen 1968), with the 99 % interval that the distribution of
 * Kendall's S gives it (Sen 1968, equation 2.6; Hollander and Wolfe, Nonparametric Statistical Methods, 9.3): up to 29 % of the values may be
 * anything at all. Pure.
 * @param spacing Between two values.
 */
export function robustSlope(values: ArrayLike<number>, spacing = 1): RobustSlope {
  const count = values.length;
  const pairs = (count * (count - 1)) / 2;
  const slopes = new Float64Array(pairs);
  let at = 0;
  for (let right = 1; right < count; right += 1) {
    for (let left = 0; left < right; left += 1)
      slopes[at++] = ((values[right] as number) - (values[left] as number)) / ((right - left) * spacing);
  }
  slopes.sort();
  if (pairs === 0) return { slope: Number.NaN, low: -Infinity, high: Infinity };
  const middle = pairs / 2;
  const slope =
    pairs % 2 === 1
      ? (slopes[Math.floor(middle)] as number)
      : ((slopes[middle - 1] as number) + (slopes[middle] as number)) / 2;
  const reach = z * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const below = Math.floor((pairs - reach) / 2);
  const above = Math.ceil((pairs + reach) / 2);
  return {
    slope,
    low: below < 0 ? -Infinity : (slopes[below] as number),
    high: above >= pairs ? Infinity : (slopes[above] as number),
  };
}
