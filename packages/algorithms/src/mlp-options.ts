import type { CallOptions, Dataset } from "@millwright/contracts";
import type { TransformPlan } from "@millwright/data";
import { type Activation, type DenseLayer, activations } from "@millwright/model";

export interface MlpOptions extends CallOptions {
  /** The column to predict, without missing values: 0 and 1 or booleans for `binary`, texts or integers for `multiclass`, numbers for `regression`. */
  readonly label: string;
  /** Log loss of a logistic output, log loss of the softmax, or half the squared error. */
  readonly task: "binary" | "multiclass" | "regression";
  /** Columns to learn from. Default: all but label and weight. */
  readonly features?: readonly string[] | undefined;
  /** Integer or boolean columns whose values are names, not amounts. Text columns always are. Default: none. */
  readonly categorical?: readonly string[] | undefined;
  /**
   * How columns become inputs, in place of `features` and `categorical`. Default: numbers with the mean where they are missing, a mark where they were, and
   * scaled to mean 0 and variance 1; one input a category.
   */
  readonly plan?: TransformPlan | undefined;
  /** A column of weights, 0 or more. Default: each row counts once. */
  readonly weight?: string | undefined;
  /** Units of the hidden layers, each from 1 to 65,536. Default: [64]. */
  readonly hidden?: readonly number[] | undefined;
  /** Of the hidden layers. Default: `"relu"`. */
  readonly activation?: Exclude<Activation, "softmax"> | undefined;
  /** Share of each hidden layer's units that are left out in a step of training, from 0 and below 1. Default: 0. */
  readonly dropout?: number | undefined;
  /** How much half the sum of the squared weights counts beside the sum of a batch's losses, 0 or more. Default: 0.0001, as in scikit-learn. */
  readonly l2?: number | undefined;
  /** Default: `"adam"` (Kingma and Ba, 2015). */
  readonly optimizer?: "adam" | "sgd" | undefined;
  /** Above 0, at most 10. Default: 0.001. */
  readonly learningRate?: number | undefined;
  /** Of `sgd`, with Nesterov's look ahead, from 0 and below 1. Default: 0.9. */
  readonly momentum?: number | undefined;
  /** Rows a step, from 1. Default: 200, or all rows where there are fewer. */
  readonly batchRows?: number | undefined;
  /** Passes over the rows at most, from 1 to 100,000. Default: 100. */
  readonly epochs?: number | undefined;
  /** Whether rows come in another order each epoch. Default: true. */
  readonly shuffle?: boolean | undefined;
  /** Rows that nothing is learned from: the model keeps the weights that were best on them. Default: none. */
  readonly validation?: Dataset | undefined;
  /** Epochs in a row without a better loss on the validation rows after which the fit ends, from 1. Default: it never ends early. */
  readonly earlyStopping?: number | undefined;
  /** Whether the labels of `regression` are scaled to mean 0 and variance 1 inside; the last layer takes it back. Default: true. */
  readonly scaleLabels?: boolean | undefined;
  /** Layers to begin with, the output's included. Default: drawn as Glorot and Bengio (2010) do. */
  readonly initial?: readonly Pick<DenseLayer, "bias" | "kernel">[] | undefined;
  /** For the first weights, the order of rows, and dropout. Default: 0. */
  readonly seed?: number | undefined;
  /** Called after each epoch. */
  readonly onProgress?: ((progress: MlpProgress) => void) | undefined;
}

export interface MlpProgress {
  /** Epochs so far, from 1. */
  readonly epoch: number;
  /** Mean over the epoch's rows of the loss of their steps, penalty included. */
  readonly loss: number;
  /** Without penalty; absent without validation rows. */
  readonly validationLoss?: number | undefined;
}

type Defaulted =
  | "activation"
  | "batchRows"
  | "dropout"
  | "epochs"
  | "hidden"
  | "l2"
  | "learningRate"
  | "momentum"
  | "optimizer"
  | "scaleLabels"
  | "seed"
  | "shuffle";

export const mlpDefaults: { readonly [Name in Defaulted]-?: NonNullable<MlpOptions[Name]> } = {
  hidden: [64],
  activation: "relu",
  dropout: 0,
  l2: 1e-4,
  optimizer: "adam",
  learningRate: 1e-3,
  momentum: 0.9,
  batchRows: 200,
  epochs: 100,
  shuffle: true,
  scaleLabels: true,
  seed: 0,
};

/** By option: least, most, and whether it is a whole number; `below` is a number that must stay below the most. */
const ranges: Readonly<Record<string, readonly [number, number, "above" | "below" | "number" | "whole"]>> = {
  dropout: [0, 1, "below"],
  l2: [0, 1e15, "number"],
  learningRate: [0, 10, "above"],
  momentum: [0, 1, "below"],
  batchRows: [1, 2 ** 31 - 1, "whole"],
  epochs: [1, 100_000, "whole"],
  earlyStopping: [1, 100_000, "whole"],
  seed: [-(2 ** 53), 2 ** 53, "whole"],
};

/** Throws a RangeError for an option out of range, a TypeError for one of another type. */
export function assertMlpOptions(options: MlpOptions): void {
  const { label, task, hidden = mlpDefaults.hidden, activation = "relu", optimizer = "adam", onProgress } = options;
  if (typeof label !== "string") throw new TypeError("The label must be the name of a column.");
  if (task !== "binary" && task !== "multiclass" && task !== "regression")
    throw new RangeError(`The task must be binary, multiclass or regression, not ${JSON.stringify(task)}.`);
  if (!Array.isArray(hidden) || hidden.some((units) => typeof units !== "number"))
    throw new TypeError("hidden must be a list of numbers of units.");
  if (hidden.length > 64 || !hidden.every((units: number) => Number.isInteger(units) && units > 0 && units <= 65_536))
    throw new RangeError("hidden must be at most 64 whole numbers from 1 to 65,536.");
  if (typeof activation !== "string" || !Object.hasOwn(activations, activation) || String(activation) === "softmax")
    throw new RangeError(`The activation must be one of ${Object.keys(activations).join(", ")}, but softmax.`);
  if (optimizer !== "adam" && optimizer !== "sgd") throw new RangeError("The optimizer must be adam or sgd.");
  if (onProgress !== undefined && typeof onProgress !== "function")
    throw new TypeError("onProgress must be a function.");
  for (const [name, [least, most, kind]] of Object.entries(ranges)) {
    const value = (options as unknown as Readonly<Record<string, unknown>>)[name];
    if (value === undefined) continue;
    if (typeof value !== "number") throw new TypeError(`${name} must be a number.`);
    const fits = value >= least && value <= most && (kind !== "whole" || Number.isInteger(value));
    if (fits && !(kind === "above" && value === least) && !(kind === "below" && value === most)) continue;
    const range = { above: "above", below: "from", number: "from", whole: "a whole number from" }[kind];
    const until = kind === "below" ? "and below" : kind === "above" ? "and at most" : "to";
    throw new RangeError(`${name} must be ${range} ${least} ${until} ${most}, not ${value}.`);
  }
}
