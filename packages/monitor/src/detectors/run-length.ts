import { detectorInvalid } from "../errors.ts";

/** States of the Markov chain: errors of the run length fall with their square. */
const states = 120;

/**
 * The average run length of the one-sided sum S ← max(0, S + x − reference) to a value greater than `threshold`, for independent x with this distribution function: the Markov chain of
 * Brook and Evans, "An approach to the probability distribution of CUSUM run length" (1972).
 */
export function cusumRunLength(cdf: (x: number) => number, reference: number, threshold: number): number {
  const width = (2 * threshold) / (2 * states - 1);
  // steps[k] is the probability of ending at most k − states + ½ cells further on.
  const steps = Float64Array.from({ length: 2 * states + 1 }, (_, k) => cdf((k - states + 0.5) * width + reference));
  const upTo = (cells: number): number => steps[cells + states] as number;
  const rows = Array.from({ length: states }, (_, from) => {
    const row = new Float64Array(states + 1);
    for (let to = 0; to < states; to += 1) {
      const share = to === 0 ? upTo(-from) : upTo(to - from) - upTo(to - from - 1);
      row[to] = (from === to ? 1 : 0) - share;
    }
    row[states] = 1;
    return row;
  });
  return firstUnknown(rows);
}

/** The first unknown of a diagonally dominant system, each row followed by its right side. */
function firstUnknown(rows: Float64Array[]): number {
  for (let pivot = rows.length - 1; pivot > 0; pivot -= 1) {
    const from = rows[pivot] as Float64Array;
    for (let index = 0; index < pivot; index += 1) {
      const row = rows[index] as Float64Array;
      const factor = (row[pivot] as number) / (from[pivot] as number);
      if (factor === 0) continue;
      for (let column = 0; column < pivot; column += 1)
        row[column] = (row[column] as number) - factor * (from[column] as number);
      row[rows.length] = (row[rows.length] as number) - factor * (from[rows.length] as number);
    }
  }
  const [first] = rows as [Float64Array];
  return (first[rows.length] as number) / (first[0] as number);
}

/** The threshold at which a one-sided sum has this average run length. Throws `MONITOR_DETECTOR_INVALID` where there is none. */
export function cusumThreshold(cdf: (x: number) => number, reference: number, averageRunLength: number): number {
  let [low, high] = [0, 1];
  while (cusumRunLength(cdf, reference, high) < averageRunLength) {
    [low, high] = [high, high * 2];
    if (high > 4096) throw detectorInvalid("cusum", `no threshold has an average run length of ${averageRunLength}`);
  }
  for (let turn = 0; turn < 24; turn += 1) {
    const middle = (low + high) / 2;
    if (cusumRunLength(cdf, reference, middle) < averageRunLength) low = middle;
    else high = middle;
  }
  return high;
}
