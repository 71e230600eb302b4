import type { Histogram, HistogramPart } from "./tree-histogram.ts";
import type { ScanRange, TreeKernel } from "./tree-kernel.ts";

/** What a split must fulfil. */
export interface SplitRules {
  readonly l2: number;
  readonly minRows: number;
  readonly minHessian: number;
  readonly minGain: number;
  /** By column: 1 rising, −1 falling, 0 free. */
  readonly monotone: Int8Array;
  readonly isMonotone: boolean;
  /** By column: whether its bins are categories. */
  readonly isCategory: readonly boolean[];
  readonly categoryL2: number;
  readonly categorySmoothing: number;
  readonly maxCategories: number;
  /** Rows by which a group of categories must grow before it is tried again. */
  readonly minGroupRows: number;
}

/** Sums over the rows of a node, and the range that its value must keep to. */
export interface NodeSums {
  readonly gradient: number;
  readonly hessian: number;
  readonly rows: number;
  readonly lower: number;
  readonly upper: number;
}

export interface Split {
  readonly column: number;
  /** The last bin that goes left; for categories 0. */
  readonly bin: number;
  /** For categories: 1 for each bin that goes left. */
  readonly members: Uint8Array | undefined;
  readonly missingLeft: boolean;
  readonly gain: number;
  /** The L2 that the values of both sides are found with. */
  readonly l2: number;
  readonly left: Sums;
}

export interface Sums {
  readonly gradient: number;
  readonly hessian: number;
  readonly rows: number;
}

/** The value that a node gives before shrinkage: the minimum of its loss to second order (Chen and Guestrin, 2016, equation 5), cut to its range. */
export const valueOf = (gradient: number, hessian: number, l2: number, lower: number, upper: number): number =>
  hessian + l2 > 0 ? Math.min(upper, Math.max(lower, -gradient / (hessian + l2))) : Math.min(upper, Math.max(lower, 0));

/** Twice by how much the value lowers the loss (Chen and Guestrin, equation 6, for a value that need not be the minimum). */
const scoreOf = (gradient: number, hessian: number, l2: number, value: number): number =>
  -(2 * gradient * value + (hessian + l2) * value * value);

/** What is looked through: one column's part of a node's histogram. */
interface Search {
  readonly part: HistogramPart;
  readonly kernel: TreeKernel;
  readonly node: NodeSums;
  readonly rules: SplitRules;
  readonly column: number;
  /** The gain that must be beaten, with the node's own score in it. */
  best: number;
  found: Split | undefined;
}

/** The split of largest gain, the earlier column and bin where two are equal; undefined where none fulfils the rules. */
export function bestSplit(
  histogram: Histogram,
  columns: Int32Array,
  node: NodeSums,
  rules: SplitRules,
  kernel: TreeKernel,
): Split | undefined {
  const own = scoreOf(node.gradient, node.hessian, rules.l2, valueIn(node, node.gradient, node.hessian, rules.l2));
  let best = own + Math.max(rules.minGain, 1e-12 * Math.abs(own));
  let found: Split | undefined;
  for (const column of columns) {
    const part = histogram.parts[column]!;
    const search: Search = { part, kernel, node, rules, column, best, found: undefined };
    if (rules.isCategory[column] === true) searchCategories(search);
    else searchNumbers(search);
    if (search.found !== undefined) ({ best, found } = search);
  }
  return found === undefined ? undefined : { ...found, gain: found.gain - own };
}

const valueIn = ({ lower, upper }: NodeSums, gradient: number, hessian: number, l2: number): number =>
  valueOf(gradient, hessian, l2, lower, upper);

/** Missing values right, and then left; where the node has none, they go with the greater part of the rows. */
function searchNumbers(search: Search): void {
  const { part, node } = search;
  const missing = part.counts[0] as number;
  scanNumbers(search, false);
  if (missing > 0) {
    scanNumbers(search, true);
    return;
  }
  const { found } = search;
  if (found !== undefined) search.found = { ...found, missingLeft: found.left.rows * 2 >= node.rows };
}

function scanNumbers(search: Search, missingLeft: boolean): void {
  const { part, node, rules, column, kernel } = search;
  const { sums, counts } = part;
  const { l2, minRows, minHessian } = rules;
  const range: ScanRange = {
    from: 1,
    // After the last bin only missing values are left for the right.
    to: missingLeft || counts[0] === 0 ? counts.length - 1 : counts.length,
    gradient: missingLeft ? (sums[0] as number) : 0,
    hessian: missingLeft ? (sums[1] as number) : 0,
    rows: missingLeft ? (counts[0] as number) : 0,
  };
  if (rules.isMonotone) {
    scanMonotone(search, range, missingLeft);
    return;
  }
  const { gradient, hessian, rows } = node;
  const bin = kernel.scan(part, range, { gradient, hessian, rows, l2, minRows, minHessian }, search.best);
  if (bin === 0) return;
  const { found } = kernel;
  const gain = found[2]!;
  search.best = gain;
  const left = { gradient: found[0]!, hessian: found[1]!, rows: found[3]! };
  search.found = { column, bin, members: undefined, missingLeft, gain, l2, left };
}

/** As the kernel's scan, where values must keep to ranges and an order. */
function scanMonotone(search: Search, range: ScanRange, missingLeft: boolean): void {
  const { part, node, rules, column } = search;
  const { sums, counts } = part;
  const { l2, minRows, minHessian } = rules;
  let { gradient, hessian, rows } = range;
  for (let bin = range.from; bin < range.to; bin += 1) {
    gradient += sums[bin * 2]!;
    hessian += sums[bin * 2 + 1]!;
    rows += counts[bin]!;
    if (rows < minRows || hessian < minHessian) continue;
    if (node.rows - rows < minRows || node.hessian - hessian < minHessian) break;
    if (counts[bin] === 0) continue;
    const left = { gradient, hessian, rows };
    const score = constrainedScore(search, left, l2);
    if (!(score > search.best)) continue;
    search.best = score;
    search.found = { column, bin, members: undefined, missingLeft, gain: score, l2, left };
  }
}

/** The score of a split with its values cut to the node's range; −∞ where they break the column's constraint. */
function constrainedScore({ node, rules, column }: Search, left: Sums, l2: number): number {
  const gradient = node.gradient - left.gradient;
  const hessian = node.hessian - left.hessian;
  const below = valueIn(node, left.gradient, left.hessian, l2);
  const above = valueIn(node, gradient, hessian, l2);
  const direction = rules.monotone[column] as number;
  if (direction * (above - below) < 0) return -Infinity;
  return scoreOf(left.gradient, left.hessian, l2, below) + scoreOf(gradient, hessian, l2, above);
}

/**
 * Few categories: each against the rest. More: ordered by their gradient over their Hessian, as Fisher (1958) shows to be enough for a best
 * two-way grouping, from both ends, with the smoothing and the stronger L2 by which LightGBM keeps rare ones in check.
 */
function searchCategories(search: Search): void {
  const { part, rules } = search;
  const { counts, sums } = part;
  const present: number[] = [];
  for (let bin = 0; bin < counts.length; bin += 1) if ((counts[bin] as number) > 0) present.push(bin);
  if (present.length < 2) return;
  if (present.length <= 4) {
    for (const bin of present) growGroup(search, [bin], rules.l2, rules.minRows);
    return;
  }
  const ratio = (bin: number): number =>
    (sums[bin * 2] as number) / ((sums[bin * 2 + 1] as number) + rules.categorySmoothing);
  const sure = present.filter((bin) => (counts[bin] as number) >= rules.categorySmoothing);
  sure.sort((a, b) => ratio(a) - ratio(b) || a - b);
  const most = Math.min(rules.maxCategories, (sure.length + 1) >> 1);
  const l2 = rules.l2 + rules.categoryL2;
  const least = Math.max(rules.minGroupRows, rules.minRows);
  growGroup(search, sure.slice(0, most), l2, least);
  growGroup(search, sure.toReversed().slice(0, most), l2, least);
}

/** Tries the first, the first two, … of the bins on the left, and the rest on the right, where at least `leastRows` rows are left. */
function growGroup(search: Search, bins: readonly number[], l2: number, leastRows: number): void {
  const { part, node, rules, column } = search;
  const { sums, counts } = part;
  const { minRows, minHessian } = rules;
  const left = { gradient: 0, hessian: 0, rows: 0 };
  let tried = 0;
  for (const [index, bin] of bins.entries()) {
    left.gradient += sums[bin * 2] as number;
    left.hessian += sums[bin * 2 + 1] as number;
    left.rows += counts[bin] as number;
    if (left.rows < minRows || left.hessian < minHessian) continue;
    if (node.rows - left.rows < leastRows || node.hessian - left.hessian < minHessian) break;
    if (left.rows - tried < leastRows) continue;
    tried = left.rows;
    const score = constrainedScore(search, left, l2);
    if (!(score > search.best)) continue;
    const members = new Uint8Array(counts.length);
    for (const member of bins.slice(0, index + 1)) members[member] = 1;
    search.best = score;
    search.found = { column, bin: 0, members, missingLeft: members[0] === 1, gain: score, l2, left: { ...left } };
  }
}
