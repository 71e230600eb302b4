import { formatTooNew } from "../errors.ts";
import type { OnlineRecord, OnlineRow, OnlineValue } from "../online/online-store.ts";

/** JSON has no word for some numbers: they stand as `["n", "NaN"]` and 64-bit integers as `["b", "12"]`. */
export type ValueText = null | boolean | number | string | readonly ["n" | "b", string];
type RowText = readonly [
  key: string,
  timeUs: number,
  createdUs: number | null,
  inputs: readonly (number | string | null)[],
  values: readonly ValueText[],
  /** Only where the row is a delete or has a time to live of its own. */
  marks?: { readonly expiresUs?: number; readonly isDeleted?: true },
];
/** Records that are no rows stand as they are. */
type OtherText = Exclude<OnlineRecord, OnlineRow>;

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
  return Buffer.from(JSON.stringify(records.map((record) => ("timeUs" in record ? encodeRow(record) : record))));
}

function encodeRow({ key, timeUs, createdUs, inputs, values, expiresUs, isDeleted }: OnlineRow): RowText {
  const row = [key, timeUs, createdUs, inputs, values.map(encodeValue)] as const;
  if (expiresUs === undefined && isDeleted === undefined) return row;
  return [
    ...row,
    { ...(expiresUs === undefined ? {} : { expiresUs }), ...(isDeleted === undefined ? {} : { isDeleted }) },
  ];
}

/** The record that says the format holds none. */
export function decodeRecords(bytes: Uint8Array): OnlineRecord[] {
  const rows = parse(bytes);
  if (!Array.isArray(rows)) return [];
  return (rows as readonly (RowText | OtherText)[]).map((row) => {
    if (!isRowText(row)) return row;
    const [key, timeUs, createdUs, inputs, values, marks] = row;
    return { key, timeUs, createdUs, inputs, values: values.map(decodeValue), ...marks };
  });
}

const isRowText = (row: RowText | OtherText): row is RowText => Array.isArray(row);

export function encodeValue(value: OnlineValue): ValueText {
  if (typeof value === "bigint") return ["b", String(value)];
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return ["n", Object.is(value, -0) ? "-0" : String(value)];
  }
  return value;
}

export function decodeValue(text: ValueText): OnlineValue {
  if (!Array.isArray(text)) return text as OnlineValue;
  const [kind, digits] = text as readonly ["n" | "b", string];
  return kind === "b" ? BigInt(digits) : Number(digits);
}
