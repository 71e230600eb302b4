import type { CallOptions, Dataset } from "@millwright/contracts";
import { columnUnfit } from "./errors.ts";

export interface GbdtOptions extends CallOptions {
  /** The column to predict, without missing values: 0 and 1 or booleans for `binary`, texts or integers for `multiclass`, numbers for `regression`. */
  readonly label: string;
  /** `binary`: log loss, and the prediction is the probability of 1. `multiclass`: log loss of the softmax, and a probability of each class. `regression`: see `loss`. */
  readonly task: "binary" | "multiclass" | "regression";
  /**
   * For `regression`. `squared`: the squared error. The others predict e to the sum of the trees: `poisson` for counts, `gamma` for amounts above 0,
   * `tweedie` for amounts of which many are 0. Default: `"squared"`.
   */
  readonly loss?: "gamma" | "poisson" | "squared" | "tweedie" | undefined;
  /** For `tweedie`: the variance is as the mean to this power, from 1.01 to 1.99. Default: 1.5. */
  readonly tweediePower?: number | undefined;
  /** Columns to learn from. Default: all but label and weight. */
  readonly features?: readonly string[] | undefined;
  /** Integer or boolean columns whose values are names, not amounts. Text columns always are. Default: none. */
  readonly categorical?: readonly string[] | undefined;
  /** A column of weights, 0 or more. Default: each row counts once. */
  readonly weight?: string | undefined;
  /** Rounds at most, from 1 to 100,000: a tree each, and for `multiclass` a tree a class. Default: 100. */
  readonly trees?: number | undefined;
  /** Each tree counts this much, above 0 and at most 1. Default: 0.1. */
  readonly learningRate?: number | undefined;
  /** `leaf`: always the split of largest gain, as LightGBM. `depth`: level by level. Default: `"leaf"`. */
  readonly growth?: "depth" | "leaf" | undefined;
  /** From 2 to 4096. Default: 31 for `leaf`, 4096 for `depth`. */
  readonly maxLeaves?: number | undefined;
  /** Splits from the root to a leaf at most, from 1 to 64. Default: 64 for `leaf`, 6 for `depth`. */
  readonly maxDepth?: number | undefined;
  /** Bins a column is cut into, that for missing values included: from 3 to 255. Default: 255. */
  readonly maxBins?: number | undefined;
  /** Strength of L2 on the leaves' values, 0 or more. Default: 0. */
  readonly l2?: number | undefined;
  /** Rows a leaf must have, from 1. Default: 20. */
  readonly minLeafRows?: number | undefined;
  /** Sum of second derivatives that a leaf must have, 0 or more. Default: 0.001. */
  readonly minLeafHessian?: number | undefined;
  /** Gain that a split must exceed, 0 or more. Default: 0. */
  readonly minGain?: number | undefined;
  /** Share of rows that each tree is grown from, above 0 and at most 1, drawn anew each time. Default: 1. */
  readonly rowShare?: number | undefined;
  /** Share of columns that each tree may split by, above 0 and at most 1. Default: 1. */
  readonly columnShare?: number | undefined;
  /** By column of numbers: 1 where the prediction may only rise with it, −1 where it may only fall. Default: none. */
  readonly monotone?: Readonly<Record<string, -1 | 0 | 1>> | undefined;
  /** Rows that no tree is grown from: the model keeps the trees that were best on them. Default: none. */
  readonly validation?: Dataset | undefined;
  /** Rounds in a row without a better loss on the validation rows after which the fit ends, from 1. Default: it never ends early. */
  readonly earlyStopping?: number | undefined;
  /** Threads that the columns are shared out among, this one included: from 1 to 64. The bits are the same. Default: 1. */
  readonly threads?: number | undefined;
  /** For the drawing of rows and columns. Default: 0. */
  readonly seed?: number | undefined;
  /** Called after each round. */
  readonly onProgress?: ((progress: GbdtProgress) => void) | undefined;
}

export interface GbdtProgress {
  /** Rounds so far, from 1. */
  readonly trees: number;
  /** Of all trees of the round. */
  readonly leaves: number;
  /** Log loss in nats, root mean square error, or mean deviance; absent without validation rows. */
  readonly validationLoss?: number | undefined;
}

export const gbdtDefaults = {
  trees: 100,
  learningRate: 0.1,
  growth: "leaf",
  maxBins: 255,
  l2: 0,
  minLeafRows: 20,
  minLeafHessian: 0.001,
  minGain: 0,
  rowShare: 1,
  columnShare: 1,
  seed: 0,
} as const;

const losses = ["squared", "poisson", "gamma", "tweedie"] as const;

/** By option: least, most, and whether it is a whole number. Where the least is 0, a share must be above it. */
const ranges: Readonly<Record<string, readonly [number, number, "number" | "share" | "whole"]>> = {
  trees: [1, 100_000, "whole"],
  learningRate: [0, 1, "share"],
  maxLeaves: [2, 4096, "whole"],
  maxDepth: [1, 64, "whole"],
  maxBins: [3, 255, "whole"],
  l2: [0, 1e15, "number"],
  minLeafRows: [1, 2 ** 31 - 1, "whole"],
  minLeafHessian: [0, 1e15, "number"],
  minGain: [0, 1e15, "number"],
  rowShare: [0, 1, "share"],
  columnShare: [0, 1, "share"],
  earlyStopping: [1, 100_000, "whole"],
  tweediePower: [1.01, 1.99, "number"],
  threads: [1, 64, "whole"],
  seed: [-(2 ** 53), 2 ** 53, "whole"],
};

/** Throws a RangeError for an option out of range, a TypeError for one of another type. */
export function assertGbdtOptions(options: GbdtOptions): void {
  const { label, task, loss, growth = "leaf", onProgress } = options;
  if (typeof label !== "string") throw new TypeError("The label must be the name of a column.");
  if (task !== "binary" && task !== "multiclass" && task !== "regression")
    throw new RangeError(`The task must be binary, multiclass or regression, not ${JSON.stringify(task)}.`);
  if (loss !== undefined && !(losses as readonly unknown[]).includes(loss))
    throw new RangeError(`The loss must be one of ${losses.join(", ")}, not ${JSON.stringify(loss)}.`);
  if (loss !== undefined && task !== "regression") throw new RangeError("A loss is chosen for regression alone.");
  if (growth !== "leaf" && growth !== "depth")
    throw new RangeError(`The growth must be leaf or depth, not ${JSON.stringify(growth)}.`);
  if (onProgress !== undefined && typeof onProgress !== "function")
    throw new TypeError("onProgress must be a function.");
  for (const [name, [least, most, kind]] of Object.entries(ranges)) {
    const value = (options as unknown as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    if (typeof value !== "number") throw new TypeError(`${name} must be a number.`);
    const fits = value >= least && value <= most && (kind !== "whole" || Number.isInteger(value));
    if (fits && !(kind === "share" && value === 0)) continue;
    const from =
      kind === "share"
        ? "above 0 and at most 1"
        : `${kind === "whole" ? "a whole number " : ""}from ${least} to ${most}`;
    throw new RangeError(`${name} must be ${from}, not ${value}.`);
  }
}

/** By column: its constraint. Throws `ALGORITHMS_COLUMN_UNFIT` for a column that is no feature of numbers. */
export function monotoneOf(
  features: readonly { readonly name: string; readonly kind: "category" | "number" }[],
  monotone: Readonly<Record<string, -1 | 0 | 1>> = {},
): Int8Array {
  const directions = new Int8Array(features.length);
  for (const [name, direction] of Object.entries(monotone)) {
    if (direction !== -1 && direction !== 0 && direction !== 1)
      throw new RangeError(`monotone.${name} must be -1, 0 or 1.`);
    const at = features.findIndex((feature) => feature.name === name);
    if (features[at]?.kind !== "number")
      throw columnUnfit(name, "a monotone constraint needs a feature of numbers", "Name a numeric feature.");
    directions[at] = direction;
  }
  return directions;
}
