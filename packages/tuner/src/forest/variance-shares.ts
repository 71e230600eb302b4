import { type ColumnCells, type Cover, type LeafBox, type TreePartition, cellsIn, overlapOf } from "./leaf-boxes.ts";

/** Covariances of two trees over their whole space, and of their means given some columns. */
export interface TreeCovariance {
  readonly total: number;
  /** Of the means given these columns: their own effects and those among them. */
  given(columns: readonly number[]): number;
}

/**
 * Functional analysis of variance, exact over the leaves of trees: Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014,
 * algorithm 2, where both trees are the same. The covariance of two different trees is free of what is chance in either. All columns are independent.
 */
export function treeCovariance(a: TreePartition, b: TreePartition): TreeCovariance {
  const first = centred(a);
  const second = a === b ? first : centred(b);
  return {
    total: a === b ? varianceOf(first) : overlaps(first, second, [...a.cells.keys()]),
    given(columns) {
      if (columns.length === 1) return givenOne(first, second, columns[0] as number);
      if (columns.length === 2) return givenTwo(first, second, columns[0] as number, columns[1] as number);
      return overlaps(first, second, columns);
    },
  };
}

interface Centred extends TreePartition {
  readonly mean: number;
  /** By leaf: its value less the tree's mean, times the part of the space it has. */
  readonly parts: Float64Array;
}

const varianceOf = ({ leaves, parts, mean }: Centred): number =>
  leaves.reduce((sum, { value }, index) => sum + (value - mean) * (parts[index] as number), 0);

function centred({ cells, leaves }: TreePartition): Centred {
  const weights = leaves.map(({ measures }) => measures.reduce((product, part) => product * part, 1));
  const mean = leaves.reduce((sum, { value }, index) => sum + value * (weights[index] as number), 0);
  return {
    cells,
    leaves,
    mean,
    parts: Float64Array.from(leaves, ({ value }, index) => (value - mean) * (weights[index] as number)),
  };
}

/** What a leaf adds to the mean given the columns, wherever it reaches there. */
const partOf = ({ leaves, parts }: Centred, leaf: number, columns: readonly number[]): number =>
  columns.reduce(
    (part, column) => part / ((leaves[leaf] as LeafBox).measures[column] as number),
    parts[leaf] as number,
  );

/** The pieces of a column in which both trees have one cell each. */
function pieces(
  a: ColumnCells,
  b: ColumnCells,
): readonly { readonly a: number; readonly b: number; readonly measure: number }[] {
  if (a.below === undefined || b.below === undefined)
    return Array.from(a.measures, (measure, cell) => ({ a: cell, b: cell, measure }));
  const list: { a: number; b: number; measure: number }[] = [];
  let from = 0;
  for (let at = 0, other = 0; at < a.measures.length && other < b.measures.length;) {
    const ownEnd = a.below[at + 1] as number;
    const otherEnd = b.below[other + 1] as number;
    const to = Math.min(ownEnd, otherEnd);
    if (to > from) list.push({ a: at, b: other, measure: to - from });
    from = Math.max(from, to);
    if (ownEnd <= otherEnd) at += 1;
    if (otherEnd <= ownEnd) other += 1;
  }
  return list;
}

const cellsOf = ({ cells }: TreePartition, column: number): ColumnCells => cells[column] as ColumnCells;
const coverOf = ({ covers }: LeafBox, column: number): Cover => covers[column] as Cover;

function meansOfOne(tree: Centred, column: number): Float64Array {
  const means = new Float64Array(cellsOf(tree, column).measures.length);
  for (const [index, leaf] of tree.leaves.entries()) {
    const part = partOf(tree, index, [column]);
    for (const cell of cellsIn(coverOf(leaf, column))) means[cell] = (means[cell] as number) + part;
  }
  return means;
}

function givenOne(a: Centred, b: Centred, column: number): number {
  const own = meansOfOne(a, column);
  const other = a === b ? own : meansOfOne(b, column);
  return pieces(cellsOf(a, column), cellsOf(b, column)).reduce(
    (sum, piece) => sum + (own[piece.a] as number) * (other[piece.b] as number) * piece.measure,
    0,
  );
}

/** By cells of the first column, then of the second. */
function meansOfTwo(tree: Centred, first: number, second: number): Float64Array {
  const width = cellsOf(tree, second).measures.length;
  const means = new Float64Array(cellsOf(tree, first).measures.length * width);
  for (const [index, leaf] of tree.leaves.entries()) {
    const part = partOf(tree, index, [first, second]);
    const across = cellsIn(coverOf(leaf, second));
    for (const row of cellsIn(coverOf(leaf, first)))
      for (const cell of across) means[row * width + cell] = (means[row * width + cell] as number) + part;
  }
  return means;
}

function givenTwo(a: Centred, b: Centred, first: number, second: number): number {
  const own = meansOfTwo(a, first, second);
  const other = meansOfTwo(b, first, second);
  const ownWidth = cellsOf(a, second).measures.length;
  const otherWidth = cellsOf(b, second).measures.length;
  const across = pieces(cellsOf(a, second), cellsOf(b, second));
  let sum = 0;
  for (const row of pieces(cellsOf(a, first), cellsOf(b, first))) {
    let line = 0;
    for (const piece of across)
      line +=
        (own[row.a * ownWidth + piece.a] as number) * (other[row.b * otherWidth + piece.b] as number) * piece.measure;
    sum += line * row.measure;
  }
  return sum;
}

/** By the overlaps of all pairs of leaves: for any number of columns. */
function overlaps(a: Centred, b: Centred, columns: readonly number[]): number {
  const own = a.leaves.map((_, leaf) => partOf(a, leaf, columns));
  const others = b.leaves.map((_, leaf) => partOf(b, leaf, columns));
  let sum = 0;
  for (const [at, leaf] of a.leaves.entries()) {
    for (const [against, other] of b.leaves.entries()) {
      let shared = 1;
      for (const column of columns) {
        shared *= overlapOf(cellsOf(a, column), coverOf(leaf, column), cellsOf(b, column), coverOf(other, column));
        if (shared === 0) break;
      }
      if (shared > 0) sum += (own[at] as number) * (others[against] as number) * shared;
    }
  }
  return sum;
}
