import type { Random } from "@millwright/contracts";
import type { TreeOptions } from "./regression-tree.ts";

/** What a column of the rows holds: numbers, or the indices 0 to `size` − 1 of values without order. */
export type Column = { readonly kind: "numeric" } | { readonly kind: "categorical"; readonly size: number };

/** Training data with what is shared by all trees. */
export interface TreeData {
  readonly columns: readonly Column[];
  /** rows × columns, row-major. */
  readonly rows: Float64Array;
  readonly targets: Float64Array;
  /** By column, each row's place in the order of its values; of categorical columns the index itself. */
  readonly ranks: readonly Int32Array[];
}

export function treeData(columns: readonly Column[], rows: Float64Array, targets: Float64Array): TreeData {
  const width = columns.length;
  const ranks = columns.map((column, index) => {
    const values = targets.map((_, row) => rows[row * width + index] as number);
    if (column.kind === "categorical") return Int32Array.from(values);
    const sorted = values.slice().sort();
    let distinct = 0;
    for (const value of sorted) {
      if (distinct > 0 && value === sorted[distinct - 1]) continue;
      sorted[distinct] = value;
      distinct += 1;
    }
    return Int32Array.from(values, (value) => place(sorted, distinct, value));
  });
  return { columns, rows, targets, ranks };
}

function place(sorted: Float64Array, length: number, value: number): number {
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface Split {
  readonly feature: number;
  readonly gain: number;
  readonly threshold: number;
  readonly goesLeft?: Uint8Array;
}

/** Some of the rows of a tree: `members` from `from` to `to`, whose targets have the weighted mean `mean`. */
interface NodeRows {
  readonly weights: Float64Array;
  readonly members: Int32Array;
  readonly from: number;
  readonly to: number;
  readonly mean: number;
}

/** Finds the best split of a node's rows, if any leaves enough on both sides and gains something. */
export function createFinder(
  data: TreeData,
  weights: Float64Array,
  members: Int32Array,
  { featureShare, minLeaf, thresholds }: TreeOptions,
  random: Random,
): (from: number, to: number, mean: number) => Split | undefined {
  const width = data.columns.length;
  const looked = Math.max(1, Math.min(width, Math.round(featureShare * width)));
  const order = Int32Array.from({ length: width }, (_, index) => index);
  const keys = new Float64Array(members.length);
  return (from, to, mean) => {
    const node = { weights, members, from, to, mean };
    let best: Split | undefined;
    for (let index = 0; index < width; index += 1) {
      // Columns without a split do not count among those looked at.
      if (index >= looked && best !== undefined) break;
      const other = index + random.integer(width - index);
      const feature = order[other] as number;
      order[other] = order[index] as number;
      order[index] = feature;
      const share = thresholds === "middle" ? 0.5 : random.next();
      const column = data.columns[feature] as Column;
      const found =
        column.kind === "numeric"
          ? numericSplit(data, node, feature, { minLeaf, keys, share })
          : categoricalSplit(data, node, feature, { minLeaf, size: column.size });
      if (found !== undefined && (best === undefined || found.gain > best.gain)) best = found;
    }
    return best !== undefined && best.gain > 1e-14 ? best : undefined;
  };
}

/** @param options `share`: where between the two values the threshold lies. */
function numericSplit(
  { targets, ranks, rows, columns }: TreeData,
  { weights, members, from, to, mean }: NodeRows,
  feature: number,
  { minLeaf, keys, share }: { readonly minLeaf: number; readonly keys: Float64Array; readonly share: number },
): Split | undefined {
  const rank = ranks[feature] as Int32Array;
  const sorted = keys.subarray(0, to - from);
  // Row numbers take the low bits of a key, so that sorting keys sorts rows by their values.
  const base = 2 ** Math.ceil(Math.log2(targets.length + 1));
  let total = 0;
  let totalWeight = 0;
  for (let at = from; at < to; at += 1) {
    const row = members[at] as number;
    sorted[at - from] = (rank[row] as number) * base + row;
    total += (weights[row] as number) * ((targets[row] as number) - mean);
    totalWeight += weights[row] as number;
  }
  sorted.sort();
  let gain = -1;
  let lowRow = 0;
  let highRow = 0;
  let sum = 0;
  let weight = 0;
  for (let at = 0; at + 1 < sorted.length; at += 1) {
    const row = (sorted[at] as number) % base;
    sum += (weights[row] as number) * ((targets[row] as number) - mean);
    weight += weights[row] as number;
    const next = (sorted[at + 1] as number) % base;
    if (rank[row] === rank[next] || weight < minLeaf || totalWeight - weight < minLeaf) continue;
    const gained = (sum * sum) / weight + (total - sum) ** 2 / (totalWeight - weight);
    if (gained <= gain) continue;
    gain = gained;
    lowRow = row;
    highRow = next;
  }
  if (gain < 0) return undefined;
  const low = rows[lowRow * columns.length + feature] as number;
  const high = rows[highRow * columns.length + feature] as number;
  const threshold = low + (high - low) * share;
  // Rounding must not put the threshold on the upper value.
  return { feature, gain, threshold: threshold < high ? threshold : low };
}

function categoricalSplit(
  { ranks, targets }: TreeData,
  { weights, members, from, to, mean }: NodeRows,
  feature: number,
  { minLeaf, size }: { readonly minLeaf: number; readonly size: number },
): Split | undefined {
  const sums = new Float64Array(size);
  const counts = new Float64Array(size);
  const rank = ranks[feature] as Int32Array;
  for (let at = from; at < to; at += 1) {
    const row = members[at] as number;
    const index = rank[row] as number;
    sums[index] = (sums[index] as number) + (weights[row] as number) * ((targets[row] as number) - mean);
    counts[index] = (counts[index] as number) + (weights[row] as number);
  }
  const level = (index: number): number => (sums[index] as number) / (counts[index] as number);
  const present = [...counts.keys()]
    .filter((index) => (counts[index] as number) > 0)
    .sort((a, b) => level(a) - level(b) || a - b);
  const total = sums.reduce((all, value) => all + value, 0);
  const totalWeight = counts.reduce((all, value) => all + value, 0);
  let best: { readonly gain: number; readonly upTo: number; readonly weight: number } | undefined;
  let sum = 0;
  let weight = 0;
  for (const [at, index] of present.slice(0, -1).entries()) {
    sum += sums[index] as number;
    weight += counts[index] as number;
    if (weight < minLeaf || totalWeight - weight < minLeaf) continue;
    const gain = (sum * sum) / weight + (total - sum) ** 2 / (totalWeight - weight);
    if (best === undefined || gain > best.gain) best = { gain, upTo: at, weight };
  }
  if (best === undefined) return undefined;
  // Of a value that no row here has nothing is known: it goes with the many.
  const goesLeft = new Uint8Array(size).fill(2 * best.weight >= totalWeight ? 1 : 0);
  for (const [at, index] of present.entries()) goesLeft[index] = at <= best.upTo ? 1 : 0;
  return { feature, gain: best.gain, threshold: Number.NaN, goesLeft };
}
