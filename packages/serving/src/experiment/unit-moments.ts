/** Sums over the units of one arm: of a metric y and of a covariate x that was known before. Those of disjoint units are added. */
export interface UnitMoments {
  readonly units: number;
  readonly y: number;
  readonly yy: number;
  readonly x: number;
  readonly xx: number;
  readonly xy: number;
}

export const noUnits: UnitMoments = { units: 0, y: 0, yy: 0, x: 0, xx: 0, xy: 0 };

export interface Estimate {
  readonly units: number;
  readonly mean: number;
  /** Variance of a unit's value. */
  readonly variance: number;
}

/** The raw mean and variance of the metric. */
export function rawEstimate({ units, y, yy }: UnitMoments): Estimate {
  if (units < 2) return { units, mean: units === 0 ? 0 : y / units, variance: 0 };
  return { units, mean: y / units, variance: Math.max(0, (yy - (y * y) / units) / (units - 1)) };
}

/**
 * Means adjusted by a covariate that the treatment cannot have moved (CUPED: A. Deng, Y. Xu, R. Kohavi and T. Walker, "Improving the sensitivity of online controlled experiments by
 * utilizing pre-experiment data", WSDM 2013): y − θ (x − x̄), with θ = cov(x, y) / var(x) pooled within the arms and x̄ the mean of all units. Without variance of the covariate it is the raw mean.
 */
export function adjustedEstimates(arms: readonly UnitMoments[]): readonly Estimate[] {
  let [covariance, variance, sumX, units] = [0, 0, 0, 0];
  for (const { units: n, y, x, xx, xy } of arms) {
    if (n === 0) continue;
    covariance += xy - (x * y) / n;
    variance += xx - (x * x) / n;
    sumX += x;
    units += n;
  }
  if (variance <= 0) return arms.map(rawEstimate);
  const theta = covariance / variance;
  const meanX = sumX / units;
  return arms.map((arm) => {
    const { units: n, y, yy, x, xx, xy } = arm;
    if (n < 2) return rawEstimate(arm);
    const within = yy - (y * y) / n - 2 * theta * (xy - (x * y) / n) + theta * theta * (xx - (x * x) / n);
    return { units: n, mean: y / n - theta * (x / n - meanX), variance: Math.max(0, within / (n - 1)) };
  });
}
