import { formatTooNew } from "./errors.ts";
import type { OnlineFloor, OnlineRecord, OnlineTile, OnlineValue } from "./online-store.ts";

/** JSON has no word for some numbers: they stand as `["n", "NaN"]` and 64-bit integers as `["b", "12"]`. */
type Text = null | boolean | number | string | readonly ["n" | "b", string];
type RowText = readonly [
  key: string,
  timeUs: number,
  createdUs: number | null,
  inputs: readonly (number | string | null)[],
  values: readonly Text[],
];
type RecordText = RowText | OnlineFloor | OnlineTile;

/** Version 2 adds tiles, and inputs that are texts. */
const FORMAT_VERSION = 2;

/** The first record of a log: which format the others are in, or an older one. Logs from before it was written are in version 1. */
export const formatRecord: Uint8Array = Buffer.from(JSON.stringify({ formatVersion: FORMAT_VERSION }));

/** Throws `FEATURE_STORE_FORMAT_TOO_NEW` where a log's first record says so. */
export function checkFormat(path: string, first: Uint8Array): void {
  const { formatVersion = 1 } = parse(first) as { readonly formatVersion?: number };
  if (formatVersion > FORMAT_VERSION) throw formatTooNew(path, formatVersion, FORMAT_VERSION);
}

const parse = (bytes: Uint8Array): unknown =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));

/** Records as bytes: a line of JSON. */
export function encodeRecords(records: readonly OnlineRecord[]): Uint8Array {
  const rows = records.map((record): RecordText =>
    "floorUs" in record || "tileUs" in record
      ? record
      : [record.key, record.timeUs, record.createdUs, record.inputs, record.values.map(encodeValue)],
  );
  return Buffer.from(JSON.stringify(rows));
}

/** The record that says the format holds none. */
export function decodeRecords(bytes: Uint8Array): OnlineRecord[] {
  const rows = parse(bytes);
  if (!Array.isArray(rows)) return [];
  return (rows as readonly RecordText[]).map((row) => {
    if ("floorUs" in row || "tileUs" in row) return row;
    const [key, timeUs, createdUs, inputs, values] = row;
    return { key, timeUs, createdUs, inputs, values: values.map(decodeValue) };
  });
}

function encodeValue(value: OnlineValue): Text {
  if (typeof value === "bigint") return ["b", String(value)];
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return ["n", Object.is(value, -0) ? "-0" : String(value)];
  }
  return value;
}

function decodeValue(text: Text): OnlineValue {
  if (!Array.isArray(text)) return text as OnlineValue;
  const [kind, digits] = text as readonly ["n" | "b", string];
  return kind === "b" ? BigInt(digits) : Number(digits);
}
