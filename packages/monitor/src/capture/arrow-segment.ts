import { type Batch, encodeNumbers, type JsonObject } from "@millwright/contracts";
import { fromIpc, sliceBatch, takeRows, toArray } from "@millwright/data";
import { captureUnreadable } from "../errors.ts";
import { cellsOf } from "./observe.ts";

/** Before the columns of a request's own: what it was. */
export const ownColumns = [
  "requestId",
  "endpoint",
  "variant",
  "modelName",
  "modelVersion",
  "modelDigest",
  "timeMs",
  "latencyMs",
] as const;
export const featurePrefix = "features.";
export const outputPrefix = "outputs.";

export const prefixBytes = 8;
/** Where the metadata that `createIpcWriter` writes of a batch tells the length of its body. */
const bodyLengthAt = 24;

/** @returns where the message that begins at a byte ends; beyond the bytes where it is torn. A message that is no batch has no body. */
export function endOfMessage(bytes: Uint8Array, at: number, hasBody = false): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const metadata = at + prefixBytes;
  if (metadata > bytes.length) return Number.POSITIVE_INFINITY;
  const end = metadata + view.getInt32(at + 4, true);
  if (!hasBody) return end;
  return end > bytes.length ? end : end + Number(view.getBigInt64(metadata + bodyLengthAt, true));
}

/** @returns the bytes up to the last whole batch. */
export function wholeOf(bytes: Uint8Array): Uint8Array {
  let end = endOfMessage(bytes, 0);
  if (end > bytes.length) return bytes.subarray(0, 0);
  for (let next = endOfMessage(bytes, end, true); next <= bytes.length; next = endOfMessage(bytes, end, true))
    end = next;
  return bytes.subarray(0, end);
}

export function batchesOf(bytes: Uint8Array, name: string): readonly Batch[] {
  if (bytes.length === 0) return [];
  try {
    return fromIpc(bytes);
  } catch (error) {
    throw captureUnreadable(name, error instanceof Error ? error.message : String(error), error);
  }
}

export function* rowsOfBatch(batch: Batch): Generator<JsonObject, void> {
  const [ids = [], endpoints = [], variants = [], names = [], versions = [], digests = [], times = [], latencies = []] =
    ownColumns.map((name) => (batch.columns[name] === undefined ? [] : toArray(batch.columns[name])));
  const part = (prefix: string, rows: Batch): Batch => ({
    length: rows.length,
    columns: Object.fromEntries(
      Object.entries(rows.columns).flatMap(([name, column]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), column]] : [],
      ),
    ),
  });
  for (let from = 0; from < batch.length;) {
    let to = from + 1;
    while (to < batch.length && ids[to] === ids[from] && times[to] === times[from]) to += 1;
    const rows = sliceBatch(batch, from, to);
    const version = versions[from] as number;
    yield {
      formatVersion: 1,
      requestId: ids[from] as string,
      endpoint: endpoints[from] as string,
      variant: variants[from] as string,
      model: {
        name: names[from] as string,
        digest: digests[from] as string,
        ...(Number.isNaN(version) ? {} : { version }),
      },
      timeMs: encodeNumbers(times[from] as number),
      latencyMs: encodeNumbers(latencies[from] as number),
      features: cellsOf(part(featurePrefix, rows)),
      outputs: cellsOf(part(outputPrefix, rows)),
    };
    from = to;
  }
}

/** Rows of requests that are wanted, with no other features than these. @param features Default: all. */
export function* rowsIn(
  batch: Batch,
  wanted: ReadonlySet<string>,
  features: readonly string[] | undefined,
): Generator<JsonObject, void> {
  const ids = batch.columns["requestId"] === undefined ? [] : toArray(batch.columns["requestId"]);
  const rows = Int32Array.from(ids.keys()).filter((row) => wanted.has(ids[row] as string));
  if (rows.length === 0) return;
  const isWanted = (name: string): boolean =>
    features === undefined || !name.startsWith(featurePrefix) || features.includes(name.slice(featurePrefix.length));
  const columns = Object.fromEntries(Object.entries(batch.columns).filter(([name]) => isWanted(name)));
  yield* rowsOfBatch(takeRows({ length: batch.length, columns }, rows));
}
