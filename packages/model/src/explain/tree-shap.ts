import type { TreeModel } from "../tree-model.ts";
import { type TreeSpan, type TreeTables, treeTables } from "./tree-tables.ts";

/** Work on one row that can be done piece by piece. */
export interface RowExplainer {
  readonly features: number;
  readonly outputs: number;
  /** By output. */
  readonly base: Float64Array;
  /** Into how many pieces the work on a row falls, and about how many steps each takes. */
  readonly pieces: number;
  stepsOf(piece: number): number;
  /**
   * Adds one piece's contributions, [outputs, features], to `target` from `at` on.
   * @param columns One for each feature: numbers, or positions of categories; NaN where missing.
   */
  add(columns: readonly Float64Array[], row: number, piece: number, target: Float64Array, at: number): void;
}

/**
 * Exact Shapley values of trees, path-dependent: the game of TreeSHAP (Lundberg and others, "From local explanations to global understanding with explainable AI
 * for trees", 2020, algorithm 2), in which a column that is not known sends a row both ways, by the shares of the training rows. A leaf of value v, whose path
 * asks the columns j, gives v·∏(o_j where j is known, else z_j): o_j says whether the row passes all splits by j, z_j is the share that does. Its Shapley values
 * are those of Owen's integral ("Multilinear extensions of games", 1972), v·(o_i − z_i)·∫∏_{j≠i}(t·o_j + (1 − t)·z_j) dt over [0, 1], which is a polynomial: as
 * many points of the rule of Gauss and Legendre as half the columns on the longest path give it exactly. All leaves share the products of the nodes above them, so
 * that a row takes time in proportion to nodes × points: no more than with the recursion of 2020, mostly much less. Throws `MODEL_TREES_INVALID`.
 */
export function treeShap(model: TreeModel): RowExplainer {
  const tables = treeTables(model);
  const { spans, features, outputs, base, widest } = tables;
  const work: Work = {
    kinds: new Uint8Array(widest),
    products: new Float64Array(widest),
    sums: new Float64Array(widest),
  };
  return {
    features,
    outputs,
    base,
    pieces: spans.length,
    stepsOf: (piece) => {
      const { start, end, points } = spans[piece] as TreeSpan;
      return (end - start) * points.length;
    },
    add(columns, row, piece, target, at) {
      const span = spans[piece] as TreeSpan;
      follow(tables, span, columns, row, work.kinds);
      gather(tables, span, work, target, at + span.output * features);
    },
  };
}

interface Work {
  readonly kinds: Uint8Array;
  readonly products: Float64Array;
  readonly sums: Float64Array;
}

/** What a row is to a node: whether it passes the splits by the node's feature, up to the node's parent's and at it. */
const first = 0;
const firstNot = 1;
const again = 2;
const againNot = 3;
const never = 4;

/** Where the row goes at each split, whether it gets there or not. */
function follow(
  { flat, earlier }: TreeTables,
  { start, end }: TreeSpan,
  columns: readonly Float64Array[],
  row: number,
  kinds: Uint8Array,
): void {
  const { feature, number, membersAt, missing, left, right, members } = flat;
  for (let node = start; node < end; node += 1) {
    const column = feature[node]!;
    if (column < 0) continue;
    const value = columns[column]![row]!;
    const bits = membersAt[node]!;
    const [one, other] = [left[node]!, right[node]!];
    let goes = other;
    if (value !== value) goes = missing[node]!;
    else if (bits < 0 ? value <= number[node]! : members[bits + value] === 1) goes = one;
    // Both children of a split have the same node above by its feature.
    const before = earlier[one]!;
    const passed = before < 0 ? -1 : kinds[before - start]!;
    const [yes, no] =
      before < 0 ? [first, firstNot] : passed === first || passed === again ? [again, againNot] : [never, never];
    kinds[one - start] = goes === one ? yes : no;
    kinds[other - start] = goes === one ? no : yes;
  }
}

/** For each point of the rule: products down the tree, sums of leaves up, and at each node what its feature changes. */
function gather(
  { flat, parent, reason, earlier, share, ratio }: TreeTables,
  { start, end, points, weights, inverse }: TreeSpan,
  { kinds, products, sums }: Work,
  target: Float64Array,
  at: number,
): void {
  const nodes = end - start;
  const { feature, number } = flat;
  for (let point = 0; point < points.length; point += 1) {
    const t = points[point]!;
    const rest = 1 - t;
    const weight = weights[point]!;
    const inverses = point * nodes;
    products[0] = 1;
    sums[0] = 0;
    for (let node = 1; node < nodes; node += 1) {
      const own = start + node;
      const kind = kinds[node]!;
      let factor: number;
      if (kind === first) factor = t + share[own]! * rest;
      else if (kind === firstNot) factor = share[own]! * rest;
      else if (kind === never) factor = ratio[own]!;
      else {
        factor = share[own]! * rest;
        if (kind === again) factor += t;
        factor *= inverse[inverses + earlier[own]! - start]!;
      }
      products[node] = products[parent[own]! - start]! * factor;
      sums[node] = 0;
    }
    for (let node = nodes - 1; node > 0; node -= 1) {
      const own = start + node;
      if (feature[own]! < 0) sums[node] = number[own]! * products[node]!;
      const sum = sums[node]!;
      sums[parent[own]! - start]! += sum;
      const kind = kinds[node]!;
      if (kind === never || sum === 0) continue;
      // (o − z) / (t·o + (1 − t)·z), less the same of the node above that this one's leaves were counted at.
      let change = kind === first || kind === again ? (1 - share[own]!) * inverse[inverses + node]! : -1 / rest;
      if (kind >= again) {
        const before = earlier[own]!;
        change -= (1 - share[before]!) * inverse[inverses + before - start]!;
      }
      target[at + reason[own]!]! += weight * sum * change;
    }
  }
}
