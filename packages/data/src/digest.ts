import { createHash, type Hash } from "node:crypto";
import type {
  Batch,
  BytesColumn,
  CallOptions,
  Column,
  Digest,
  Field,
  ListColumn,
  NumericColumn,
  Schema,
} from "@millwright/contracts";
import { columnOf } from "./batch.ts";
import { hasBit } from "./bitmap.ts";
import { assertHoldsRows } from "./column-layout.ts";
import { isNull, isNumeric, numericArray } from "./column.ts";
import { lengthMismatch } from "./errors.ts";
import { sliceColumn } from "./rows.ts";

/** Takes batches in row order and says the digest of all of them; `digest` ends it. */
export interface BatchDigester {
  /**
   * Throws `DATA_COLUMN_MISSING`, `DATA_LENGTH_MISMATCH`, TypeError for what is no column, and RangeError for a column whose memory is shorter than its
   * length; the digest then stands as before the call.
   */
  update(batch: Batch): void;
  digest(): Digest;
}

/**
 * SHA-256 of schema and content. Equal for equal rows however they fall into batches, whatever lies under nulls and in padding, whether text is
 * kept as `utf8` or as `dictionary`, and whichever NaN stands for NaN; different for 0 and −0. It assumes a little-endian machine, as Arrow in JavaScript does.
 */
export function createBatchDigester(schema: Schema): BatchDigester {
  const columns = schema.map((field) => ({ field, digester: createColumnDigester() }));
  let rows = 0;
  return {
    update(batch) {
      // All are looked at before any is taken: a batch is digested as a whole or not at all.
      const taken = columns.map(({ field: { name } }) => {
        const column = columnOf(batch, name);
        assertHoldsRows(name, column);
        if (column.length !== batch.length) throw lengthMismatch(name, column.length, batch.length);
        return column;
      });
      rows += batch.length;
      for (const [index, { digester }] of columns.entries()) digester.update(taken[index] as Column);
    },
    digest() {
      const fields = columns.map(({ field, digester }) => [field.name, ...logicalType(field), digester.digest()]);
      const hex = createHash("sha256")
        .update(JSON.stringify(["millwright-columns-1", rows, fields]))
        .digest("hex");
      return `sha256:${hex}` as Digest;
    },
  };
}

/** As `createBatchDigester`, for batches at hand or to come; the signal is looked at before each. Throws what `update` throws. */
export async function digestBatches(
  schema: Schema,
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  { signal }: CallOptions = {},
): Promise<Digest> {
  signal?.throwIfAborted();
  const digester = createBatchDigester(schema);
  for await (const batch of batches) {
    signal?.throwIfAborted();
    digester.update(batch);
  }
  return digester.digest();
}

/** Dictionaries are a way to keep text, not other content. */
const logicalType = ({ type, items }: Field): readonly string[] =>
  [type, ...(items === undefined ? [] : [items])].map((each) => (each === "dictionary" ? "utf8" : each));

interface ColumnDigester {
  update(column: Column): void;
  digest(): string;
}

/** Values, lengths and the positions of nulls go to streams of their own, so that cuts between batches leave no trace. */
function createColumnDigester(): ColumnDigester {
  const values = createHash("sha256");
  const lengths = createHash("sha256");
  const nulls = createHash("sha256");
  let items: ColumnDigester | undefined;
  let rows = 0;
  return {
    update(column) {
      updateNulls(nulls, column, rows);
      rows += column.length;
      if (column.type === "list") {
        items ??= createColumnDigester();
        updateLists(lengths, items, column);
      } else if (column.type === "utf8" || column.type === "binary") updateBytes(values, lengths, column);
      else if (column.type === "dictionary") updateBytes(values, lengths, column.dictionary, column);
      else if (column.type === "bool") values.update(bytesOfBools(column));
      else if (isNumeric(column)) updateNumbers(values, column);
    },
    digest: () =>
      createHash("sha256")
        .update(values.digest())
        .update(lengths.digest())
        .update(nulls.digest())
        .update(items?.digest() ?? "")
        .digest("hex"),
  };
}

const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

function updateNulls(hash: Hash, column: Column, firstRow: number): void {
  const { validity, length } = column;
  if (validity === undefined) return;
  const positions: number[] = [];
  for (let row = 0; row < length; row += 1) if (!hasBit(validity, row)) positions.push(firstRow + row);
  if (positions.length > 0) hash.update(bytesOf(Float64Array.from(positions)));
}

function updateNumbers(hash: Hash, column: NumericColumn): void {
  let values = column.values.subarray(0, column.length);
  const floats = column.type === "float32" || column.type === "float64";
  if (column.validity !== undefined || (floats && (values as Float64Array).some((value) => value !== value))) {
    const copy = numericArray(column.type, column.length);
    (copy as Float64Array).set(values as Float64Array);
    for (let row = 0; row < column.length; row += 1) {
      if (isNull(column, row)) copy[row] = typeof copy[row] === "bigint" ? 0n : 0;
      else if (floats && copy[row] !== copy[row]) copy[row] = Number.NaN;
    }
    values = copy;
  }
  hash.update(bytesOf(values));
}

function bytesOfBools(column: Extract<Column, { readonly type: "bool" }>): Uint8Array {
  const bytes = new Uint8Array(column.length);
  for (let row = 0; row < column.length; row += 1)
    bytes[row] = !isNull(column, row) && hasBit(column.values, row) ? 1 : 0;
  return bytes;
}

/** The text of each row, taken at the row itself or, for a dictionary, at the row's position in it. */
function updateBytes(
  hash: Hash,
  lengths: Hash,
  texts: BytesColumn,
  rows: Extract<Column, { readonly type: "dictionary" }> | BytesColumn = texts,
): void {
  const sizes = new Int32Array(rows.length);
  if (rows === texts && texts.validity === undefined) {
    for (let row = 0; row < rows.length; row += 1)
      sizes[row] = (texts.offsets[row + 1] ?? 0) - (texts.offsets[row] ?? 0);
    hash.update(texts.values.subarray(texts.offsets[0], texts.offsets[rows.length]));
  } else {
    const positions = rows.type === "dictionary" ? rows.values : undefined;
    const writer = createByteWriter(hash);
    for (let row = 0; row < rows.length; row += 1) {
      if (isNull(rows, row)) continue;
      const at = positions === undefined ? row : (positions[row] ?? 0);
      const start = texts.offsets[at] ?? 0;
      const end = texts.offsets[at + 1] ?? 0;
      sizes[row] = end - start;
      writer.write(texts.values, start, end);
    }
    writer.flush();
  }
  lengths.update(bytesOf(sizes));
}

/** Gathers short pieces, since every update of a hash costs a call into the engine. */
function createByteWriter(hash: Hash): { write(bytes: Uint8Array, start: number, end: number): void; flush(): void } {
  const buffer = new Uint8Array(1 << 16);
  let used = 0;
  const flush = (): void => {
    if (used > 0) hash.update(buffer.subarray(0, used));
    used = 0;
  };
  return {
    write(bytes, start, end) {
      if (end - start > buffer.length) {
        flush();
        hash.update(bytes.subarray(start, end));
        return;
      }
      if (used + end - start > buffer.length) flush();
      for (let index = start; index < end; index += 1, used += 1) buffer[used] = bytes[index] ?? 0;
    },
    flush,
  };
}

function updateLists(lengths: Hash, items: ColumnDigester, column: ListColumn): void {
  const sizes = new Int32Array(column.length);
  let start = 0;
  const feed = (end: number): void => {
    const from = column.offsets[start] ?? 0;
    const to = column.offsets[end] ?? 0;
    if (to > from) items.update(sliceColumn(column.values, from, to));
  };
  for (let row = 0; row < column.length; row += 1) {
    if (isNull(column, row)) {
      // What lies under a null is not content.
      feed(row);
      start = row + 1;
    } else sizes[row] = (column.offsets[row + 1] ?? 0) - (column.offsets[row] ?? 0);
  }
  feed(column.length);
  lengths.update(bytesOf(sizes));
}
