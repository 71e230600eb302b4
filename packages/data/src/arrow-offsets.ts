import { arrowInvalid } from "./errors.ts";

/** Where each text, list or bytes of a column begins and ends. @param limit What there is to point into. @param name Of the column. @returns the same. Throws `DATA_ARROW_INVALID` where they go back, or beyond. */
export function checkedOffsets(offsets: Int32Array, limit: number, name: string): Int32Array {
  let last = 0;
  for (let row = 0; row < offsets.length; row += 1) {
    const offset = offsets[row] as number;
    if (offset < last) throw outside(name);
    last = offset;
  }
  if (last > limit) throw outside(name);
  return offsets;
}

const outside = (name: string): Error =>
  arrowInvalid(`the offsets of the column "${name}" do not lie within its values`, undefined);
