import { type GaussianState, startGaussian } from "./gaussian.ts";

/**
 * The start that earlier results suggest: the moments of the best points, widened by a prior.
 * Nomura et al., "Warm Starting CMA-ES for Hyperparameter Optimization", AAAI 2021, arXiv 2012.06932, eq. 11 and 12.
 * @param best At least one point of n entries.
 * @param width α: the standard deviation of the prior around each point. Default: 0.1, of the unit cube.
 */
export function warmStart(best: readonly Float64Array[], width = 0.1): GaussianState {
  const n = (best[0] as Float64Array).length;
  const mean = new Float64Array(n);
  for (const point of best)
    for (let axis = 0; axis < n; axis += 1) mean[axis] = (mean[axis] as number) + (point[axis] as number) / best.length;
  const spread = new Float64Array(n * n);
  for (let row = 0; row < n; row += 1) {
    for (let column = 0; column < n; column += 1) {
      let total = 0;
      for (const point of best)
        total +=
          ((point[row] as number) - (mean[row] as number)) * ((point[column] as number) - (mean[column] as number));
      spread[row * n + column] = total / best.length + (row === column ? width * width : 0);
    }
  }
  // sigma takes the determinant's n-th root, so that the covariance has determinant 1.
  const { eigen } = startGaussian(mean, 1, spread);
  const logRoot = eigen.values.reduce((total, value) => total + Math.log(value), 0) / n;
  return startGaussian(
    mean,
    Math.exp(logRoot / 2),
    spread.map((value) => value / Math.exp(logRoot)),
  );
}
