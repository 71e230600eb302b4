import type { Column } from "@millwright/contracts";
import { isNumeric } from "./column.ts";

/**
 * Throws unless the memory of a column holds the rows that it says it has: TypeError for what is no column, RangeError where values, bitmaps or
 * offsets are too short, or offsets go backwards or beyond the values. For the doors where columns come from elsewhere; functions inside trust them.
 * @param name What the column is called in a message.
 */
export function assertHoldsRows(name: string, column: Column): void {
  if (typeof column !== "object" || column === null || typeof column.type !== "string")
    throw new TypeError(`"${name}" is not a column.`);
  const { length, validity } = column;
  if (!Number.isSafeInteger(length) || length < 0)
    throw new RangeError(`The length of the column "${name}" is ${String(length)}; it must be a whole number from 0.`);
  if (validity !== undefined) assertLongEnough(name, "validity", validity, Math.ceil(length / 8));
  if (column.type === "bool") assertLongEnough(name, "values", column.values, Math.ceil(length / 8));
  else if (column.type === "utf8" || column.type === "binary") {
    if (!(column.values instanceof Uint8Array)) throw notAnArray(name, "values");
    assertOffsets(name, column.offsets, length, column.values.length);
  } else if (column.type === "dictionary") {
    assertLongEnough(name, "values", column.values, length);
    assertHoldsRows(`${name}.dictionary`, column.dictionary);
  } else if (column.type === "list") {
    assertHoldsRows(`${name}.values`, column.values);
    assertOffsets(name, column.offsets, length, column.values.length);
  } else if (isNumeric(column)) assertLongEnough(name, "values", column.values, length);
  else throw new TypeError(`The type of the column "${name}" is none that columns have.`);
}

const notAnArray = (name: string, part: string): TypeError =>
  new TypeError(`The ${part} of the column "${name}" must be a typed array.`);

function assertLongEnough(name: string, part: string, values: { readonly length: number }, wanted: number): void {
  if (!ArrayBuffer.isView(values)) throw notAnArray(name, part);
  if (!(values.length >= wanted))
    throw new RangeError(
      `The ${part} of the column "${name}" have ${values.length} elements; its length asks for ${wanted}.`,
    );
}

/** Every row must end at or after its start, and the last within the values. */
function assertOffsets(name: string, offsets: Int32Array, length: number, most: number): void {
  if (length === 0) return;
  assertLongEnough(name, "offsets", offsets, length + 1);
  let before = 0;
  for (let row = 0; row <= length; row += 1) {
    const at = offsets[row] as number;
    if (!(at >= before && at <= most))
      throw new RangeError(`The offset ${at} at row ${row} of the column "${name}" is outside ${before} to ${most}.`);
    before = at;
  }
}
