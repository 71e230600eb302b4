import type { LinearModel } from "../linear-model.ts";
import type { TreeModel } from "../tree-model.ts";
import { linearModelShap } from "./linear-shap.ts";
import { interventionalTreeShap } from "./tree-interventional.ts";
import { type RowExplainer, treeShap } from "./tree-shap.ts";

/** Explains rows of columns without a package, at once. Its working memory is its own: one call at a time. */
export interface CompiledExplainer {
  /** By output, at the margin: the value where nothing is known of a row. */
  readonly base: Float64Array;
  /**
   * Adds up [rows, outputs, features] in `contributions`, which is overwritten. Throws a RangeError where it is not of that size.
   * @param columns One for each feature: numbers, or positions of categories; NaN where missing.
   */
  explain(columns: readonly Float64Array[], contributions: Float64Array): void;
}

export interface TreeExplainerOptions {
  /** One column for each feature, as `explain` takes them. Default: none, and the shares of training rows in the trees stand for what is not known. */
  readonly background?: readonly Float64Array[] | undefined;
}

/** Exact Shapley values of trees at the margin, before the link: path-dependent, or against background rows. Throws `MODEL_TREES_INVALID`, a RangeError. */
export function compileTreeExplainer(model: TreeModel, { background }: TreeExplainerOptions = {}): CompiledExplainer {
  if (background === undefined) return compiled(treeShap(model));
  const [first] = background;
  if (background.length !== model.features.length || first === undefined || first.length === 0)
    throw new RangeError(`The background needs a column for each of ${model.features.length} features, and rows.`);
  return compiled(interventionalTreeShap(model, background));
}

/** Exact Shapley values of a linear model at the margin, against the means of background rows. Throws `MODEL_LINEAR_INVALID`. */
export function compileLinearExplainer(model: LinearModel, background: readonly Float64Array[]): CompiledExplainer {
  return compiled(linearModelShap(model, background));
}

function compiled(explainer: RowExplainer): CompiledExplainer {
  const { base, features, outputs, pieces } = explainer;
  return {
    base,
    explain(columns, contributions) {
      const rows = columns[0]?.length ?? 0;
      const size = outputs * features;
      if (columns.length !== features || contributions.length !== rows * size)
        throw new RangeError(
          `${columns.length} columns of ${rows} rows do not fit ${features} features and ${contributions.length} contributions of ${outputs} outputs.`,
        );
      contributions.fill(0);
      for (let piece = 0; piece < pieces; piece += 1)
        for (let row = 0; row < rows; row += 1) explainer.add(columns, row, piece, contributions, row * size);
    },
  };
}
