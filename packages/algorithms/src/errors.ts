import { MillwrightError } from "@millwright/contracts";

export type AlgorithmsErrorCode =
  | "ALGORITHMS_BASELINE_MISSING"
  | "ALGORITHMS_COLUMN_UNFIT"
  | "ALGORITHMS_LABEL_UNFIT"
  | "ALGORITHMS_NOT_CONVERGED"
  | "ALGORITHMS_ROWS_UNFIT"
  | "ALGORITHMS_SCORES_UNFIT"
  | "ALGORITHMS_WEIGHT_UNFIT";

export class AlgorithmsError extends MillwrightError<AlgorithmsErrorCode> {
  override readonly name = "AlgorithmsError";
}

export const baselineMissing = (baseline: string): AlgorithmsError =>
  new AlgorithmsError("ALGORITHMS_BASELINE_MISSING", `The report has no ${baseline} baseline.`, {
    category: "user",
    remedy:
      'Give the answers of a linear model and of the model in production to the same rows; say production: "none" where nothing is in production yet.',
  });

export const columnUnfit = (column: string, problem: string, remedy: string): AlgorithmsError =>
  new AlgorithmsError("ALGORITHMS_COLUMN_UNFIT", `The column "${column}" cannot be learned from: ${problem}.`, {
    category: "user",
    remedy,
  });

export const labelUnfit = (column: string, problem: string, remedy: string): AlgorithmsError =>
  new AlgorithmsError("ALGORITHMS_LABEL_UNFIT", `The label "${column}" cannot be learned: ${problem}.`, {
    category: "data",
    remedy,
  });

export const notConverged = (iterations: number, step: number): AlgorithmsError =>
  new AlgorithmsError(
    "ALGORITHMS_NOT_CONVERGED",
    `The fit came to no single minimum in ${iterations} iterations (its last step was ${step}).`,
    {
      category: "data",
      remedy:
        "Give some l2, which settles columns that depend on each other and classes that can be told apart without error, or raise maxIterations.",
    },
  );

export const notFinite = (epoch: number): AlgorithmsError =>
  new AlgorithmsError("ALGORITHMS_NOT_CONVERGED", `The loss of epoch ${epoch} is no finite number.`, {
    category: "data",
    remedy: "Lower the learningRate, or scale the columns and look for values that are out of all proportion.",
  });

export const rowsUnfit = (role: string, problem: string): AlgorithmsError =>
  new AlgorithmsError("ALGORITHMS_ROWS_UNFIT", `The ${role} rows cannot be used: ${problem}.`, {
    category: "data",
    remedy: "Give a dataset with at least one row that counts, or leave the validation dataset out.",
  });

export const weightUnfit = (column: string, row: number, value: number): AlgorithmsError =>
  new AlgorithmsError("ALGORITHMS_WEIGHT_UNFIT", `The weight "${column}" of row ${row} is ${value}.`, {
    category: "data",
    remedy: "Give finite weights of 0 or more; a row with weight 0 counts for nothing.",
  });

export const scoresUnfit = (problem: string, remedy: string): AlgorithmsError =>
  new AlgorithmsError("ALGORITHMS_SCORES_UNFIT", `The scores and labels cannot be used: ${problem}.`, {
    category: "data",
    remedy,
  });
