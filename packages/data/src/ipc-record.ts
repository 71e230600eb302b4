import type { Batch, Column, NumericArrays, NumericType } from "@millwright/contracts";
import { type DataType, DateUnit, type Schema as ArrowSchema, TimeUnit, Type } from "apache-arrow";
import { checkedOffsets } from "./arrow-offsets.ts";
import { arrowInvalid } from "./errors.ts";
import { fieldAt, wide } from "./flat-buffer.ts";
import { integerType } from "./from-arrow.ts";

/** A column whose memory in a record batch is that of the column. */
export interface PlainField {
  readonly name: string;
  readonly type: NumericType | "bool" | "utf8" | "binary";
}

/** @returns `undefined` where a field is not plain. */
export function plainFields(schema: ArrowSchema): readonly PlainField[] | undefined {
  const fields = schema.fields.map(({ name, type }) => ({ name, type: plainType(type as DataType) }));
  return fields.every((field): field is PlainField => field.type !== undefined) ? fields : undefined;
}

function plainType(type: DataType): PlainField["type"] | undefined {
  const { bitWidth, isSigned, precision, unit } = type as unknown as Readonly<Record<string, number>> & {
    readonly isSigned: boolean;
  };
  switch (type.typeId) {
    case Type.Int:
      return integerType({ bitWidth: bitWidth as number, isSigned });
    case Type.Float:
      return precision === 2 ? "float64" : precision === 1 ? "float32" : undefined;
    case Type.Date:
      return unit === DateUnit.DAY ? "date" : undefined;
    case Type.Timestamp:
      return unit === TimeUnit.MICROSECOND ? "timestamp" : undefined;
    case Type.Bool:
      return "bool";
    case Type.Utf8:
      return "utf8";
    case Type.Binary:
      return "binary";
    default:
      return undefined;
  }
}

/** What the message of a record batch says. */
export interface RecordMetadata {
  readonly bodyBytes: number;
  /** Whether it is a schema. */
  readonly schema: boolean;
  /** Whether it is a record batch that is not compressed. */
  readonly plain: boolean;
  readonly rows: number;
  /** How many nulls each column has. */
  readonly nulls: readonly number[];
  /** Where each buffer starts in the body, and its length, in turns. */
  readonly buffers: readonly number[];
}

const schemaKind = 1;
const recordBatchKind = 3;
const entryBytes = 16;

/**
 * Reads the FlatBuffer of a message: Message.fbs of Arrow. A table begins with the distance back to its layout, which is its own size, the size of the table,
 * and where each field stands in the table, 0 where it is absent.
 */
export function readMetadata(message: Uint8Array): RecordMetadata {
  try {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const root = view.getUint32(0, true);
    const [kindAt, headerAt, bodyAt] = [fieldAt(view, root, 1), fieldAt(view, root, 2), fieldAt(view, root, 3)];
    const bodyBytes = bodyAt === 0 ? 0 : wide(view, bodyAt);
    const kind = kindAt === 0 ? 0 : view.getUint8(kindAt);
    if (headerAt === 0 || kind !== recordBatchKind)
      return { bodyBytes, schema: kind === schemaKind, plain: false, rows: 0, nulls: [], buffers: [] };
    const header = headerAt + view.getUint32(headerAt, true);
    const rowsAt = fieldAt(view, header, 0);
    const rows = rowsAt === 0 ? 0 : wide(view, rowsAt);
    if (rows < 0) throw new RangeError(`A batch has ${rows} rows.`);
    return {
      bodyBytes,
      schema: false,
      plain: fieldAt(view, header, 3) === 0,
      rows,
      nulls: pairs(view, fieldAt(view, header, 1)).filter((_, at) => at % 2 === 1),
      buffers: pairs(view, fieldAt(view, header, 2)),
    };
  } catch (error) {
    throw arrowInvalid("the metadata of a message is damaged", error);
  }
}

/** @returns the numbers of a list of pairs, in turns. */
function pairs(view: DataView, listAt: number): readonly number[] {
  if (listAt === 0) return [];
  const list = listAt + view.getUint32(listAt, true);
  const count = view.getUint32(list, true);
  if (list + 4 + count * entryBytes > view.byteLength) throw new RangeError("A list is longer than the message.");
  const numbers: number[] = [];
  for (let at = 0; at < count * 2; at += 1) numbers.push(wide(view, list + 4 + at * 8));
  return numbers;
}

/** The columns view the body. Throws `DATA_ARROW_INVALID`. */
export function batchFromBody(metadata: RecordMetadata, fields: readonly PlainField[], body: Uint8Array): Batch {
  const { buffers, nulls, rows } = metadata;
  let at = 0;
  const next = (name: string, leastBytes: number): Uint8Array => {
    const [start, length] = [buffers[at] ?? -1, buffers[at + 1] ?? 0];
    at += 2;
    if (!(start >= 0 && length >= leastBytes && start + length <= body.length))
      throw arrowInvalid(`the column "${name}" is not within its batch`, undefined);
    return body.subarray(start, start + length);
  };
  const columns = fields.map(({ name, type }, index) => {
    const bits = next(name, 0);
    const bitmapBytes = Math.ceil(rows / 8);
    const some = (nulls[index] ?? 0) > 0 && bits.length > 0;
    if (some && bits.length < bitmapBytes) throw arrowInvalid(`the nulls of the column "${name}" are cut`, undefined);
    const common = { length: rows, ...(some ? { validity: bits.subarray(0, bitmapBytes) } : {}) };
    if (type === "bool")
      return [name, { type, values: next(name, bitmapBytes).subarray(0, bitmapBytes), ...common }] as const;
    if (type === "utf8" || type === "binary") {
      // Of no rows the one offset may be missing.
      const offsets = next(name, rows === 0 ? 0 : (rows + 1) * 4);
      const starts = rows === 0 ? new Int32Array(1) : new Int32Array(...placed(offsets, 4, rows + 1));
      const values = next(name, 0);
      return [name, { type, offsets: checkedOffsets(starts, values.length, name), values, ...common }] as const;
    }
    const { BYTES_PER_ELEMENT: size } = arrays[type];
    const values = new arrays[type](...placed(next(name, rows * size), size, rows));
    return [name, { type, values, ...common } as Column] as const;
  });
  return { length: rows, columns: Object.fromEntries(columns) as Record<string, Column> };
}

/** Where the numbers of a buffer are; of a copy, where they are not aligned. */
function placed(bytes: Uint8Array, size: number, length: number): [buffer: ArrayBuffer, at: number, length: number] {
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return [buffer as ArrayBuffer, byteOffset, length];
}

type NumericArray = new (buffer: ArrayBuffer, at: number, length: number) => NumericArrays[NumericType];

const arrays: Readonly<Record<NumericType, NumericArray & { readonly BYTES_PER_ELEMENT: number }>> = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  date: Int32Array,
  timestamp: BigInt64Array,
};
