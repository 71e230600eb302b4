import { type Variable, gradientOf, result, wantShape } from "./variable.ts";

function weightsFor(rows: number, weights: ArrayLike<number> | undefined): ArrayLike<number> | undefined {
  if (weights !== undefined && weights.length !== rows)
    throw new RangeError(`There are ${weights.length} weights for ${rows} rows.`);
  return weights;
}

/** A mean over rows by weight, from each row's loss, with its derivatives written at once. */
function meanLoss(
  input: Variable,
  rows: number,
  weights: ArrayLike<number> | undefined,
  lossOf: (row: number, derivatives: Float64Array, weight: number) => number,
): Variable {
  const derivatives = new Float64Array(input.data.length);
  weightsFor(rows, weights);
  let total = 0;
  let loss = 0;
  for (let row = 0; row < rows; row += 1) {
    const weight = weights === undefined ? 1 : weights[row]!;
    total += weight;
    loss += weight * lossOf(row, derivatives, weight);
  }
  const scale = total === 0 ? 0 : 1 / total;
  return result([], Float64Array.of(loss * scale), [input], (gradient) => {
    const into = gradientOf(input);
    if (into === undefined) return;
    for (let at = 0; at < into.length; at += 1) into[at]! += gradient[0]! * scale * derivatives[at]!;
  });
}

/**
 * Mean log loss in nats of the softmax of [rows, classes], at each row's class, by weight. Throws a RangeError for labels that are no classes.
 */
export function softmaxCrossEntropy(sums: Variable, labels: ArrayLike<number>, weights?: ArrayLike<number>): Variable {
  const [rows = 0, classes = 0] = wantShape("The sums", sums, [labels.length, -1]);
  return meanLoss(sums, rows, weights, (row, derivatives, weight) => {
    const label = labels[row]!;
    if (!(Number.isInteger(label) && label >= 0 && label < classes))
      throw new RangeError(`The label of row ${row} is ${label}, and there are ${classes} classes.`);
    const start = row * classes;
    let largest = -Infinity;
    for (let at = start; at < start + classes; at += 1) largest = Math.max(largest, sums.data[at]!);
    let total = 0;
    for (let at = start; at < start + classes; at += 1) total += Math.exp(sums.data[at]! - largest);
    for (let at = start; at < start + classes; at += 1)
      derivatives[at] = (weight * Math.exp(sums.data[at]! - largest)) / total;
    derivatives[start + label]! -= weight;
    return largest + Math.log(total) - sums.data[start + label]!;
  });
}

/** Mean log loss in nats of the logistic function of [rows, 1], at labels from 0 to 1, by weight. */
export function sigmoidCrossEntropy(sums: Variable, labels: ArrayLike<number>, weights?: ArrayLike<number>): Variable {
  const [rows = 0] = wantShape("The sums", sums, [labels.length, 1]);
  return meanLoss(sums, rows, weights, (row, derivatives, weight) => {
    const sum = sums.data[row]!;
    derivatives[row] = weight * (1 / (1 + Math.exp(-sum)) - labels[row]!);
    return Math.max(sum, 0) - sum * labels[row]! + Math.log1p(Math.exp(-Math.abs(sum)));
  });
}

/** Mean over rows, by weight, of the mean squared difference of [rows, outputs] from as many labels. */
export function meanSquaredError(answers: Variable, labels: ArrayLike<number>, weights?: ArrayLike<number>): Variable {
  const [rows = 0, outputs = 0] = wantShape("The answers", answers, [-1, -1]);
  if (labels.length !== rows * outputs)
    throw new RangeError(`There are ${labels.length} labels for ${rows} rows of ${outputs}.`);
  return meanLoss(answers, rows, weights, (row, derivatives, weight) => {
    let squares = 0;
    for (let at = row * outputs; at < (row + 1) * outputs; at += 1) {
      const difference = answers.data[at]! - labels[at]!;
      squares += difference * difference;
      derivatives[at] = (2 * weight * difference) / outputs;
    }
    return squares / outputs;
  });
}
