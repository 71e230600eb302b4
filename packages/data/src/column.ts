import type {
  BoolColumn,
  BytesColumn,
  Column,
  ColumnType,
  DictionaryColumn,
  ListColumn,
  NumericArrays,
  NumericColumn,
  NumericType,
} from "@millwright/contracts";
import { clearBit, countBits, filledBitmap, hasBit, setBit } from "./bitmap.ts";
import { columnTooLarge, typeAmbiguous, valueInvalid } from "./errors.ts";

/** What a row of a column is in JavaScript. `int64`, `uint64` and `timestamp` are bigint; `date` is a number of days. */
export type Value = null | number | bigint | string | boolean | Uint8Array | readonly Value[];

/** What `column` takes for a row: a `Value`; for `timestamp` also a Date, for 64-bit types also a safe integer; `undefined` is null. */
export type ValueInput =
  | undefined
  | null
  | number
  | bigint
  | string
  | boolean
  | Date
  | Uint8Array
  | readonly ValueInput[];

export interface ColumnOptions {
  /** The type of the items, for `list`. */
  readonly items?: ColumnType | undefined;
}

interface NumericLayout {
  readonly make: (length: number) => NumericArrays[NumericType];
  /** Smallest and largest integer; absent for floats. */
  readonly range?: readonly [bigint, bigint];
  readonly wide?: boolean;
}

const signed = (bits: bigint): readonly [bigint, bigint] => [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n];
const unsigned = (bits: bigint): readonly [bigint, bigint] => [0n, (1n << bits) - 1n];

const layouts: Readonly<Record<NumericType, NumericLayout>> = {
  int8: { make: (length) => new Int8Array(length), range: signed(8n) },
  int16: { make: (length) => new Int16Array(length), range: signed(16n) },
  int32: { make: (length) => new Int32Array(length), range: signed(32n) },
  int64: { make: (length) => new BigInt64Array(length), range: signed(64n), wide: true },
  uint8: { make: (length) => new Uint8Array(length), range: unsigned(8n) },
  uint16: { make: (length) => new Uint16Array(length), range: unsigned(16n) },
  uint32: { make: (length) => new Uint32Array(length), range: unsigned(32n) },
  uint64: { make: (length) => new BigUint64Array(length), range: unsigned(64n), wide: true },
  float32: { make: (length) => new Float32Array(length) },
  float64: { make: (length) => new Float64Array(length) },
  date: { make: (length) => new Int32Array(length), range: signed(32n) },
  timestamp: { make: (length) => new BigInt64Array(length), range: signed(64n), wide: true },
};

/** True for types whose values are one typed-array element a row. */
export function isNumericType(type: ColumnType): type is NumericType {
  return Object.hasOwn(layouts, type);
}

export function isNumeric(column: Column): column is NumericColumn {
  return isNumericType(column.type);
}

/** @returns the typed array that holds the values of `type`, of `length` zeros. */
export function numericArray<Type extends NumericType>(type: Type, length: number): NumericArrays[Type] {
  return layouts[type].make(length) as NumericArrays[Type];
}

/** Puts a numeric column together from its parts; `values` is not copied. */
export function numericColumn<Type extends NumericType>(
  type: Type,
  values: NumericArrays[Type],
  {
    length = values.length,
    validity,
  }: { readonly length?: number | undefined; readonly validity?: Uint8Array | undefined } = {},
): NumericColumn {
  return { type, length, values, ...(validity === undefined ? {} : { validity }) } as NumericColumn;
}

/** True where the row has no value. */
export function isNull(column: Column, row: number): boolean {
  return column.validity !== undefined && !hasBit(column.validity, row);
}

/** @returns how many rows have no value. */
export function nullCount(column: Column): number {
  return column.validity === undefined ? 0 : column.length - countBits(column.validity, column.length);
}

/**
 * Builds a column from JavaScript values; null and undefined become nulls, NaN stays a value.
 * Throws `DATA_VALUE_INVALID` where a value does not fit the type exactly.
 */
export function column(type: ColumnType, values: readonly ValueInput[], options: ColumnOptions = {}): Column {
  const validity = validityOf(values);
  const rest = validity === undefined ? {} : { validity };
  switch (type) {
    case "bool":
      return { type, length: values.length, values: packBools(values), ...rest };
    case "utf8":
      return { type, length: values.length, ...encodeTexts(values), ...rest };
    case "binary":
      return { type, length: values.length, ...joinBytes(values), ...rest };
    case "dictionary":
      return { ...dictionaryOf(values), ...rest };
    case "list":
      return { ...listOf(values, options.items), ...rest };
    default:
      return numericColumn(type, packNumbers(type, values), { validity });
  }
}

function validityOf(values: readonly ValueInput[]): Uint8Array | undefined {
  let validity: Uint8Array | undefined;
  for (let row = 0; row < values.length; row += 1) {
    if (values[row] != null) continue;
    validity ??= filledBitmap(values.length);
    clearBit(validity, row);
  }
  return validity;
}

function packNumbers<Type extends NumericType>(type: Type, values: readonly ValueInput[]): NumericArrays[Type] {
  const { range, wide } = layouts[type];
  const packed = numericArray(type, values.length);
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (value == null) continue;
    const number = value instanceof Date && type === "timestamp" ? microsecondsOf(value) : value;
    if (range === undefined) {
      if (typeof number !== "number") throw valueInvalid(type, row, value);
      (packed as Float64Array)[row] = number;
      continue;
    }
    const whole =
      typeof number === "bigint"
        ? number
        : typeof number === "number" && Number.isSafeInteger(number)
          ? BigInt(number)
          : undefined;
    if (whole === undefined || whole < range[0] || whole > range[1]) throw valueInvalid(type, row, value);
    if (wide === true) (packed as BigInt64Array)[row] = whole;
    else (packed as Int32Array)[row] = Number(whole);
  }
  return packed;
}

function microsecondsOf(date: Date): bigint | undefined {
  const milliseconds = date.getTime();
  return Number.isNaN(milliseconds) ? undefined : BigInt(milliseconds) * 1000n;
}

function packBools(values: readonly ValueInput[]): Uint8Array {
  const bits = new Uint8Array((values.length + 7) >> 3);
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (value == null) continue;
    if (typeof value !== "boolean") throw valueInvalid("bool", row, value);
    if (value) setBit(bits, row);
  }
  return bits;
}

const encoder = new TextEncoder();

function encodeTexts(
  values: readonly ValueInput[],
  type = "utf8",
): { readonly values: Uint8Array; readonly offsets: Int32Array } {
  const offsets = new Int32Array(values.length + 1);
  let bytes = new Uint8Array(Math.max(64, values.length * 8));
  let end = 0;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (value != null) {
      if (typeof value !== "string") throw valueInvalid(type, row, value);
      // A UTF-16 unit takes three bytes at most.
      const needed = end + value.length * 3;
      if (needed > bytes.length) {
        const grown = new Uint8Array(Math.max(needed, bytes.length * 2));
        grown.set(bytes.subarray(0, end));
        bytes = grown;
      }
      end += encoder.encodeInto(value, bytes.subarray(end)).written;
      if (end > 0x7fffffff) throw columnTooLarge(end);
    }
    offsets[row + 1] = end;
  }
  return { values: bytes.slice(0, end), offsets };
}

function joinBytes(values: readonly ValueInput[]): { readonly values: Uint8Array; readonly offsets: Int32Array } {
  const offsets = new Int32Array(values.length + 1);
  let end = 0;
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (value != null && !(value instanceof Uint8Array)) throw valueInvalid("binary", row, value);
    end += value?.length ?? 0;
    if (end > 0x7fffffff) throw columnTooLarge(end);
    offsets[row + 1] = end;
  }
  const bytes = new Uint8Array(end);
  for (let row = 0; row < values.length; row += 1) bytes.set((values[row] as Uint8Array | null) ?? [], offsets[row]);
  return { values: bytes, offsets };
}

function dictionaryOf(values: readonly ValueInput[]): DictionaryColumn {
  const positions = new Map<string, number>();
  const indices = new Int32Array(values.length);
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (value == null) continue;
    if (typeof value !== "string") throw valueInvalid("dictionary", row, value);
    let position = positions.get(value);
    if (position === undefined) {
      position = positions.size;
      positions.set(value, position);
    }
    indices[row] = position;
  }
  return { type: "dictionary", length: values.length, values: indices, dictionary: textColumn([...positions.keys()]) };
}

/** @returns a `utf8` column without nulls. */
export function textColumn(values: readonly string[]): BytesColumn {
  return { type: "utf8", length: values.length, ...encodeTexts(values) };
}

function listOf(values: readonly ValueInput[], items: ColumnType | undefined): ListColumn {
  if (items === undefined) throw typeAmbiguous("list", "a list needs the type of its items");
  const offsets = new Int32Array(values.length + 1);
  const flat: ValueInput[] = [];
  for (let row = 0; row < values.length; row += 1) {
    const value = values[row];
    if (value != null) {
      if (!Array.isArray(value)) throw valueInvalid("list", row, value);
      for (const item of value as readonly ValueInput[]) flat.push(item);
    }
    offsets[row + 1] = flat.length;
  }
  return { type: "list", length: values.length, values: column(items, flat), offsets };
}

/** @returns a `bool` column over a bitmap; nothing is copied. */
export function boolColumn(bits: Uint8Array, length: number, validity?: Uint8Array): BoolColumn {
  return { type: "bool", length, values: bits, ...(validity === undefined ? {} : { validity }) };
}
