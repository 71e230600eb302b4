import type { Random } from "@millwright/contracts";
import { type RegressionTree, type TreeOptions, fitTree, leafOf } from "./regression-tree.ts";
import { type Column, treeData } from "./split.ts";

export interface ForestOptions extends Partial<TreeOptions> {
  /** Default: 10. */
  readonly trees?: number | undefined;
  /** Whether each tree learns from rows drawn with replacement, as many as there are. Default: true. */
  readonly bootstrap?: boolean | undefined;
}

export interface RegressionForest {
  readonly columns: readonly Column[];
  readonly trees: readonly RegressionTree[];
}

export interface Prediction {
  readonly mean: number;
  /** How far the trees differ, and how far the targets within their leaves do. */
  readonly variance: number;
}

/**
 * Breiman, "Random Forests", Machine Learning 45 (2001), with the defaults of SMAC3 for hyperparameters: 10 trees on bootstrap samples, all columns looked
 * at in each split, leaves of single rows.
 * @param rows One row per target, row-major; categorical columns hold indices.
 */
export function fitForest(
  columns: readonly Column[],
  rows: Float64Array,
  targets: Float64Array,
  options: ForestOptions,
  random: Random,
): RegressionForest {
  const { trees = 10, bootstrap = true } = options;
  const settings: TreeOptions = {
    minSplit: options.minSplit ?? 2,
    minLeaf: options.minLeaf ?? 1,
    maxDepth: options.maxDepth ?? 64,
    featureShare: options.featureShare ?? 1,
    thresholds: options.thresholds ?? "random",
  };
  const data = treeData(columns, rows, targets);
  const count = targets.length;
  return {
    columns,
    trees: Array.from({ length: trees }, () => {
      const weights = new Float64Array(count).fill(bootstrap ? 0 : 1);
      for (let draw = 0; bootstrap && draw < count; draw += 1) {
        const row = random.integer(count);
        weights[row] = (weights[row] as number) + 1;
      }
      return fitTree(data, weights, settings, random);
    }),
  };
}

/**
 * Mean over the trees, and the variance by the law of total variance: Hutter et al., "Algorithm runtime prediction", Artificial Intelligence 206 (2014),
 * section 4.3.2.
 */
export function predictForest({ trees }: RegressionForest, rows: ArrayLike<number>, offset = 0): Prediction {
  let sum = 0;
  let squares = 0;
  let within = 0;
  for (const tree of trees) {
    const leaf = leafOf(tree, rows, offset);
    const mean = tree.mean[leaf] as number;
    sum += mean;
    squares += mean * mean;
    within += tree.variance[leaf] as number;
  }
  const mean = sum / trees.length;
  return { mean, variance: Math.max(0, squares / trees.length - mean * mean) + within / trees.length };
}
