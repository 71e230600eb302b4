import type { TreeModel, TreeNode } from "@millwright/model";
import type { Feature } from "../features/feature-table.ts";
import { binsOf, type FeatureBins } from "./feature-bins.ts";

export interface BoostedTreesOptions {
  /** `logistic`: targets are 0 and 1, and answers are probabilities. `squared`: targets are numbers. */
  readonly loss: "logistic" | "squared";
  readonly trees: number;
  /** Most splits on the way to a leaf. */
  readonly depth: number;
  readonly learningRate: number;
  /** Fewest rows of a leaf. */
  readonly leafRows: number;
}

/** Added to the curvature of each leaf: leaves of few rows are drawn to 0. */
const shrinkage = 1;
const mostBins = 64;

interface Split {
  readonly feature: number;
  readonly gain: number;
  /** A byte a bin, that of missing values included: 1 where it goes left. */
  readonly left: Uint8Array;
  /** For numbers: the last bin on the left. */
  readonly lastBin: number;
}

interface Growth {
  readonly bins: readonly FeatureBins[];
  readonly gradients: Float64Array;
  readonly curvatures: Float64Array;
  readonly options: BoostedTreesOptions;
  /** The sum of the trees so far, for each row. */
  readonly sums: Float64Array;
}

/**
 * Gradient-boosted trees by histograms, after Friedman (2001) with the second-order gains of Chen and Guestrin (2016, equation 7): small and without chance, for the questions that a monitor
 * asks of its own data. Models for production come from `@millwright/algorithms`.
 * @param columns As `readFeatures` gives them.
 */
export function fitBoostedTrees(
  features: readonly Feature[],
  columns: readonly Float64Array[],
  targets: Float64Array,
  options: BoostedTreesOptions,
): TreeModel {
  const { loss, trees: count } = options;
  const rows = targets.length;
  const mean = targets.reduce((sum, each) => sum + each, 0) / rows;
  const share = Math.min(1 - 1e-6, Math.max(1e-6, mean));
  const base = loss === "logistic" ? Math.log(share / (1 - share)) : mean;
  const bins = features.map((feature, index) => binsOf(feature, columns[index]!, mostBins));
  const growth: Growth = {
    bins,
    gradients: new Float64Array(rows),
    curvatures: new Float64Array(rows).fill(1),
    options,
    sums: new Float64Array(rows).fill(base),
  };
  const trees: TreeNode[][] = [];
  const all = Uint32Array.from({ length: rows }, (_, row) => row);
  for (let tree = 0; tree < count; tree += 1) {
    slopes(growth, targets);
    const nodes: TreeNode[] = [];
    grow(growth, nodes, all, 0);
    // A tree that is one leaf says that there is nothing left to learn.
    if (nodes.length === 1) break;
    trees.push(nodes);
  }
  return { formatVersion: 1, features, base, link: loss === "logistic" ? "logistic" : "identity", trees };
}

function slopes({ gradients, curvatures, options, sums }: Growth, targets: Float64Array): void {
  for (let row = 0; row < targets.length; row += 1) {
    if (options.loss === "squared") gradients[row] = sums[row]! - targets[row]!;
    else {
      const answer = 1 / (1 + Math.exp(-sums[row]!));
      gradients[row] = answer - targets[row]!;
      curvatures[row] = Math.max(1e-12, answer * (1 - answer));
    }
  }
}

/** Appends the node of these rows and all below it. */
function grow(growth: Growth, nodes: TreeNode[], rows: Uint32Array, depth: number): void {
  const { options, gradients, curvatures, bins } = growth;
  let [gradient, curvature] = [0, 0];
  for (const row of rows) {
    gradient += gradients[row]!;
    curvature += curvatures[row]!;
  }
  const split =
    depth < options.depth && rows.length >= 2 * options.leafRows
      ? bestSplit(growth, rows, gradient, curvature)
      : undefined;
  if (split === undefined) {
    const value = (-gradient / (curvature + shrinkage)) * options.learningRate;
    for (const row of rows) growth.sums[row]! += value;
    nodes.push({ value, rows: rows.length });
    return;
  }
  const { bins: binOfRow, count, edges, feature } = bins[split.feature]!;
  const goesLeft = (row: number): boolean => split.left[binOfRow[row]!] === 1;
  const at = nodes.push({ value: 0, rows: 0 }) - 1;
  grow(growth, nodes, rows.filter(goesLeft), depth + 1);
  const right = nodes.length;
  grow(
    growth,
    nodes,
    rows.filter((row) => !goesLeft(row)),
    depth + 1,
  );
  const categories = Array.from({ length: count }, (_, bin) => bin).filter((bin) => split.left[bin] === 1);
  nodes[at] = {
    feature: split.feature,
    ...(feature.kind === "category" ? { categories } : { threshold: edges[split.lastBin]! }),
    missingLeft: split.left[count] === 1,
    left: at + 1,
    right,
    rows: rows.length,
    gain: split.gain,
  };
}

function bestSplit(growth: Growth, rows: Uint32Array, gradient: number, curvature: number): Split | undefined {
  let best: Split | undefined;
  for (const [index, each] of growth.bins.entries()) {
    const found = splitOf(growth, each, rows, gradient, curvature);
    if (found !== undefined && found.gain > (best?.gain ?? 0)) best = { ...found, feature: index };
  }
  return best;
}

function splitOf(
  { gradients, curvatures, options }: Growth,
  { bins, count, feature }: FeatureBins,
  rows: Uint32Array,
  gradient: number,
  curvature: number,
): Omit<Split, "feature"> | undefined {
  const sums = new Float64Array((count + 1) * 3);
  for (const row of rows) {
    const at = bins[row]! * 3;
    sums[at]! += gradients[row]!;
    sums[at + 1]! += curvatures[row]!;
    sums[at + 2]! += 1;
  }
  const order = Array.from({ length: count }, (_, bin) => bin).filter((bin) => sums[bin * 3 + 2]! > 0);
  // Categories by what a leaf of their own would say (Fisher, 1958); the ten keeps rare ones from the ends.
  const leaning = (bin: number): number => sums[bin * 3]! / (sums[bin * 3 + 1]! + 10);
  if (feature.kind === "category") order.sort((a, b) => leaning(a) - leaning(b));
  const score = (g: number, h: number): number => (g * g) / (h + shrinkage);
  const whole = score(gradient, curvature);
  const missing = count * 3;
  let best: { readonly gain: number; readonly place: number; readonly missingLeft: boolean } | undefined;
  for (const missingLeft of sums[missing + 2]! > 0 ? [true, false] : [true]) {
    let [g, h, n] = missingLeft ? [sums[missing]!, sums[missing + 1]!, sums[missing + 2]!] : [0, 0, 0];
    for (let place = 0; place + (missingLeft && sums[missing + 2]! === 0 ? 1 : 0) < order.length; place += 1) {
      const at = order[place]! * 3;
      g += sums[at]!;
      h += sums[at + 1]!;
      n += sums[at + 2]!;
      if (n < options.leafRows || rows.length - n < options.leafRows) continue;
      const gain = score(g, h) + score(gradient - g, curvature - h) - whole;
      if (gain > (best?.gain ?? 1e-9)) best = { gain, place, missingLeft };
    }
  }
  if (best === undefined) return undefined;
  return { gain: best.gain, ...sidesOf(best, order, count, feature.kind === "category") };
}

function sidesOf(
  { place, missingLeft }: { readonly place: number; readonly missingLeft: boolean },
  order: readonly number[],
  count: number,
  isCategory: boolean,
): Pick<Split, "lastBin" | "left"> {
  const left = new Uint8Array(count + 1);
  const lastBin = order[place]!;
  if (isCategory) for (const bin of order.slice(0, place + 1)) left[bin] = 1;
  else left.fill(1, 0, lastBin + 1);
  left[count] = missingLeft ? 1 : 0;
  return { lastBin, left };
}
