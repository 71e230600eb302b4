import type { Batch } from "@millwright/contracts";
import { EigenvalueDecomposition, Matrix as DenseMatrix } from "ml-matrix";
import { fitScores, type Matrix, type ScoreColumn, scoresOf } from "../features/standard-scores.ts";
import { rowsInvalid } from "../errors.ts";

/** Principal components that rows are taken apart into and put together from. JSON-safe. */
export interface Reconstruction {
  readonly formatVersion: 1;
  readonly kind: "reconstruction";
  readonly columns: readonly ScoreColumn[];
  /** One unit vector in the space of the standard scores for each component kept, the strongest first. */
  readonly components: readonly (readonly number[])[];
}

export interface ReconstructionOptions {
  /** Default: all numbers, booleans and texts. */
  readonly columns?: readonly string[] | undefined;
  /** As many components are kept as explain more than this share of the variance, in (0, 1). Default: 0.65. */
  readonly varianceShare?: number | undefined;
}

/**
 * Principal components of the standard scores, as NannyML's data reconstruction takes them. Rows that break with how columns hang together are put together wrongly,
 * even where each column alone looks as ever. Throws `MONITOR_ROWS_INVALID`, and a RangeError for options out of range.
 */
export function fitReconstruction(rows: Batch, options: ReconstructionOptions = {}): Reconstruction {
  const { columns: names, varianceShare = 0.65 } = options;
  if (!(varianceShare > 0 && varianceShare < 1))
    throw new RangeError(`The share of the variance must be in (0, 1), not ${varianceShare}.`);
  const columns = fitScores(rows, names);
  if (rows.length < 2) throw rowsInvalid("there is one, and two are the least");
  const { values, vectors } = eigenOf(covarianceOf(scoresOf(rows, columns)));
  const total = values.reduce((sum, value) => sum + Math.max(0, value), 0);
  if (total === 0) throw rowsInvalid("all columns are constant");
  let [kept, explained] = [0, 0];
  while (kept < values.length && explained <= varianceShare * (1 - 1e-12)) {
    explained += Math.max(0, values[kept] as number) / total;
    kept += 1;
  }
  return { formatVersion: 1, kind: "reconstruction", columns, components: vectors.slice(0, kept) };
}

/** The eigenvalues of a symmetric matrix, the largest first, and their unit vectors. */
export function eigenOf(matrix: DenseMatrix): { readonly values: number[]; readonly vectors: number[][] } {
  const eigen = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  const order = eigen.realEigenvalues
    .map((_, index) => index)
    .sort((a, b) => eigen.realEigenvalues[b]! - eigen.realEigenvalues[a]!);
  const { eigenvectorMatrix } = eigen;
  return {
    values: order.map((index) => eigen.realEigenvalues[index]!),
    vectors: order.map((index) => eigenvectorMatrix.getColumn(index)),
  };
}

/** The population's covariance about the mean. */
export function covarianceOf({ rows, width, values }: Matrix): DenseMatrix {
  const means = new Float64Array(width);
  for (let at = 0; at < values.length; at += 1) means[at % width]! += values[at]! / rows;
  const sums = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let start = 0; start < values.length; start += width) {
    for (let column = 0; column < width; column += 1) centred[column] = values[start + column]! - means[column]!;
    for (let a = 0; a < width; a += 1) {
      const value = centred[a]!;
      for (let b = 0; b <= a; b += 1) sums[a * width + b]! += value * centred[b]!;
    }
  }
  const covariance = DenseMatrix.zeros(width, width);
  for (let a = 0; a < width; a += 1) {
    for (let b = 0; b <= a; b += 1) {
      covariance.set(a, b, sums[a * width + b]! / rows);
      covariance.set(b, a, sums[a * width + b]! / rows);
    }
  }
  return covariance;
}

/** For each row how far it is from what the components make of it: the Euclidean norm of the difference of the standard scores. Throws `MONITOR_ROWS_INVALID`. */
export function reconstructionErrors(model: Reconstruction, rows: Batch): Float64Array {
  const { width, values } = scoresOf(rows, model.columns);
  const errors = new Float64Array(rows.length);
  for (let row = 0; row < rows.length; row += 1)
    errors[row] = residualOf(values.subarray(row * width, (row + 1) * width), model.components);
  return errors;
}

/** The norm of what of a row of standard scores lies outside the components; the row is changed. */
export function residualOf(scores: Float64Array, components: readonly (readonly number[])[]): number {
  // The components are at right angles: taking one off leaves the share of the others as it was.
  for (const component of components) {
    let share = 0;
    for (let column = 0; column < scores.length; column += 1) share += scores[column]! * component[column]!;
    for (let column = 0; column < scores.length; column += 1) scores[column]! -= share * component[column]!;
  }
  let squares = 0;
  for (const score of scores) squares += score * score;
  return Math.sqrt(squares);
}

/** The mean of the rows' errors, and its sampling error: their standard deviation (n − 1) over √n; NaN for one row. */
export function meanError(errors: Float64Array): { readonly value: number; readonly samplingError: number } {
  const value = errors.reduce((sum, each) => sum + each, 0) / errors.length;
  const squares = errors.reduce((sum, each) => sum + (each - value) ** 2, 0);
  return { value, samplingError: Math.sqrt(squares / (errors.length - 1) / errors.length) };
}
