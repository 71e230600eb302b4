import type { Dataset, JsonValue } from "@millwright/contracts";
import type { TreeModel, TreeNode } from "@millwright/model";
import { labelUnfit } from "./errors.ts";
import { type Boosted, type Booster, boost, createBooster, given } from "./gbdt-boost.ts";
import { type GbdtOptions, assertGbdtOptions, gbdtDefaults, monotoneOf } from "./gbdt-options.ts";
import { type Loss, gammaLoss, logisticLoss, poissonLoss, softmaxLoss, squaredLoss, tweedieLoss } from "./losses.ts";
import { type Table, readTable } from "./table.ts";
import { softmaxRows } from "./softmax.ts";
import { type Binning, treeFeatureOf } from "./tree-bins.ts";
import type { BinnedNode } from "./tree-grow.ts";
import { type TreeMemory, sharedMemory } from "./tree-memory.ts";

export interface FittedGbdt {
  readonly algorithm: "gbdt";
  /** The trees up to the best iteration: what `writeTreeModel` and `compileTrees` of `@millwright/model` take. JSON-safe but for thresholds of Infinity. */
  readonly model: TreeModel;
  /** What the model answers to the training rows, one number an output, row by row; equal to the bit to what it answers once packed and loaded. */
  readonly predictions: Float64Array;
  /** The loss on the validation rows after each round; empty without them. */
  readonly validationLosses: readonly number[];
  /** Loss on the training rows, and on the validation rows where there are any: `trainLogLoss`, `validationRmse`, …; `trees` are rounds. */
  readonly metrics: Readonly<Record<string, number>>;
  /** All options that are numbers and names, defaults included. */
  readonly hyperparameters: Readonly<Record<string, JsonValue>>;
  readonly seed: number;
}

/**
 * Fits gradient-boosted trees on histograms (Friedman, 2001; Chen and Guestrin, 2016; Ke and others, 2017). Missing numbers and texts go, at each split, to
 * the side that lowers the loss more. The same rows and options give the same bits, whatever `threads`. Reads all rows into memory: one byte a cell and 40 bytes
 * a row beside the columns themselves. Yields to the event loop after each round, and heeds the signal there.
 * Throws `ALGORITHMS_COLUMN_UNFIT`, `ALGORITHMS_LABEL_UNFIT`, `ALGORITHMS_ROWS_UNFIT`, `ALGORITHMS_WEIGHT_UNFIT`, `DATA_COLUMN_MISSING`; a RangeError
 * or TypeError for options.
 */
export async function fitGbdt(dataset: Dataset, options: GbdtOptions): Promise<FittedGbdt> {
  return fitGbdtIn(sharedMemory, dataset, options);
}

/** As `fitGbdt`, in the memory that is given; in plain TypeScript where that gives none. */
export async function fitGbdtIn(
  memoryFor: (mostBytes: number) => TreeMemory | undefined,
  dataset: Dataset,
  options: GbdtOptions,
): Promise<FittedGbdt> {
  assertGbdtOptions(options);
  const { signal, label, validation } = options;
  signal?.throwIfAborted();
  const table = await readTable(dataset, "training", options);
  const held = validation === undefined ? undefined : await readTable(validation, "validation", options, table.classes);
  const monotone = monotoneOf(table.features, options.monotone);
  const loss = lossOf(table, held, options);
  const bases = loss.base(table.labels, table.weights);
  if (!bases.every(Number.isFinite))
    throw labelUnfit(
      label,
      options.task === "regression"
        ? "all rows that count are 0"
        : "all rows that count have one class, or a class has none",
      "Give rows of each class, with amounts that are not all 0, or a weight to each.",
    );
  using booster = createBooster(table, held, loss, bases, monotone, options, memoryFor);
  return fitted(booster, await boost(booster, options), options);
}

function lossOf(table: Table, held: Table | undefined, options: GbdtOptions): Loss {
  const { task, label, loss = "squared", tweediePower = 1.5 } = options;
  if (task === "binary") return logisticLoss;
  if (task === "multiclass") {
    if (table.classes.length < 2) throw labelUnfit(label, "there is one class", "Give rows of each class.");
    return softmaxLoss(table.classes.length);
  }
  if (loss === "squared") return squaredLoss;
  const least = loss === "gamma" ? "above 0" : "0 or more";
  for (const { labels } of held === undefined ? [table] : [table, held]) {
    const row = labels.findIndex((value) => !(loss === "gamma" ? value > 0 : value >= 0));
    if (row >= 0) throw labelUnfit(label, `row ${row} has ${labels[row]}`, `The loss ${loss} takes amounts ${least}.`);
  }
  return { poisson: poissonLoss, gamma: gammaLoss, tweedie: tweedieLoss(tweediePower) }[loss];
}

function fitted(booster: Booster, { rounds, validationLosses, best }: Boosted, options: GbdtOptions): FittedGbdt {
  const { names, loss, train } = booster;
  const { sums, table } = train;
  return {
    algorithm: "gbdt",
    model: modelOf(booster, rounds.flat()),
    predictions: predictionsOf(loss.link, sums),
    validationLosses,
    metrics: {
      [`train${loss.metric}`]: loss.measure(sums, table.labels, table.weights),
      ...(best === Infinity ? {} : { [`validation${loss.metric}`]: best }),
      trees: rounds.length,
    },
    hyperparameters: hyperparametersOf(names, options),
    seed: options.seed ?? gbdtDefaults.seed,
  };
}

function modelOf(
  { binnings, names, bases, loss: { link }, train }: Booster,
  grown: readonly (readonly BinnedNode[])[],
): TreeModel {
  const features = binnings.map((binning, index) => treeFeatureOf(names[index] as string, binning));
  const trees = grown.map((nodes) => nodes.map((node) => treeNodeOf(node, binnings)));
  if (link === "softmax")
    return { formatVersion: 2, features, base: 0, bases, link, classes: train.table.classes, trees };
  return { formatVersion: link === "exponential" ? 2 : 1, features, base: bases[0]!, link, trees };
}

/** As the runtime answers: see `compileTrees`. */
function predictionsOf(link: Loss["link"], sums: readonly Float64Array[]): Float64Array {
  const [only] = sums as [Float64Array];
  if (link === "identity") return only;
  if (link === "exponential") return only.map((sum) => Math.exp(sum));
  if (link === "logistic") return only.map((sum) => 1 / (1 + Math.exp(-sum)));
  const outputs = sums.length;
  const answers = new Float64Array(only.length * outputs);
  for (const [output, own] of sums.entries())
    for (let row = 0; row < own.length; row += 1) answers[row * outputs + output] = own[row]!;
  softmaxRows(answers, outputs);
  return answers;
}

/** The options that say how, the columns that were learned from included. */
function hyperparametersOf(features: readonly string[], options: GbdtOptions): Readonly<Record<string, JsonValue>> {
  const beside = ["features", "onProgress", "seed", "signal", "threads", "validation"];
  const { categorical, monotone, ...all } = { ...gbdtDefaults, ...given(options) };
  return {
    ...Object.fromEntries(Object.entries(all).filter(([name]) => !beside.includes(name))),
    ...(categorical === undefined ? {} : { categorical: [...categorical] }),
    ...(monotone === undefined ? {} : { monotone: { ...monotone } }),
    features,
  } as Readonly<Record<string, JsonValue>>;
}

function treeNodeOf(node: BinnedNode, binnings: readonly Binning[]): TreeNode {
  if (node.kind === "leaf") return { value: node.value, rows: node.rows };
  const { split, left, right, rows } = node;
  const { column: feature, missingLeft, gain, members, bin } = split;
  const binning = binnings[feature] as Binning;
  const place = { feature, missingLeft, left, right, rows, gain };
  if (binning.kind === "number") return { ...place, threshold: binning.edges[bin - 1] ?? Infinity };
  const categories = binning.categories.flatMap((_, index) => (members?.[index + 1] === 1 ? [index] : []));
  return { ...place, categories };
}
