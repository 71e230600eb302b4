import { linearInvalid } from "../errors.ts";
import { type LinearModel, assertLinearModel } from "../linear-model.ts";
import type { RowExplainer } from "./tree-shap.ts";

/** A sum of what each number gives, and whose column each number comes from. */
export interface WeightedSums {
  /** By output, and then by number. */
  readonly coefficients: readonly ArrayLike<number>[];
  /** By output. */
  readonly intercepts: ArrayLike<number>;
  /** By number: the position of the column that it is made of. */
  readonly owners: ArrayLike<number>;
  readonly features: number;
}

/**
 * Exact Shapley values of weighted sums against background rows: each number counts coefficient·(x − mean), whatever the others are (Štrumbelj and Kononenko,
 * "Explaining prediction models and individual predictions with feature contributions", 2014), and a column counts what its numbers do.
 * @param means Of each number over the background rows.
 */
export function linearShap(
  { coefficients, intercepts, owners, features }: WeightedSums,
  means: Float64Array,
): RowExplainer {
  const outputs = coefficients.length;
  const base = Float64Array.from(coefficients, (weights, output) => {
    let sum = intercepts[output]!;
    for (let at = 0; at < means.length; at += 1) sum += weights[at]! * means[at]!;
    return sum;
  });
  return {
    features,
    outputs,
    base,
    pieces: 1,
    stepsOf: () => outputs * means.length,
    add(columns, row, _piece, target, at) {
      for (let output = 0; output < outputs; output += 1)
        for (let number = 0; number < means.length; number += 1)
          target[at + output * features + owners[number]!]! +=
            coefficients[output]![number]! * (columns[number]![row]! - means[number]!);
    },
  };
}

/** The same of a model of the format `linear`. @param background One column for each feature. Throws `MODEL_LINEAR_INVALID`. */
export function linearModelShap(model: LinearModel, background: readonly Float64Array[]): RowExplainer {
  assertLinearModel(model);
  if (background.length !== model.features.length || (background[0]?.length ?? 0) === 0)
    throw linearInvalid(
      `the background has ${background.length} columns for ${model.features.length} features, or no rows`,
    );
  const owners = model.features.map((_, at) => at);
  return linearShap({ ...model, owners, features: owners.length }, meansOf(background));
}

/** Means of what is there; 0 where nothing is. */
export const meansOf = (columns: readonly Float64Array[]): Float64Array =>
  Float64Array.from(columns, (values) => {
    const there = values.filter((value) => !Number.isNaN(value));
    return there.length === 0 ? 0 : there.reduce((sum, value) => sum + value, 0) / there.length;
  });
