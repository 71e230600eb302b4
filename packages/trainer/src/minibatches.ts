import { createRowOrder } from "@millwright/data";
import type { ShuffleOrder } from "./input/input-plan.ts";

/** Rows as a row-major matrix, with one label each. */
export interface Matrix {
  readonly rows: number;
  readonly width: number;
  /** [rows, width]. */
  readonly features: Float32Array;
  readonly labels: Float32Array;
}

/**
 * The rows in the order of an epoch, that of `createRowOrder`: a pure function of seed and epoch, so that a resumed run needs no state.
 * @param shuffle Default: all rows among each other.
 */
export function orderOfEpoch(rows: number, seed: number, epoch: number, shuffle?: ShuffleOrder): Int32Array {
  const order = createRowOrder({ rows, seed, epoch, bufferRows: Infinity, ...shuffle });
  const all = new Int32Array(rows);
  for (let index = 0; index < order.windows; index += 1) {
    const { start, ranges, order: within } = order.window(index);
    const read = new Int32Array(ranges.reduce((sum, range) => sum + range.end - range.start, 0));
    let at = 0;
    for (const range of ranges) for (let row = range.start; row < range.end; row += 1) read[at++] = row;
    for (let place = 0; place < read.length; place += 1) all[start + place] = read[within?.[place] ?? place] as number;
  }
  return all;
}

/** Rows of so many numbers are copied number by number: a view of each costs more than the numbers. */
const fewNumbers = 96;

/** Copies row `row` of one matrix to row `at` of another. */
export function copyRow(from: Float32Array, row: number, to: Float32Array, at: number, width: number): void {
  const start = row * width;
  const target = at * width;
  if (width > fewNumbers) to.set(from.subarray(start, start + width), target);
  else for (let number = 0; number < width; number += 1) to[target + number] = from[start + number] as number;
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
    copyRow(matrix.features, row, features, at, width);
    labels[at] = matrix.labels[row] as number;
  }
  return { features, labels };
}
