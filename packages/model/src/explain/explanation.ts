import type { CallOptions } from "@millwright/contracts";

/**
 * How contributions were found. `tree-shap`: exact Shapley values of trees by the shares of training rows that went each way (path-dependent).
 * `interventional-tree-shap`: exact against background rows. `linear-shap`: exact for sums of what each column gives. `exact-shapley`: all coalitions of
 * few columns. `sampled-shapley`: an estimate from permutations.
 */
export type ExplanationMethod =
  | "tree-shap"
  | "interventional-tree-shap"
  | "linear-shap"
  | "exact-shapley"
  | "sampled-shapley";

/** `margin`: the raw score, before the link (logistic, softmax, exponential) and before a calibration. `output`: what the model answers. */
export type ExplanationScale = "margin" | "output";

/** Why rows were answered as they were: for each of them and each output, base + the sum of the contributions is the value. */
export interface Explanation {
  readonly method: ExplanationMethod;
  /** False for an estimate, which has `standardErrors`. */
  readonly exact: boolean;
  readonly scale: ExplanationScale;
  /** The columns that callers send; what transforms make of one of them is summed back to it. */
  readonly features: readonly string[];
  /** The names of the numbers that are explained: an output's, its classes', or `name_0`, `name_1`, … */
  readonly outputs: readonly string[];
  /** Positions of the rows that were explained, in the order of the arrays below. Time that ran out leaves the last ones away. */
  readonly rows: readonly number[];
  /** By output: the value where nothing is known of a row. */
  readonly base: Float64Array;
  /** [rows, outputs, features]. NaN where the model answers a row with NaN. */
  readonly contributions: Float64Array;
  /** [rows, outputs]. */
  readonly values: Float64Array;
  /** [rows, outputs, features]: how far an estimate may be off, one standard deviation. Absent where it is exact. */
  readonly standardErrors?: Float64Array | undefined;
  /** How many rows the model was asked for it. */
  readonly evaluations: number;
}

export interface ExplainOptions extends CallOptions {
  /** Positions of the rows to explain. Default: all. */
  readonly rows?: readonly number[] | undefined;
  /** How long it may take, milliseconds: rows that are not done by then are left away, and estimates get as good as there is time. Default: as long as it takes. */
  readonly timeMs?: number | undefined;
  /** Most rows that the model is asked to explain one row by an estimate. Default: that of the explainer. */
  readonly maxEvaluations?: number | undefined;
}
