import duckdb from "@duckdb/node-bindings";
import { createBitmapBuilder } from "./bitmap.ts";
import { createStringCopier, placeStrings, STRING_BYTES } from "./string-copier.ts";
import { validityOf, withoutAbsentValidity, type ColumnReader } from "./vector.ts";

/** Reads VARCHAR and BLOB. */
export function createBytesReader(type: "utf8" | "binary"): ColumnReader {
  const copier = createStringCopier();
  let words = new Uint32Array(0);
  let mask: Uint8Array | undefined;
  let used = 0;
  let offsets = new Int32Array(2049);
  let length = 0;
  let validity = createBitmapBuilder();
  const gather = (start: number, count: number): void => {
    if (offsets.length < length + count + 1) {
      const larger = new Int32Array(Math.max(length + count + 1, offsets.length * 2));
      larger.set(offsets);
      offsets = larger;
    }
    const rows = { words, mask, start, count };
    const end = placeStrings(rows, offsets, length);
    copier.copy(rows, offsets, length);
    used = end;
    length += count;
  };
  const clear = (): void => {
    used = 0;
    length = 0;
  };
  return {
    load(vector, rows) {
      mask = validityOf(vector, rows);
      const raw = duckdb.vector_get_data(vector, rows * STRING_BYTES);
      words = new Uint32Array(raw.buffer as ArrayBuffer, raw.byteOffset, rows * 4);
    },
    take(start, count) {
      gather(start, count);
      validity.append(mask, start, count);
    },
    finish() {
      const column = withoutAbsentValidity({
        type,
        length,
        values: copier.bytes(used).slice(),
        offsets: offsets.slice(0, length + 1),
        validity: validity.finish(),
      });
      clear();
      validity = createBitmapBuilder();
      return column;
    },
    view() {
      gather(0, words.length >> 2);
      const column = withoutAbsentValidity({
        type,
        length,
        values: copier.bytes(used),
        offsets: offsets.subarray(0, length + 1),
        validity: mask,
      });
      clear();
      return column;
    },
  };
}
