import { setImmediate } from "node:timers/promises";
import { type Random, createRandom } from "@millwright/contracts";
import { type GbdtOptions, gbdtDefaults } from "./gbdt-options.ts";
import type { Loss } from "./losses.ts";
import type { Table } from "./table.ts";
import { type Binning, binningOf, writeBins } from "./tree-bins.ts";
import { type BinnedNode, type GrowRules, type GrowSpace, growTree, leftBins } from "./tree-grow.ts";
import { type BinnedRows, createHistogramPool, histogramBytes } from "./tree-histogram.ts";
import { createTreeKernel } from "./tree-kernel.ts";
import { type TreeMemory, plainMemory } from "./tree-memory.ts";
import { startTeam, teamBytes } from "./tree-team.ts";

/** What grows during a fit. Whoever creates it disposes it. */
export interface Booster extends Disposable {
  readonly loss: Loss;
  /** By output. */
  readonly bases: readonly number[];
  readonly names: readonly string[];
  readonly binnings: readonly Binning[];
  readonly train: Scored;
  readonly held: Scored | undefined;
  readonly rules: GrowRules;
  readonly space: GrowSpace;
  readonly random: Random;
}

/** Rows in bins with their sums so far, by output. */
export interface Scored {
  readonly table: Table;
  readonly binned: BinnedRows;
  readonly sums: readonly Float64Array[];
}

/** The trees of one round: one an output. */
export type Round = readonly (readonly BinnedNode[])[];

/** @param memoryFor Where what is worked on lies, given the most bytes that will be asked of it; undefined for arrays of their own. */
export function createBooster(
  table: Table,
  held: Table | undefined,
  loss: Loss,
  bases: readonly number[],
  monotone: Int8Array,
  options: GbdtOptions,
  memoryFor: (mostBytes: number) => TreeMemory | undefined,
): Booster {
  const { maxBins = gbdtDefaults.maxBins, seed = gbdtDefaults.seed } = options;
  const { rows, features } = table;
  const binnings = features.map((feature) => binningOf(feature, maxBins));
  const rules = rulesOf(options, monotone, binnings);
  const allBins = binnings.reduce((sum, binning) => sum + binning.bins, 0);
  const leaves = Math.min(rules.maxLeaves, 2 ** rules.maxDepth);
  const mostBytes =
    rows * (Math.ceil(features.length / 4) * 4 + 2 * 16 + 2 * 4) +
    (leaves + 1) * (histogramBytes(allBins) + 64) +
    features.length * 64 +
    teamBytes(features.length) +
    4096;
  const memory = memoryFor(mostBytes) ?? plainMemory;
  const train = scored(table, binnings, bases, memory);
  const { bins: groups, offsets } = train.binned;
  const team = startTeam(memory, groups, offsets, options.threads ?? 1);
  return {
    loss,
    bases,
    names: features.map(({ name }) => name),
    binnings,
    train,
    held: held === undefined ? undefined : scored(held, binnings, bases, plainMemory),
    rules,
    space: {
      pool: createHistogramPool(train.binned.offsets, memory),
      kernel: createTreeKernel(memory, rows, team),
      gradients: memory.doubles(rows * 2),
      order: memory.integers(rows),
      ordered: memory.doubles(rows * 2),
    },
    random: createRandom(seed),
    [Symbol.dispose]: () => team?.[Symbol.dispose](),
  };
}

function scored(table: Table, binnings: readonly Binning[], bases: readonly number[], memory: TreeMemory): Scored {
  const { rows, features } = table;
  const groups = Math.ceil(features.length / 4);
  const bins = Array.from({ length: groups }, () => memory.bytes(rows * 4));
  const offsets = new Int32Array(features.length + 1);
  for (const [index, feature] of features.entries()) {
    const binning = binnings[index] as Binning;
    writeBins(feature, binning, bins[index >> 2] as Uint8Array, index & 3);
    offsets[index + 1] = (offsets[index] as number) + binning.bins;
  }
  return { table, binned: { rows, bins, offsets }, sums: bases.map((base) => new Float64Array(rows).fill(base)) };
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
export const given = (options: GbdtOptions): Partial<GbdtOptions> & typeof gbdtDefaults =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as typeof gbdtDefaults;

export interface Boosted {
  /** Up to the best one. */
  readonly rounds: readonly Round[];
  readonly validationLosses: readonly number[];
  /** Infinity without validation rows. */
  readonly best: number;
}

/** Grows rounds of trees. The training rows' sums are those of the rounds that are kept. */
export async function boost(booster: Booster, options: GbdtOptions): Promise<Boosted> {
  const { trees: most = gbdtDefaults.trees, earlyStopping = Infinity, signal, onProgress } = options;
  const { train, held, loss } = booster;
  const rounds: Round[] = [];
  const losses: number[] = [];
  let best = { loss: Infinity, rounds: 0 };
  for (let round = 0; round < most && losses.length - best.rounds < earlyStopping; round += 1) {
    signal?.throwIfAborted();
    const trees = addRound(booster, round, options);
    if (trees === undefined) break;
    rounds.push(trees);
    if (held !== undefined) {
      addAllToSums(trees, held);
      losses.push(loss.measure(held.sums, held.table.labels, held.table.weights));
      const last = losses[losses.length - 1] as number;
      if (last < best.loss) best = { loss: last, rounds: rounds.length };
    }
    const leaves = trees.reduce((sum, nodes) => sum + (nodes.length + 1) / 2, 0);
    onProgress?.({ trees: rounds.length, leaves, validationLoss: losses.at(-1) });
    await setImmediate();
  }
  signal?.throwIfAborted();
  const kept = held === undefined ? rounds : rounds.slice(0, best.rounds);
  if (kept.length < rounds.length) {
    for (const [output, sums] of train.sums.entries()) sums.fill(booster.bases[output]!);
    for (const trees of kept) addAllToSums(trees, train);
  }
  return { rounds: kept, validationLosses: losses, best: best.loss };
}

/** Grows the next tree of each output and adds it to the training rows' sums. @returns undefined where no split is worth it and none will be. */
function addRound(booster: Booster, round: number, options: GbdtOptions): Round | undefined {
  const { train, loss, space } = booster;
  const { rowShare = 1, columnShare = 1 } = options;
  const { labels, weights } = train.table;
  // Every output's derivatives are those before the round, so that no class comes before another.
  const before = train.sums.length === 1 ? train.sums : train.sums.map((sums) => sums.slice());
  const trees = train.sums.map((_, output) => {
    loss.derive(before, labels, weights, output, space.gradients);
    return addTree(booster, round, output, options);
  });
  const isDone = rowShare === 1 && columnShare === 1 && trees.every((nodes) => nodes.length === 1);
  return isDone ? undefined : trees;
}

function addTree(
  { train, rules, space, random, names }: Booster,
  round: number,
  output: number,
  { rowShare = 1, columnShare = 1 }: GbdtOptions,
): readonly BinnedNode[] {
  const { binned } = train;
  const sums = train.sums[output]!;
  const stream = random.fork(round);
  const rows = drawInOrder(stream.fork("rows"), binned.rows, Math.ceil(rowShare * binned.rows), space.order);
  const columns = new Int32Array(Math.ceil(columnShare * names.length));
  drawInOrder(stream.fork("columns"), names.length, columns.length, columns);
  const { nodes, leaves } = growTree(binned, rows, columns, rules, space);
  if (nodes.length === 1) return [{ ...nodes[0]!, value: 0 } as BinnedNode];
  if (rows < binned.rows) addToSums(nodes, binned, sums);
  else {
    const { order } = space;
    for (const { start, end, value } of leaves)
      for (let place = start; place < end; place += 1) sums[order[place]!]! += value;
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

function addAllToSums(trees: Round, { binned, sums }: Scored): void {
  for (const [output, nodes] of trees.entries()) addToSums(nodes, binned, sums[output]!);
}

/** Adds to each row's sum what its leaf gives. */
function addToSums(nodes: readonly BinnedNode[], { bins }: BinnedRows, sums: Float64Array): void {
  const routes = nodes.map((node) =>
    node.kind === "leaf"
      ? { value: node.value }
      : {
          bins: bins[node.split.column >> 2]!,
          lane: node.split.column & 3,
          isLeft: leftBins(node.split, 255),
          left: node.left,
          right: node.right,
        },
  );
  for (let row = 0; row < sums.length; row += 1) {
    let route = routes[0]!;
    while (route.isLeft !== undefined)
      route = routes[route.isLeft[route.bins[row * 4 + route.lane]!] === 1 ? route.left : route.right]!;
    sums[row]! += route.value;
  }
}
