import { type Hash, createHash } from "node:crypto";
import type { Column, Tensor } from "@millwright/contracts";
import type { Payload } from "../engine/batch-call.ts";

/**
 * One key for equal inputs, whatever the order of their names, the layout of their columns or what stands where a row is null: SHA-256 over names, types,
 * shapes and values, each preceded by its length.
 */
export function inputKey(scope: readonly string[], payload: Payload): string {
  const hash = createHash("sha256");
  for (const part of scope) text(hash, part);
  text(hash, payload.kind);
  if (payload.kind === "tensors") {
    for (const [name, tensor] of sorted(payload.tensors)) addTensor(hash, name, tensor);
  } else {
    for (const [name, column] of sorted(payload.batch.columns)) {
      text(hash, name);
      addColumn(hash, column, 0, payload.batch.length);
    }
  }
  return hash.digest("hex");
}

const sorted = <Value>(record: Readonly<Record<string, Value>>): readonly (readonly [string, Value])[] =>
  Object.entries(record).toSorted(([left], [right]) => (left < right ? -1 : 1));

function bytes(hash: Hash, value: Uint8Array): void {
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(value.length);
  hash.update(length).update(value);
}

const text = (hash: Hash, value: string): void => bytes(hash, Buffer.from(value, "utf16le"));

const viewOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function addTensor(hash: Hash, name: string, { dtype, shape, data }: Tensor): void {
  text(hash, `${name}\n${dtype}\n${shape.join(",")}`);
  if (dtype === "string") for (const each of data) text(hash, each);
  else bytes(hash, viewOf(data));
}

const isSet = (bits: Uint8Array | undefined, at: number): boolean =>
  bits === undefined || ((bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;

/** The rows from `start` to `end`, as if they stood alone. */
function addColumn(hash: Hash, column: Column, start: number, end: number): void {
  const { type, validity } = column;
  text(hash, type === "dictionary" ? "utf8" : type);
  const valid = Uint8Array.from({ length: end - start }, (_, at) => (isSet(validity, start + at) ? 1 : 0));
  bytes(hash, valid);
  switch (type) {
    case "utf8":
    case "binary":
      for (let row = start; row < end; row += 1)
        if (valid[row - start] === 1)
          bytes(hash, column.values.subarray(column.offsets[row] ?? 0, column.offsets[row + 1] ?? 0));
      return;
    case "dictionary":
      for (let row = start; row < end; row += 1) {
        if (valid[row - start] !== 1) continue;
        const { values, offsets } = column.dictionary;
        const word = column.values[row] ?? 0;
        bytes(hash, values.subarray(offsets[word] ?? 0, offsets[word + 1] ?? 0));
      }
      return;
    case "list":
      for (let row = start; row < end; row += 1)
        if (valid[row - start] === 1)
          addColumn(hash, column.values, column.offsets[row] ?? 0, column.offsets[row + 1] ?? 0);
      return;
    case "bool":
      bytes(
        hash,
        Uint8Array.from(valid, (is, at) => (is === 1 && isSet(column.values, start + at) ? 1 : 0)),
      );
      return;
    default: {
      // A copy, in which rows that are null are alike.
      const values = column.values.slice(start, end);
      for (const [at, is] of valid.entries())
        if (is === 0) values[at] = values instanceof BigInt64Array || values instanceof BigUint64Array ? 0n : 0;
      bytes(hash, viewOf(values));
    }
  }
}
