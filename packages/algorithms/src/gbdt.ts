import { setImmediate } from "node:timers/promises";
import { type Dataset, type JsonValue, type Random, createRandom } from "@millwright/contracts";
import type { TreeModel, TreeNode } from "@millwright/model";
import { labelUnfit } from "./errors.ts";
import { type GbdtOptions, assertGbdtOptions, gbdtDefaults, monotoneOf } from "./gbdt-options.ts";
import { type Loss, logisticLoss, squaredLoss } from "./losses.ts";
import { type Table, readTable } from "./table.ts";
import { type Binning, binningOf, treeFeatureOf, writeBins } from "./tree-bins.ts";
import { type BinnedNode, type GrowRules, type GrowSpace, growTree, leftBins } from "./tree-grow.ts";
import { type BinnedRows, type Gradients, createHistogramPool } from "./tree-histogram.ts";

export interface FittedGbdt {
  readonly algorithm: "gbdt";
  /** The trees up to the best iteration: what `writeTreeModel` and `compileTrees` of `@millwright/model` take. JSON-safe but for thresholds of Infinity. */
  readonly model: TreeModel;
  /** What the model answers to the training rows, equal to the bit to what it answers once packed and loaded. */
  readonly predictions: Float64Array;
  /** The loss on the validation rows after each tree; empty without them. */
  readonly validationLosses: readonly number[];
  /** Loss on the training rows, and on the validation rows where there are any: `trainLogLoss`, `validationRmse`, … */
  readonly metrics: Readonly<Record<string, number>>;
  /** All options that are numbers and names, defaults included. */
  readonly hyperparameters: Readonly<Record<string, JsonValue>>;
  readonly seed: number;
}

/**
 * Fits gradient-boosted trees on histograms (Friedman, 2001; Chen and Guestrin, 2016; Ke and others, 2017). Missing numbers and texts go, at each split, to
 * the side that lowers the loss more. The same rows and options give the same bits. Reads all rows into memory: one byte a cell beside the columns
 * themselves. Yields to the event loop after each tree, and heeds the signal there.
 * Throws `ALGORITHMS_COLUMN_UNFIT`, `ALGORITHMS_LABEL_UNFIT`, `ALGORITHMS_ROWS_UNFIT`, `ALGORITHMS_WEIGHT_UNFIT`, `DATA_COLUMN_MISSING`; a RangeError
 * or TypeError for options.
 */
export async function fitGbdt(dataset: Dataset, options: GbdtOptions): Promise<FittedGbdt> {
  assertGbdtOptions(options);
  const { signal, label, task, validation } = options;
  signal?.throwIfAborted();
  const table = await readTable(dataset, "training", options);
  const held = validation === undefined ? undefined : await readTable(validation, "validation", options);
  const monotone = monotoneOf(table.features, options.monotone);
  const loss = task === "binary" ? logisticLoss : squaredLoss;
  const base = loss.base(table.labels, table.weights);
  if (!Number.isFinite(base))
    throw labelUnfit(label, `all rows that count have one class`, "Give rows of both classes, or a weight to each.");
  return boost(createBooster(table, held, loss, base, monotone, options), options);
}

/** What grows during a fit. */
interface Booster {
  readonly loss: Loss;
  readonly base: number;
  readonly names: readonly string[];
  readonly binnings: readonly Binning[];
  readonly train: Scored;
  readonly held: Scored | undefined;
  readonly gradients: Gradients;
  readonly rules: GrowRules;
  readonly space: GrowSpace;
  readonly random: Random;
}

/** Rows in bins with their sums so far. */
interface Scored {
  readonly table: Table;
  readonly binned: BinnedRows;
  readonly sums: Float64Array;
}

function createBooster(
  table: Table,
  held: Table | undefined,
  loss: Loss,
  base: number,
  monotone: Int8Array,
  options: GbdtOptions,
): Booster {
  const { maxBins = gbdtDefaults.maxBins, seed = gbdtDefaults.seed } = options;
  const { rows } = table;
  const binnings = table.features.map((feature) => binningOf(feature, maxBins));
  const train = scored(table, binnings, base);
  const isCurved = loss.link === "logistic" || table.weights !== undefined;
  return {
    loss,
    base,
    names: table.features.map(({ name }) => name),
    binnings,
    train,
    held: held === undefined ? undefined : scored(held, binnings, base),
    gradients: { gradient: new Float64Array(rows), hessian: isCurved ? new Float64Array(rows) : undefined },
    rules: rulesOf(options, monotone, binnings),
    space: {
      pool: createHistogramPool(train.binned.offsets),
      order: new Int32Array(rows),
      spare: new Int32Array(rows),
      ordered: { gradient: new Float64Array(rows), hessian: new Float64Array(isCurved ? rows : 0) },
    },
    random: createRandom(seed),
  };
}

function scored(table: Table, binnings: readonly Binning[], base: number): Scored {
  const { rows, features } = table;
  const bins = features.map(() => new Uint8Array(rows));
  const offsets = new Int32Array(features.length + 1);
  for (const [index, feature] of features.entries()) {
    const binning = binnings[index] as Binning;
    writeBins(feature, binning, bins[index] as Uint8Array);
    offsets[index + 1] = (offsets[index] as number) + binning.bins;
  }
  return { table, binned: { rows, bins, offsets }, sums: new Float64Array(rows).fill(base) };
}

function rulesOf(options: GbdtOptions, monotone: Int8Array, binnings: readonly Binning[]): GrowRules {
  const { growth, learningRate, l2, minGain, minLeafHessian, minLeafRows } = { ...gbdtDefaults, ...given(options) };
  const { maxLeaves = growth === "leaf" ? 31 : 4096, maxDepth = growth === "leaf" ? 64 : 6 } = options;
  return {
    growth,
    maxLeaves,
    maxDepth,
    learningRate,
    l2,
    minGain,
    minRows: minLeafRows,
    // A leaf without curvature has no best value.
    minHessian: Math.max(minLeafHessian, 1e-10),
    monotone,
    isMonotone: monotone.some((direction) => direction !== 0),
    isCategory: binnings.map(({ kind }) => kind === "category"),
    categoryL2: 10,
    categorySmoothing: 10,
    maxCategories: 32,
    minGroupRows: 100,
  };
}

/** The options that are not undefined. */
const given = (options: GbdtOptions): Partial<GbdtOptions> & typeof gbdtDefaults =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as typeof gbdtDefaults;

async function boost(booster: Booster, options: GbdtOptions): Promise<FittedGbdt> {
  const { trees: most = gbdtDefaults.trees, earlyStopping = Infinity, signal, onProgress } = options;
  const { train, held, loss } = booster;
  const trees: (readonly BinnedNode[])[] = [];
  const losses: number[] = [];
  let best = { loss: Infinity, trees: 0 };
  for (let round = 0; round < most && losses.length - best.trees < earlyStopping; round += 1) {
    signal?.throwIfAborted();
    const nodes = addTree(booster, round, options);
    if (nodes === undefined) break;
    trees.push(nodes);
    if (held !== undefined) {
      addToSums(nodes, held);
      losses.push(loss.measure(held.sums, held.table.labels, held.table.weights));
      const last = losses[losses.length - 1] as number;
      if (last < best.loss) best = { loss: last, trees: trees.length };
    }
    const leaves = (nodes.length + 1) / 2;
    onProgress?.({ trees: trees.length, leaves, validationLoss: losses.at(-1) });
    await setImmediate();
  }
  signal?.throwIfAborted();
  const kept = held === undefined ? trees : trees.slice(0, best.trees);
  if (kept.length < trees.length) {
    train.sums.fill(booster.base);
    for (const nodes of kept) addToSums(nodes, train);
  }
  return fitted(booster, kept, losses, best.loss, options);
}

/** Grows the next tree and adds it to the training rows' sums. @returns undefined where no split is worth it and none will be. */
function addTree(
  { train, loss, gradients, rules, space, random, names }: Booster,
  round: number,
  { rowShare = 1, columnShare = 1 }: GbdtOptions,
): readonly BinnedNode[] | undefined {
  const { binned, table, sums } = train;
  loss.derive(sums, table.labels, table.weights, gradients);
  const stream = random.fork(round);
  const rows = drawInOrder(stream.fork("rows"), binned.rows, Math.ceil(rowShare * binned.rows), space.order);
  const columns = new Int32Array(Math.ceil(columnShare * names.length));
  drawInOrder(stream.fork("columns"), names.length, columns.length, columns);
  const { nodes, leaves } = growTree(binned, gradients, rows, columns, rules, space);
  if (nodes.length === 1)
    return rowShare === 1 && columnShare === 1 ? undefined : [{ ...nodes[0]!, value: 0 } as BinnedNode];
  if (rows < binned.rows) addToSums(nodes, train);
  else {
    for (const { start, end, value } of leaves)
      for (let place = start; place < end; place += 1) sums[space.order[place]!]! += value;
  }
  return nodes;
}

/** Writes `count` of the numbers below `all`, each set equally likely, ascending (Knuth, volume 2, algorithm S). */
function drawInOrder(random: Random, all: number, count: number, into: Int32Array): number {
  if (count === all) for (let number = 0; number < all; number += 1) into[number] = number;
  else {
    for (let number = 0, drawn = 0; drawn < count; number += 1)
      if ((all - number) * random.next() < count - drawn) into[drawn++] = number;
  }
  return count;
}

/** Adds to each row's sum what its leaf gives. */
function addToSums(nodes: readonly BinnedNode[], { binned, sums }: Scored): void {
  const routes = nodes.map((node) =>
    node.kind === "leaf"
      ? { value: node.value }
      : {
          bins: binned.bins[node.split.column]!,
          isLeft: leftBins(node.split, 255),
          left: node.left,
          right: node.right,
        },
  );
  for (let row = 0; row < sums.length; row += 1) {
    let route = routes[0]!;
    while (route.isLeft !== undefined) route = routes[route.isLeft[route.bins[row]!] === 1 ? route.left : route.right]!;
    sums[row]! += route.value;
  }
}

function fitted(
  { binnings, names, base, loss, train }: Booster,
  trees: readonly (readonly BinnedNode[])[],
  validationLosses: readonly number[],
  best: number,
  options: GbdtOptions,
): FittedGbdt {
  const { sums, table } = train;
  const metric = loss.metric === "rmse" ? "Rmse" : "LogLoss";
  return {
    algorithm: "gbdt",
    model: {
      formatVersion: 1,
      features: binnings.map((binning, index) => treeFeatureOf(names[index] as string, binning)),
      base,
      link: loss.link,
      trees: trees.map((nodes) => nodes.map((node) => treeNodeOf(node, binnings))),
    },
    predictions: loss.link === "identity" ? sums : sums.map((sum) => 1 / (1 + Math.exp(-sum))),
    validationLosses,
    metrics: {
      [`train${metric}`]: loss.measure(sums, table.labels, table.weights),
      ...(best === Infinity ? {} : { [`validation${metric}`]: best }),
      trees: trees.length,
    },
    hyperparameters: hyperparametersOf(names, options),
    seed: options.seed ?? gbdtDefaults.seed,
  };
}

/** The options that say how, the columns that were learned from included. */
function hyperparametersOf(features: readonly string[], options: GbdtOptions): Readonly<Record<string, JsonValue>> {
  const beside = ["features", "onProgress", "seed", "signal", "validation"];
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
