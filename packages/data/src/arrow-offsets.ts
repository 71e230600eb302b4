import { arrowInvalid } from "./errors.ts";

/** Where each text, list or bytes of a column begins and ends. @param limit What there is to point into. @param name Of the column. @returns the same. Throws `DATA_ARROW_INVALID` where they go back, or beyond. */
export function checkedOffsets(offsets: Int32Array, limit: number, name: string): Int32Array {
  let last = 0;
  let signs = 0;
  for (let row = 0; row < offsets.length; row += 1) {
    const offset = offsets[row] as number;
    // Without a branch: the sign stays of one that is negative, and of one that is less than the last. Of two that are not, the distance has 32 bits.
    signs |= offset | (offset - last);
    last = offset;
  }
  if (signs < 0 || last > limit) throw outside(name);
  return offsets;
}

const outside = (name: string): Error =>
  arrowInvalid(`the offsets of the column "${name}" do not lie within its values`, undefined);
