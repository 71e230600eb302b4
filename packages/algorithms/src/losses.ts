/** What a fit makes small: summed over rows, each with its weight. */
export interface Loss {
  readonly link: "exponential" | "identity" | "logistic" | "softmax";
  /** What `measure` gives, as it is named in metrics. */
  readonly metric: "Deviance" | "LogLoss" | "Rmse";
  /** The best constant sum of each output; not finite where there is none. */
  base(labels: Float64Array, weights: Float64Array | undefined): readonly number[];
  /**
   * Writes first and second derivatives by the sums of one output, in turns. `sums` are all outputs', as they were when the first output's were asked for.
   */
  derive(
    sums: readonly Float64Array[],
    labels: Float64Array,
    weights: Float64Array | undefined,
    output: number,
    into: Float64Array,
  ): void;
  /** The metric at these sums: mean log loss in nats, the root of the mean square, or the mean deviance. */
  measure(sums: readonly Float64Array[], labels: Float64Array, weights: Float64Array | undefined): number;
}

/** Mean by weight. */
function meanOf(values: Float64Array, weights: Float64Array | undefined): number {
  let sum = 0;
  let total = 0;
  for (let row = 0; row < values.length; row += 1) {
    const weight = weights === undefined ? 1 : (weights[row] as number);
    sum += weight * (values[row] as number);
    total += weight;
  }
  return sum / total;
}

/** Multiplies each row's derivatives by its weight. */
function weigh(derivatives: Float64Array, weights: Float64Array | undefined): void {
  if (weights === undefined) return;
  for (let row = 0; row < weights.length; row += 1) {
    derivatives[row * 2]! *= weights[row]!;
    derivatives[row * 2 + 1]! *= weights[row]!;
  }
}

/** Half the squared error; the sum is the prediction. */
export const squaredLoss: Loss = {
  link: "identity",
  metric: "Rmse",
  base: (labels, weights) => [meanOf(labels, weights)],
  derive([sums = new Float64Array()], labels, weights, _, into) {
    for (let row = 0; row < sums.length; row += 1) {
      into[row * 2] = sums[row]! - labels[row]!;
      into[row * 2 + 1] = 1;
    }
    weigh(into, weights);
  },
  measure([sums = new Float64Array()], labels, weights) {
    const squares = sums.map((sum, row) => (sum - labels[row]!) ** 2);
    return Math.sqrt(meanOf(squares, weights));
  },
};

/** Log loss of 0 and 1; the sum is the logarithm of the odds (Friedman, Hastie and Tibshirani, 2000). */
export const logisticLoss: Loss = {
  link: "logistic",
  metric: "LogLoss",
  base(labels, weights) {
    const mean = meanOf(labels, weights);
    return [Math.log(mean / (1 - mean))];
  },
  derive([sums = new Float64Array()], labels, weights, _, into) {
    for (let row = 0; row < sums.length; row += 1) {
      const probability = 1 / (1 + Math.exp(-sums[row]!));
      into[row * 2] = probability - labels[row]!;
      into[row * 2 + 1] = probability * (1 - probability);
    }
    weigh(into, weights);
  },
  measure([sums = new Float64Array()], labels, weights) {
    // log(1 + e^z) without overflow, where z points away from the label.
    const losses = sums.map((sum, row) => {
      const z = labels[row] === 1 ? -sum : sum;
      return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
    });
    return meanOf(losses, weights);
  },
};

/** The logarithm of the sum of the powers of one row, without overflow. */
function logOfPowers(sums: readonly Float64Array[], row: number): number {
  let largest = -Infinity;
  for (const each of sums) largest = Math.max(largest, each[row]!);
  let total = 0;
  for (const each of sums) total += Math.exp(each[row]! - largest);
  return largest + Math.log(total);
}

/**
 * Log loss of several classes by the softmax of one sum each (Friedman, 2001, section 4.6). The second derivatives are the diagonal, times k / (k − 1) as in
 * LightGBM, since the sums of k classes have k − 1 degrees of freedom.
 */
export function softmaxLoss(classes: number): Loss {
  let logs = new Float64Array();
  return {
    link: "softmax",
    metric: "LogLoss",
    base: (labels, weights) =>
      Array.from({ length: classes }, (_, output) =>
        Math.log(
          meanOf(
            labels.map((label) => (label === output ? 1 : 0)),
            weights,
          ),
        ),
      ),
    derive(sums, labels, weights, output, into) {
      if (output === 0) logs = labels.map((_, row) => logOfPowers(sums, row));
      const own = sums[output]!;
      const factor = classes / (classes - 1);
      for (let row = 0; row < labels.length; row += 1) {
        const probability = Math.exp(own[row]! - logs[row]!);
        into[row * 2] = probability - (labels[row] === output ? 1 : 0);
        into[row * 2 + 1] = factor * probability * (1 - probability);
      }
      weigh(into, weights);
    },
    measure: (sums, labels, weights) =>
      meanOf(
        labels.map((label, row) => logOfPowers(sums, row) - sums[label]![row]!),
        weights,
      ),
  };
}

/** A loss of amounts of 0 or more whose mean is e to the sum, by its derivatives at a label and a sum, and its deviance at a label and a mean. */
const logLinkLoss = (
  derivatives: (label: number, sum: number, into: Float64Array, at: number) => void,
  deviance: (label: number, mean: number) => number,
): Loss => ({
  link: "exponential",
  metric: "Deviance",
  base: (labels, weights) => [Math.log(meanOf(labels, weights))],
  derive([sums = new Float64Array()], labels, weights, _, into) {
    for (let row = 0; row < sums.length; row += 1) derivatives(labels[row]!, sums[row]!, into, row * 2);
    weigh(into, weights);
  },
  measure: ([sums = new Float64Array()], labels, weights) =>
    meanOf(
      labels.map((label, row) => deviance(label, Math.exp(sums[row]!))),
      weights,
    ),
});

/** x · log(x / y), which is 0 at 0. */
const relative = (x: number, y: number): number => (x === 0 ? 0 : x * Math.log(x / y));

/** Counts. The second derivative is raised by e^0.7, LightGBM's `poisson_max_delta_step`, which keeps the first steps short. */
export const poissonLoss: Loss = logLinkLoss(
  (label, sum, into, at) => {
    const mean = Math.exp(sum);
    into[at] = mean - label;
    into[at + 1] = mean * Math.exp(0.7);
  },
  (label, mean) => 2 * (relative(label, mean) - label + mean),
);

/** Amounts above 0 whose deviation grows with the mean. */
export const gammaLoss: Loss = logLinkLoss(
  (label, sum, into, at) => {
    const ratio = label * Math.exp(-sum);
    into[at] = 1 - ratio;
    into[at + 1] = ratio;
  },
  (label, mean) => 2 * (Math.log(mean / label) + label / mean - 1),
);

/** Amounts of which many are 0: variance as the mean to the `power`, between 1 and 2 (Jørgensen, 1987). */
export const tweedieLoss = (power: number): Loss =>
  logLinkLoss(
    (label, sum, into, at) => {
      const low = label * Math.exp((1 - power) * sum);
      const high = Math.exp((2 - power) * sum);
      into[at] = high - low;
      into[at + 1] = (2 - power) * high - (1 - power) * low;
    },
    (label, mean) =>
      2 *
      (label ** (2 - power) / ((1 - power) * (2 - power)) -
        (label * mean ** (1 - power)) / (1 - power) +
        mean ** (2 - power) / (2 - power)),
  );
