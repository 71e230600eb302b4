import type { Batch, Column, DictionaryColumn, NumericArrays, NumericType } from "@millwright/contracts";
import {
  type Data,
  type DataType,
  DateUnit,
  type RecordBatch,
  type Table,
  tableFromIPC,
  TimeUnit,
  Type,
} from "apache-arrow";
import { checkedOffsets } from "./arrow-offsets.ts";
import { clearBit, filledBitmap, sliceBits } from "./bitmap.ts";
import { column as build, isNull, numericColumn, type ValueInput } from "./column.ts";
import { concatColumns } from "./concat.ts";
import { checkMessages } from "./ipc-check.ts";
import { arrowInvalid, arrowTypeUnsupported, columnTooLarge, DataError } from "./errors.ts";

/**
 * The record batches of an Arrow table, or one of them, as batches over the same memory. What columns lay out differently is converted and copied:
 * seconds, milliseconds and nanoseconds, half floats, 64-bit offsets, string views, dictionary indices of other widths, and null bitmaps that do not start on a byte.
 * Throws `DATA_ARROW_TYPE_UNSUPPORTED` for types without a column type and for nanoseconds that are no whole microseconds, `DATA_COLUMN_TOO_LARGE`,
 * `DATA_ARROW_INVALID` where texts or lists are not within their values.
 */
export function fromArrow(table: Table | RecordBatch): readonly Batch[] {
  const records = "batches" in table ? table.batches : [table];
  return records.map((record) => {
    const columns = record.schema.fields.map(
      ({ name }, index) => [name, columnFromArrow(record.data.children[index] as Data, name)] as const,
    );
    return { length: record.numRows, columns: Object.fromEntries(columns) };
  });
}

/** Reads an Arrow IPC stream or file. The columns view the bytes where those are aligned. Throws `DATA_ARROW_INVALID`, and as `fromArrow`. */
export function fromIpc(bytes: Uint8Array): readonly Batch[] {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`Arrow IPC is read from bytes, not from a ${typeof bytes}.`);
  checkMessages(bytes);
  try {
    return fromArrow(tableFromIPC(bytes));
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw arrowInvalid(error instanceof Error ? error.message : String(error), error);
  }
}

/** One Arrow `Data` as a column over the same memory; `name` is for errors. */
export function columnFromArrow(data: Data, name: string): Column {
  const { length } = data;
  const bits = data.nullBitmap;
  // Arrow does not cut bitmaps when it slices: their first bit is `offset`, while values and offsets are cut.
  const validity =
    data.nullCount > 0 && bits != null && bits.length > 0 ? sliceBits(bits, data.offset, length) : undefined;
  const nulls = validity === undefined ? {} : { validity };
  const type = data.type as DataType;
  switch (type.typeId) {
    case Type.Bool:
      return { type: "bool", length, values: sliceBits(data.values as Uint8Array, data.offset, length), ...nulls };
    case Type.Utf8:
    case Type.Binary:
      return {
        type: typeOfBytes(type),
        length,
        values: bytesOf(data),
        offsets: checkedOffsets(data.valueOffsets.subarray(0, length + 1), bytesOf(data).length, name),
        ...nulls,
      };
    case Type.LargeUtf8:
    case Type.LargeBinary:
      return {
        type: typeOfBytes(type),
        length,
        values: bytesOf(data),
        offsets: checkedOffsets(narrowOffsets(data), bytesOf(data).length, name),
        ...nulls,
      };
    case Type.List: {
      const values = columnFromArrow(data.children[0] as Data, name);
      const offsets = checkedOffsets(data.valueOffsets.subarray(0, length + 1), values.length, name);
      return { type: "list", length, values, offsets, ...nulls };
    }
    case Type.FixedSizeList: {
      const size = (type as unknown as { readonly listSize: number }).listSize;
      const offsets = Int32Array.from({ length: length + 1 }, (_, row) => row * size);
      return { type: "list", length, values: columnFromArrow(data.children[0] as Data, name), offsets, ...nulls };
    }
    case Type.Dictionary:
      return dictionaryFromArrow(data, name, validity);
    case Type.Utf8View:
    case Type.BinaryView:
      return viewsFromArrow(data, type.typeId === Type.Utf8View ? "utf8" : "binary");
    default:
      return numbersFromArrow(data, type, name, validity);
  }
}

const bytesOf = (data: Data): Uint8Array => (data.values as Uint8Array | undefined) ?? new Uint8Array(0);

const typeOfBytes = ({ typeId }: DataType): "utf8" | "binary" =>
  typeId === Type.Utf8 || typeId === Type.LargeUtf8 ? "utf8" : "binary";

const nameOf = ({ typeId }: DataType): string => Type[typeId];

function narrowOffsets(data: Data): Int32Array {
  const wide = data.valueOffsets as unknown as BigInt64Array;
  const last = Number(wide[data.length] ?? 0n);
  if (last > 0x7fffffff) throw columnTooLarge(last);
  return Int32Array.from({ length: data.length + 1 }, (_, row) => Number(wide[row]));
}

function numbersFromArrow(data: Data, type: DataType, name: string, validity: Uint8Array | undefined): Column {
  const { length } = data;
  const same = <Name extends NumericType>(as: Name): Column =>
    numericColumn(as, data.values as NumericArrays[Name], { length, validity });
  switch (type.typeId) {
    case Type.Int:
      return same(integerType(type as unknown as { readonly bitWidth: number; readonly isSigned: boolean }));
    case Type.Float: {
      const { precision } = type as unknown as { readonly precision: number };
      if (precision === 2) return same("float64");
      if (precision === 1) return same("float32");
      return numericColumn("float32", halvesToFloats(data.values as Uint16Array, length), { length, validity });
    }
    case Type.Date: {
      const { unit } = type as unknown as { readonly unit: DateUnit };
      return unit === DateUnit.DAY ? same("date") : timesFromArrow(data, name, 1000n, 1n, validity);
    }
    case Type.Timestamp: {
      const { unit } = type as unknown as { readonly unit: TimeUnit };
      if (unit === TimeUnit.MICROSECOND) return same("timestamp");
      const times = unit === TimeUnit.SECOND ? 1_000_000n : unit === TimeUnit.MILLISECOND ? 1000n : 1n;
      return timesFromArrow(data, name, times, unit === TimeUnit.NANOSECOND ? 1000n : 1n, validity);
    }
    default:
      throw arrowTypeUnsupported(
        name,
        nameOf(type),
        "Cast it first to a number, a timestamp, text or a list of those.",
      );
  }
}

export function integerType({
  bitWidth,
  isSigned,
}: {
  readonly bitWidth: number;
  readonly isSigned: boolean;
}): NumericType {
  if (bitWidth === 8) return isSigned ? "int8" : "uint8";
  if (bitWidth === 16) return isSigned ? "int16" : "uint16";
  if (bitWidth === 32) return isSigned ? "int32" : "uint32";
  return isSigned ? "int64" : "uint64";
}

function timesFromArrow(
  data: Data,
  name: string,
  factor: bigint,
  divisor: bigint,
  validity: Uint8Array | undefined,
): Column {
  const source = data.values as BigInt64Array;
  const values = new BigInt64Array(data.length);
  const times = numericColumn("timestamp", values, { validity });
  for (let row = 0; row < values.length; row += 1) {
    const value = source[row] ?? 0n;
    if (value % divisor !== 0n && !isNull(times, row)) {
      throw arrowTypeUnsupported(
        name,
        `${nameOf(data.type as DataType)} with ${value} at row ${row}`,
        "Cast it to microseconds first.",
      );
    }
    values[row] = (value * factor) / divisor;
  }
  return times;
}

/** IEEE 754 half precision, which Node 20 has no array for. */
function halvesToFloats(halves: Uint16Array, length: number): Float32Array {
  return Float32Array.from({ length }, (_, row) => {
    const half = halves[row] ?? 0;
    const sign = half >> 15 === 0 ? 1 : -1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

function viewsFromArrow(data: Data, type: "utf8" | "binary"): Column {
  // Decoding through Arrow copies, but no column layout has views.
  const encoder = new TextEncoder();
  const get = (row: number): Uint8Array | undefined => viewAt(data, row);
  const values: ValueInput[] = Array.from({ length: data.length }, (_, row) =>
    data.getValid(row) ? (get(row) ?? encoder.encode("")) : null,
  );
  const bytes = build("binary", values);
  return { ...bytes, type } as Column;
}

/** A string view: its length, then twelve bytes that hold it, or a prefix, a buffer's number and a position there. */
function viewAt(data: Data, row: number): Uint8Array | undefined {
  const views = data.values as Uint8Array;
  const words = new DataView(views.buffer, views.byteOffset + row * 16, 16);
  const size = words.getInt32(0, true);
  if (size <= 12) return views.subarray(row * 16 + 4, row * 16 + 4 + size);
  const buffers = (data as unknown as { readonly variadicBuffers: readonly Uint8Array[] }).variadicBuffers;
  const start = words.getInt32(12, true);
  return buffers[words.getInt32(8, true)]?.subarray(start, start + size);
}

function dictionaryFromArrow(data: Data, name: string, validity: Uint8Array | undefined): DictionaryColumn {
  const parts = (data.dictionary?.data ?? []).map((part) => columnFromArrow(part as Data, name));
  const dictionary =
    parts.length === 1 ? parts[0] : parts.length === 0 ? build("utf8", []) : concatColumns(name, parts);
  if (dictionary?.type !== "utf8")
    throw arrowTypeUnsupported(name, nameOf(data.type as DataType), "Cast it to the type of its values first.");
  const indices = data.values as Int32Array | Int8Array | BigInt64Array;
  const values =
    indices instanceof Int32Array
      ? indices.subarray(0, data.length)
      : Int32Array.from({ length: data.length }, (_, row) => Number(indices[row] ?? 0));
  const { validity: entries, ...texts } = dictionary;
  if (entries === undefined)
    return {
      type: "dictionary",
      length: data.length,
      values,
      dictionary: texts,
      ...(validity === undefined ? {} : { validity }),
    };
  // Arrow lets an entry be null; here nulls live in the rows.
  const rows = validity === undefined ? filledBitmap(data.length) : validity.slice();
  for (let row = 0; row < data.length; row += 1) if (isNull(dictionary, values[row] ?? 0)) clearBit(rows, row);
  return { type: "dictionary", length: data.length, values, dictionary: texts, validity: rows };
}
