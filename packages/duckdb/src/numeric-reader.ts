import { DuckDBTypeId, type DuckDBDecimalType, type DuckDBType } from "@duckdb/node-api";
import duckdb from "@duckdb/node-bindings";
import type { Column, NumericArrays, NumericType } from "@millwright/contracts";
import { createBitmapBuilder } from "./bitmap.ts";
import { validityOf, withoutAbsentValidity, type ColumnReader } from "./vector.ts";
import { fromDuckDb } from "./errors.ts";

type NumericArray = NumericArrays[NumericType];
type NumericArrayMaker = new (buffer: ArrayBuffer | number, offset?: number, length?: number) => NumericArray;

const ARRAYS: { readonly [Type in NumericType]: NumericArrayMaker } = {
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
} as unknown as { readonly [Type in NumericType]: NumericArrayMaker };

/** Turns a vector's bytes into values; `mask` marks rows that hold anything. */
type Decode = (raw: Uint8Array, rows: number, mask: Uint8Array | undefined) => NumericArray;

/** Reads types of one element a row: as they stand where DuckDB's layout is ours, converted where it is not. */
export function createNumericReader(name: string, type: NumericType, source: DuckDBType): ColumnReader {
  const Values = ARRAYS[type];
  const { bytes, decode } = decoderOf(name, type, source);
  let loaded: NumericArray = new Values(0);
  let mask: Uint8Array | undefined;
  let values: NumericArray = new Values(2048);
  let length = 0;
  let validity = createBitmapBuilder();
  return {
    load(vector, rows) {
      mask = validityOf(vector, rows);
      loaded = decode(duckdb.vector_get_data(vector, rows * bytes), rows, mask);
    },
    take(start, count) {
      if (values.length < length + count) {
        const larger = new Values(Math.max(length + count, values.length * 2));
        copyInto(larger, values, 0);
        values = larger;
      }
      copyInto(values, loaded.subarray(start, start + count), length);
      length += count;
      validity.append(mask, start, count);
    },
    finish() {
      // The caller owns what it gets: the room itself where it is full, as for whole batches it is, or else an exact copy.
      const isFull = length === values.length;
      const column = { type, length, values: isFull ? values : values.slice(0, length), validity: validity.finish() };
      if (isFull) values = new Values(length);
      length = 0;
      validity = createBitmapBuilder();
      return withoutAbsentValidity(column as Column);
    },
    view: () => withoutAbsentValidity({ type, length: loaded.length, values: loaded, validity: mask } as Column),
  };
}

/** Both are arrays of one and the same kind, which TypeScript cannot follow through the union. */
function copyInto(target: NumericArray, source: NumericArray, at: number): void {
  (target as Uint8Array).set(source as Uint8Array, at);
}

function decoderOf(name: string, type: NumericType, source: DuckDBType): { bytes: number; decode: Decode } {
  switch (source.typeId) {
    case DuckDBTypeId.DECIMAL:
      return decimalDecoder(source as DuckDBDecimalType);
    case DuckDBTypeId.HUGEINT:
      return { bytes: 16, decode: (raw, rows, mask) => hugeToInt64(name, raw, rows, mask) };
    case DuckDBTypeId.TIMESTAMP_S:
      return { bytes: 8, decode: (raw, rows) => int64(raw, rows).map((value) => value * 1_000_000n) };
    case DuckDBTypeId.TIMESTAMP_MS:
      return { bytes: 8, decode: (raw, rows) => int64(raw, rows).map((value) => value * 1000n) };
    case DuckDBTypeId.TIMESTAMP_NS:
      return { bytes: 8, decode: (raw, rows) => int64(raw, rows).map(floorToMicroseconds) };
    default: {
      const Values = ARRAYS[type];
      const bytes = new Values(0).BYTES_PER_ELEMENT;
      return { bytes, decode: (raw, rows) => new Values(raw.buffer as ArrayBuffer, raw.byteOffset, rows) };
    }
  }
}

function int64(raw: Uint8Array, rows: number): BigInt64Array {
  return new BigInt64Array(raw.buffer as ArrayBuffer, raw.byteOffset, rows);
}

/** Rounds down, also before 1970, so that order is kept. */
function floorToMicroseconds(nanoseconds: bigint): bigint {
  const quotient = nanoseconds / 1000n;
  return nanoseconds % 1000n < 0n ? quotient - 1n : quotient;
}

/** DECIMAL(width, scale) is a scaled integer of 2, 4, 8 or 16 bytes, by its width. The nearest double of each is given. */
function decimalDecoder({ width, scale }: DuckDBDecimalType): { bytes: number; decode: Decode } {
  const divisor = 10 ** scale;
  if (width <= 9) {
    const bytes = width <= 4 ? 2 : 4;
    const Integers = bytes === 2 ? Int16Array : Int32Array;
    return {
      bytes,
      decode: (raw, rows) =>
        Float64Array.from(new Integers(raw.buffer as ArrayBuffer, raw.byteOffset, rows), (value) => value / divisor),
    };
  }
  const bytes = width <= 18 ? 8 : 16;
  return {
    bytes,
    decode(raw, rows) {
      const words = new BigInt64Array(raw.buffer as ArrayBuffer, raw.byteOffset, (rows * bytes) / 8);
      const result = new Float64Array(rows);
      for (let i = 0; i < rows; i++) {
        const value = bytes === 8 ? words[i]! : (words[2 * i + 1]! << 64n) | BigInt.asUintN(64, words[2 * i]!);
        const integer = Number(value);
        // One rounding only: by division where numerator and 10^scale are exact, by the parser of decimals otherwise.
        const isExact = Number.isSafeInteger(integer) && scale <= 22;
        result[i] = isExact ? integer / divisor : Number(`${value}e-${scale}`);
      }
      return result;
    },
  };
}

/** Sums of integers are HUGEINT in DuckDB; nearly all fit in 64 bits, and one that does not must not be cut silently. */
function hugeToInt64(name: string, raw: Uint8Array, rows: number, mask: Uint8Array | undefined): BigInt64Array {
  const halves = new BigInt64Array(raw.buffer as ArrayBuffer, raw.byteOffset, rows * 2);
  const result = new BigInt64Array(rows);
  for (let i = 0; i < rows; i++) {
    const low = halves[2 * i]!;
    const present = mask === undefined || ((mask[i >> 3]! >> (i & 7)) & 1) === 1;
    if (present && halves[2 * i + 1]! !== low >> 63n) {
      throw fromDuckDb(`Out of Range Error: the column "${name}" has a HUGEINT that does not fit in 64 bits`);
    }
    result[i] = low;
  }
  return result;
}
