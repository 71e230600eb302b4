import type { Gradients } from "./tree-histogram.ts";

/** What a fit makes small: summed over rows, each with its weight. */
export interface Loss {
  readonly link: "identity" | "logistic";
  readonly metric: "logLoss" | "rmse";
  /** The best constant sum. */
  base(labels: Float64Array, weights: Float64Array | undefined): number;
  /** Writes first and second derivatives by the sums. */
  derive(sums: Float64Array, labels: Float64Array, weights: Float64Array | undefined, into: Gradients): void;
  /** The metric at these sums: mean log loss in nats, or the root of the mean square. */
  measure(sums: Float64Array, labels: Float64Array, weights: Float64Array | undefined): number;
}

/** Mean and total weight. */
function meanOf(labels: Float64Array, weights: Float64Array | undefined): number {
  let sum = 0;
  let total = 0;
  for (let row = 0; row < labels.length; row += 1) {
    const weight = weights === undefined ? 1 : (weights[row] as number);
    sum += weight * (labels[row] as number);
    total += weight;
  }
  return sum / total;
}

/** Half the squared error; the sum is the prediction. */
export const squaredLoss: Loss = {
  link: "identity",
  metric: "rmse",
  base: meanOf,
  derive(sums, labels, weights, { gradient, hessian }) {
    for (let row = 0; row < sums.length; row += 1) gradient[row] = sums[row]! - labels[row]!;
    if (weights === undefined || hessian === undefined) return;
    for (let row = 0; row < sums.length; row += 1) gradient[row]! *= weights[row]!;
    hessian.set(weights);
  },
  measure(sums, labels, weights) {
    const squares = sums.map((sum, row) => (sum - labels[row]!) ** 2);
    return Math.sqrt(meanOf(squares, weights));
  },
};

/** Log loss of 0 and 1; the sum is the logarithm of the odds (Friedman, Hastie and Tibshirani, 2000). */
export const logisticLoss: Loss = {
  link: "logistic",
  metric: "logLoss",
  base(labels, weights) {
    const mean = meanOf(labels, weights);
    return Math.log(mean / (1 - mean));
  },
  derive(sums, labels, weights, { gradient, hessian }) {
    for (let row = 0; row < sums.length; row += 1) {
      const probability = 1 / (1 + Math.exp(-sums[row]!));
      gradient[row] = probability - labels[row]!;
      if (hessian !== undefined) hessian[row] = probability * (1 - probability);
    }
    if (weights === undefined) return;
    for (let row = 0; row < sums.length; row += 1) {
      gradient[row]! *= weights[row]!;
      if (hessian !== undefined) hessian[row]! *= weights[row]!;
    }
  },
  measure(sums, labels, weights) {
    // log(1 + e^z) without overflow, where z points away from the label.
    const losses = sums.map((sum, row) => {
      const z = labels[row] === 1 ? -sum : sum;
      return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
    });
    return meanOf(losses, weights);
  },
};
