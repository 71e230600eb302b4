// Rows for gradient-boosted trees, the same for every contender: 20 columns of numbers, a curved boundary with noise.
import { createRandom } from "../../packages/contracts/dist/index.js";

/** @returns columns of `rows` numbers, and labels 0 and 1. */
export function makeRows(rows, columns, seed) {
  const random = createRandom(seed);
  const made = Array.from({ length: columns }, () => new Float64Array(rows));
  const labels = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    for (const column of made) column[row] = random.normal();
    const x = (index) => made[index][row];
    const score =
      1.5 * x(0) -
      x(1) +
      1.2 * x(2) * x(3) +
      Math.sin(3 * x(4)) +
      0.8 * Math.abs(x(5)) -
      (x(6) > 0.5 ? 1 : 0) * x(7) +
      0.4 * x(8);
    labels[row] = random.next() < 1 / (1 + Math.exp(-2 * score)) ? 1 : 0;
  }
  return { columns: made, labels };
}

/** Area under the ROC curve, ties halved. */
export function areaUnder(labels, scores) {
  const order = [...scores.keys()].sort((a, b) => scores[a] - scores[b]);
  let ranks = 0;
  let positive = 0;
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to < order.length && scores[order[to]] === scores[order[from]]) to += 1;
    for (let at = from; at < to; at += 1) {
      if (labels[order[at]] !== 1) continue;
      ranks += (from + to + 1) / 2;
      positive += 1;
    }
    from = to;
  }
  return (ranks - (positive * (positive + 1)) / 2) / (positive * (order.length - positive));
}
