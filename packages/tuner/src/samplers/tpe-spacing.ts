import type { Params } from "../space.ts";
import type { AxisTable } from "./parzen-axes.ts";

/**
 * How far from every running trial a suggestion is in some number, as a share of its range on the search scale: a quarter of the least kernel
 * width of Optuna's rule, were it not capped: 1/(4 n + 8).
 */
export const spacing = (finished: number): number => 1 / (4 * finished + 8);

/** Tells whether parameters differ from each of these rows, by that much in a number or in anything else at all. */
export function createApart(
  table: AxisTable,
  running: readonly Float64Array[],
  distance: number,
): (params: Params) => boolean {
  const numeric = new Set(
    table.parameters.flatMap(({ axes }) =>
      axes.filter(({ kind }) => kind === "continuous" || kind === "discrete").map(({ column }) => column),
    ),
  );
  const isNear = (a: Float64Array, b: Float64Array): boolean => {
    for (let column = 0; column < table.columns; column += 1) {
      const x = a[column] as number;
      const y = b[column] as number;
      if (Number.isNaN(x) !== Number.isNaN(y)) return false;
      if (numeric.has(column) ? Math.abs(x - y) >= distance : !Number.isNaN(x) && x !== y) return false;
    }
    return true;
  };
  return (params) => {
    if (running.length === 0) return true;
    const row = table.encode(params);
    return !running.some((other) => isNear(row, other));
  };
}
