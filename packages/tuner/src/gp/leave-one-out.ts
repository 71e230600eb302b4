import { lowerInverse, rowStart } from "./cholesky.ts";
import type { Hyperparameters } from "./kernel.ts";

/** The prediction of each observation from all others, noise included. */
export interface LeaveOneOut {
  readonly means: Float64Array;
  readonly variances: Float64Array;
  /** Sum of the log-densities the predictions give the observations. */
  readonly logDensity: number;
}

/** Rasmussen and Williams (2006), eqs. 5.10 to 5.12. The targets are those of `whitened`. */
export function leaveOneOut(
  factor: Float64Array,
  whitened: Float64Array,
  weights: Float64Array,
  { scale }: Hyperparameters,
): LeaveOneOut {
  const count = whitened.length;
  const inverse = lowerInverse(factor, count);
  const variances = new Float64Array(count);
  for (let row = 0; row < count; row += 1) {
    const start = rowStart(row);
    for (let column = 0; column <= row; column += 1) {
      const value = inverse[start + column] as number;
      variances[column] = (variances[column] as number) + value * value;
    }
  }
  const means = new Float64Array(count);
  let logDensity = 0;
  for (let row = 0; row < count; row += 1) {
    const variance = 1 / Math.max(variances[row] as number, 1e-12 / scale);
    let target = 0;
    for (let k = 0; k <= row; k += 1) target += (factor[rowStart(row) + k] as number) * (whitened[k] as number);
    const residual = (weights[row] as number) * variance;
    means[row] = target - residual;
    variances[row] = variance;
    logDensity -= (residual * residual) / (2 * variance) + Math.log(2 * Math.PI * variance) / 2;
  }
  return { means, variances, logDensity };
}
