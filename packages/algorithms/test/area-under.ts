/** Area under the ROC curve, ties halved. */
export function areaUnder(labels: ArrayLike<number>, scores: Float64Array): number {
  const order = [...scores.keys()].toSorted((a, b) => scores[a]! - scores[b]!);
  let ranks = 0;
  let positive = 0;
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to += 1;
    for (const row of order.slice(from, to)) {
      if (labels[row] !== 1) continue;
      ranks += (from + to + 1) / 2;
      positive += 1;
    }
    from = to;
  }
  return (ranks - (positive * (positive + 1)) / 2) / (positive * (order.length - positive));
}
