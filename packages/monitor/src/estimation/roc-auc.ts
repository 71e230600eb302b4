/**
 * The area under the ROC curve: the share of pairs of a positive and a negative in which the positive has the higher score, ties half. NaN where one of the two is missing.
 * @param order The rows by rising score.
 * @param weights How much of each row is positive, in [0, 1]: labels, or probabilities.
 */
export function rocAuc(scores: Float64Array, weights: Float64Array, order: Uint32Array = risingOrder(scores)): number {
  let [below, pairs, positives] = [0, 0, 0];
  for (let start = 0; start < order.length;) {
    let end = start;
    let [ups, downs] = [0, 0];
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) {
      ups += weights[order[end]!]!;
      downs += 1 - weights[order[end]!]!;
      end += 1;
    }
    pairs += ups * (below + downs / 2);
    below += downs;
    positives += ups;
    start = end;
  }
  return pairs / (positives * below);
}

/** The rows by rising value. */
export const risingOrder = (values: Float64Array): Uint32Array =>
  Uint32Array.from({ length: values.length }, (_, row) => row).sort((a, b) => values[a]! - values[b]!);
