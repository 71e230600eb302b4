import { isMillwrightError, type Batch, type Column } from "@millwright/contracts";
import { concatBatches, fromIpc, isNull } from "@millwright/data";
import { bodyInvalid, bodyTooLarge, valueInvalid } from "./errors.ts";
import { soundArrowStream } from "./arrow-stream.ts";
import { firstTimeUs, lastTimeUs } from "./value-readers.ts";

/** The media type of an Arrow IPC stream. */
export const arrowStream = "application/vnd.apache.arrow.stream";

/**
 * The rows of an Arrow IPC stream that a stranger sent: what it says of its lengths and positions is held against its bytes.
 * Throws `FEATURE_STORE_BODY_INVALID`, `FEATURE_STORE_BODY_TOO_LARGE`, `FEATURE_STORE_VALUE_INVALID`, `DATA_ARROW_TYPE_UNSUPPORTED`.
 */
export function batchOfArrow(where: string, body: Uint8Array, maxRows: number): Batch {
  const batches = read(soundArrowStream(body, maxRows));
  let rows = 0;
  for (const { length, columns } of batches) {
    rows += length;
    if (!(rows <= maxRows)) throw bodyTooLarge(maxRows, "rows");
    for (const [name, column] of Object.entries(columns)) {
      if (column.length !== length || !isWhole(column)) {
        throw bodyInvalid(`the Arrow column "${name}" does not fit its bytes`, "Send a whole Arrow IPC stream.");
      }
      checkTimes(where, name, column);
    }
  }
  const [first] = batches;
  // What is no Arrow at all reads as nothing.
  if (first === undefined) throw bodyInvalid("it holds no Arrow record batch", "Send an Arrow IPC stream.");
  return batches.length === 1 ? first : concatBatches(batches);
}

function read(body: Uint8Array): readonly Batch[] {
  try {
    return fromIpc(body);
  } catch (error) {
    if (isMillwrightError(error)) throw error;
    const problem = error instanceof Error ? error.message : String(error);
    throw bodyInvalid(
      `it is not an Arrow IPC stream (${problem.slice(0, 200)})`,
      "Send one, without compression.",
      error,
    );
  }
}

/** Whether every position that the column speaks of is there. */
function isWhole(column: Column): boolean {
  const { length, validity } = column;
  if (!(Number.isSafeInteger(length) && length >= 0)) return false;
  if (validity !== undefined && validity.length * 8 < length) return false;
  switch (column.type) {
    case "bool":
      return column.values.length * 8 >= length;
    case "utf8":
    case "binary":
      return areOffsets(column.offsets, length, column.values.length);
    case "list":
      return areOffsets(column.offsets, length, column.values.length) && isWhole(column.values);
    case "dictionary": {
      const entries = column.dictionary.length;
      if (column.values.length < length || !isWhole(column.dictionary)) return false;
      for (let row = 0; row < length; row++) {
        const index = column.values[row]!;
        if (!(index >= 0 && index < entries) && !isNull(column, row)) return false;
      }
      return true;
    }
    default:
      return column.values.length >= length;
  }
}

function areOffsets(offsets: Int32Array, length: number, end: number): boolean {
  // No rows may come without any offsets.
  if (length === 0) return true;
  if (offsets.length < length + 1 || offsets[0]! < 0) return false;
  for (let row = 0; row < length; row++) if (offsets[row + 1]! < offsets[row]!) return false;
  return offsets[length]! <= end;
}

/** A time that no calendar has would only fail later, where nobody can mend it. */
function checkTimes(where: string, name: string, column: Column): void {
  if (column.type !== "timestamp") return;
  for (let row = 0; row < column.length; row++) {
    const us = column.values[row]!;
    if ((us < firstTimeUs || us > lastTimeUs) && !isNull(column, row)) {
      throw valueInvalid(where, name, row, us, "a time in the years 0000 to 9999");
    }
  }
}
