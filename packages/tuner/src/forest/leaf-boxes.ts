import type { RegressionTree } from "./regression-tree.ts";
import type { Column } from "./split.ts";

/** The cells into which a tree's splits cut a column, and what part of its values each has. */
export interface ColumnCells {
  readonly measures: Float64Array;
  /** Of a numeric column: the upper ends of all cells but the last. */
  readonly borders?: Float64Array;
  /** Of a numeric column: the part of its values below each cell's lower end, and 1. */
  readonly below?: Float64Array;
}

/** Numeric: cells `from` up to but without `to`; categorical: the listed ones. */
export type Cover = readonly number[] | { readonly from: number; readonly to: number };

/** A leaf: what it predicts, and by column the cells it covers. */
export interface LeafBox {
  readonly value: number;
  readonly covers: readonly Cover[];
  /** By column, the part of its values that reach the leaf. */
  readonly measures: Float64Array;
}

export interface TreePartition {
  readonly cells: readonly ColumnCells[];
  readonly leaves: readonly LeafBox[];
}

/** The leaves of a tree as boxes; only those that a value can reach. Together they make the whole space, once: numbers uniform on [0, 1], choices alike. */
export function partitionOf(tree: RegressionTree, columns: readonly Column[]): TreePartition {
  const cells = columns.map((column, index) => cellsOf(tree, column, index));
  const leaves: LeafBox[] = [];
  const whole = cells.map(({ measures: own, borders }) =>
    borders === undefined ? [...own.keys()] : { from: 0, to: own.length },
  );
  const open: { node: number; covers: LeafBox["covers"] }[] = [{ node: 0, covers: whole }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, covers } = next;
    const feature = tree.feature[node] as number;
    if (feature < 0) {
      const parts = Float64Array.from(covers, (cover, index) => measureOf(cells[index] as ColumnCells, cover));
      if (parts.every((part) => part > 0)) leaves.push({ value: tree.mean[node] as number, covers, measures: parts });
      continue;
    }
    const [left, right] = divide(tree, node, covers[feature] as Cover, cells[feature] as ColumnCells);
    open.push({ node: tree.right[node] as number, covers: covers.with(feature, right) });
    open.push({ node: tree.left[node] as number, covers: covers.with(feature, left) });
  }
  return { cells, leaves };
}

function cellsOf(tree: RegressionTree, column: Column, index: number): ColumnCells {
  if (column.kind === "categorical") return { measures: new Float64Array(column.size).fill(1 / column.size) };
  const thresholds = new Set([...tree.threshold].filter((_, node) => tree.feature[node] === index));
  const borders = Float64Array.from(thresholds).sort();
  const ends = Float64Array.of(0, ...borders.map((border) => Math.min(1, Math.max(0, border))), 1);
  const parts = Float64Array.from(
    { length: borders.length + 1 },
    (_, cell) => (ends[cell + 1] as number) - (ends[cell] as number),
  );
  return { measures: parts, borders, below: ends };
}

function measureOf({ measures, below }: ColumnCells, cover: Cover): number {
  if ("from" in cover) return Math.max(0, (below?.[cover.to] ?? 0) - (below?.[cover.from] ?? 0));
  return cover.reduce((sum, cell) => sum + (measures[cell] as number), 0);
}

/** The part of a column's values that lies in both covers, which may be of different trees. */
export function overlapOf(a: ColumnCells, own: Cover, b: ColumnCells, other: Cover): number {
  if ("from" in own && "from" in other) {
    const from = Math.max(a.below?.[own.from] ?? 0, b.below?.[other.from] ?? 0);
    return Math.max(0, Math.min(a.below?.[own.to] ?? 0, b.below?.[other.to] ?? 0) - from);
  }
  if ("from" in own || "from" in other) return 0;
  return own.reduce((sum, cell) => (other.includes(cell) ? sum + (a.measures[cell] as number) : sum), 0);
}

/** The cells a leaf covers. */
export function cellsIn(cover: Cover): readonly number[] {
  if ("from" in cover) return Array.from({ length: cover.to - cover.from }, (_, index) => cover.from + index);
  return cover;
}

function divide(tree: RegressionTree, node: number, cover: Cover, { borders }: ColumnCells) {
  if ("from" in cover) {
    const at = (borders as Float64Array).indexOf(tree.threshold[node] as number) + 1;
    return [
      { from: cover.from, to: Math.min(cover.to, at) },
      { from: Math.max(cover.from, at), to: cover.to },
    ] as const;
  }
  const goesLeft = tree.goesLeft[node] as Uint8Array;
  return [cover.filter((cell) => goesLeft[cell] === 1), cover.filter((cell) => goesLeft[cell] !== 1)] as const;
}
