import { type Batch, encodeNumbers, type JsonObject, type JsonValue } from "@millwright/contracts";
import { fromIpc, takeRows, toArray } from "@millwright/data";
import { captureUnreadable } from "../errors.ts";
import { jsonOf } from "./observe.ts";

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
  const [features, outputs] = [cellsUnder(batch, featurePrefix), cellsUnder(batch, outputPrefix)];
  for (let from = 0; from < batch.length;) {
    let to = from + 1;
    while (to < batch.length && ids[to] === ids[from] && times[to] === times[from]) to += 1;
    const version = versions[from] as number;
    const model: Record<string, JsonValue> = { name: names[from] as string, digest: digests[from] as string };
    if (!Number.isNaN(version)) model["version"] = version;
    yield {
      formatVersion: 1,
      requestId: ids[from] as string,
      endpoint: endpoints[from] as string,
      variant: variants[from] as string,
      model,
      timeMs: encodeNumbers(times[from] as number),
      latencyMs: encodeNumbers(latencies[from] as number),
      features: cut(features, from, to),
      outputs: cut(outputs, from, to),
    };
    from = to;
  }
}

type Cells = readonly (readonly [name: string, values: readonly JsonValue[]])[];

/** The values of columns whose names begin so, by the rest of their names. */
const cellsUnder = ({ columns }: Batch, prefix: string): Cells =>
  Object.entries(columns).flatMap(([name, column]) =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), toArray(column).map(jsonOf)] as const] : [],
  );

function cut(cells: Cells, from: number, to: number): JsonObject {
  return Object.fromEntries(cells.map(([name, values]) => [name, values.slice(from, to)]));
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
  yield* rowsOfBatch(takeRows(wantedColumns(batch, features), rows));
}

/** The batch with no other features than these. @param features Default: all. */
export function wantedColumns({ length, columns }: Batch, features: readonly string[] | undefined): Batch {
  const isWanted = (name: string): boolean =>
    features === undefined || !name.startsWith(featurePrefix) || features.includes(name.slice(featurePrefix.length));
  return { length, columns: Object.fromEntries(Object.entries(columns).filter(([name]) => isWanted(name))) };
}
