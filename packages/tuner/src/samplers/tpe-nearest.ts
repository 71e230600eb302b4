import type { Params } from "../space.ts";
import type { Trial } from "../trial.ts";
import type { AxisTable } from "./parzen-axes.ts";

const NEAREST = 3;

/**
 * Numbers of the three trials nearest to these values: by Euclid's distance on the search scale, each range as 1; another choice, place, or a value
 * that only one of the two has, counts 1.
 */
export function nearestTrials(
  table: AxisTable,
  params: Params,
  trials: readonly Trial[],
  rows: readonly Float64Array[],
): readonly number[] {
  const row = table.encode(params);
  const scales = new Uint8Array(table.columns);
  for (const { axes } of table.parameters)
    for (const { kind, column } of axes) scales[column] = kind === "continuous" || kind === "discrete" ? 1 : 0;
  const nearest: { readonly number: number; readonly distance: number }[] = [];
  let limit = Infinity;
  for (let index = 0; index < rows.length; index += 1) {
    const distance = squaredDistance(row, rows[index] as Float64Array, scales, limit);
    if (distance >= limit) continue;
    const place = nearest.findIndex((other) => other.distance > distance);
    nearest.splice(place < 0 ? nearest.length : place, 0, { number: (trials[index] as Trial).number, distance });
    if (nearest.length > NEAREST) nearest.pop();
    if (nearest.length === NEAREST) limit = nearest.at(-1)?.distance ?? Infinity;
  }
  return nearest.map(({ number }) => number);
}

/** `limit` or more where it is that far. */
function squaredDistance(a: Float64Array, b: Float64Array, scales: Uint8Array, limit: number): number {
  let sum = 0;
  for (let column = 0; column < scales.length && sum < limit; column += 1) {
    const x = a[column] as number;
    const y = b[column] as number;
    const difference = x - y;
    if (Number.isNaN(difference)) sum += Number.isNaN(x) && Number.isNaN(y) ? 0 : 1;
    else sum += scales[column] === 1 ? difference * difference : difference === 0 ? 0 : 1;
  }
  return sum;
}
