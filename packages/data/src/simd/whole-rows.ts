import { layout, type Machine } from "./machine.ts";

const places = layout.places / 4;
const counts = layout.counts / 8;

/** Where whole numbers are put that are to be counted, `placesAtOnce` at most. */
export const wholesOf = ({ words }: Machine, rows: number): Int32Array => words.subarray(places, places + rows);

/**
 * What there is among the first `rows` whole numbers.
 * @param validity Their bits, from the first on; brought along for `countWholes`. @returns `max` below `min` where all are null.
 */
export function boundsOfWholes(
  { bytes, kernels, words }: Machine,
  validity: Uint8Array | undefined,
  rows: number,
): { readonly min: number; readonly max: number } {
  if (validity !== undefined) bytes.set(validity, layout.bits);
  kernels.boundsOfWhole(rows, validity === undefined ? 0 : 1);
  return { min: words[layout.out / 4] as number, max: words[layout.out / 4 + 1] as number };
}

/** Counts them, all of which have a place among the counts. @param lowest The number of the first count. */
export function countWholes(
  { floats, kernels }: Machine,
  masked: boolean,
  rows: number,
  lowest: number,
  target: Float64Array,
): void {
  floats.set(target, counts);
  kernels.countWhole(rows, masked ? 1 : 0, lowest, target.length);
  target.set(floats.subarray(counts, counts + target.length));
}
