import type { ShuffleOrder } from "./input-plan.ts";
import type { Matrix } from "../minibatches.ts";
import { gather, orderOfEpoch } from "../minibatches.ts";

/** Rows of a step, one after another. */
export type StepRows = Pick<Matrix, "features" | "labels">;

/** Where steps get their rows from. What it gives is a function of the arguments alone, so that a resumed run needs no state of it. */
export interface TrainingRows {
  readonly rows: number;
  /** Inputs of a row. */
  readonly width: number;
  /** The rows at the places from `start` to `end`, exclusive, in the order of the epoch (from 0). A promise only where they have to be waited for. */
  batch(epoch: number, start: number, end: number): StepRows | Promise<StepRows>;
}

/** Rows that are answered by a model and compared with their labels. */
export interface EvaluationRows {
  readonly rows: number;
  readonly width: number;
  /** All rows, as they stand in the data, in pieces. */
  pieces(): Iterable<Matrix> | AsyncIterable<Matrix>;
}

/** Rows of a matrix, in orders made of the seed. What are such rows already is given back. */
export function trainingRows(given: Matrix | TrainingRows, seed: number, shuffle?: ShuffleOrder): TrainingRows {
  if ("batch" in given) return given;
  const matrix = given;
  let last: { readonly epoch: number; readonly order: Int32Array } | undefined;
  return {
    rows: matrix.rows,
    width: matrix.width,
    batch(epoch, start, end) {
      if (last?.epoch !== epoch) last = { epoch, order: orderOfEpoch(matrix.rows, seed, epoch, shuffle) };
      return gather(matrix, last.order, start, end);
    },
  };
}

/** A matrix as one piece. What are such rows already is given back. */
export const evaluationRows = (given: Matrix | EvaluationRows): EvaluationRows =>
  "pieces" in given ? given : { rows: given.rows, width: given.width, pieces: () => [given] };
