import { createRandom, hashSeed } from "@millwright/contracts";

/** Rows as a row-major matrix, with one label each. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  /** [rows, width]. */
  readonly features: Float32Array;
  readonly labels: Float32Array;
}

/** The rows in the order of an epoch: a pure function of seed and epoch (Fisher–Yates, Durstenfeld 1964), so that a resumed run needs no state. */
export function orderOfEpoch(rows: number, seed: number, epoch: number): Int32Array {
  const random = createRandom(hashSeed(`order:${epoch}`, seed));
  const order = new Int32Array(rows);
  for (let row = 0; row < rows; row += 1) order[row] = row;
  for (let last = rows - 1; last > 0; last -= 1) {
    const other = random.integer(last + 1);
    const moved = order[last] as number;
    order[last] = order[other] as number;
    order[other] = moved;
  }
  return order;
}

/** Copies the rows `order[start .. end)` one after another. */
export function gather(
  matrix: Matrix,
  order: Int32Array,
  start: number,
  end: number,
): Pick<Matrix, "features" | "labels"> {
  const { width } = matrix;
  const features = new Float32Array((end - start) * width);
  const labels = new Float32Array(end - start);
  for (let position = start, at = 0; position < end; position += 1, at += 1) {
    const row = order[position] as number;
    const from = row * width;
    features.set(matrix.features.subarray(from, from + width), at * width);
    labels[at] = matrix.labels[row] as number;
  }
  return { features, labels };
}
