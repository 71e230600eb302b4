/**
 * Columns in Arrow's physical layout: typed arrays and bitmaps, nothing else, so that they survive `structuredClone`, can be
 * transferred to a worker and are viewed by apache-arrow without copying.
 */

/** Types whose values are one typed-array element a row. */
export type NumericType =
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float32"
  | "float64"
  /** Days since 1970-01-01. */
  | "date"
  /** Microseconds since 1970-01-01T00:00:00Z, UTC. */
  | "timestamp";

export type ColumnType = NumericType | "bool" | "utf8" | "binary" | "dictionary" | "list";

/** The typed array that holds the values of each numeric type. */
export interface NumericArrays {
  readonly int8: Int8Array;
  readonly int16: Int16Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly uint8: Uint8Array;
  readonly uint16: Uint16Array;
  readonly uint32: Uint32Array;
  readonly uint64: BigUint64Array;
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly date: Int32Array;
  readonly timestamp: BigInt64Array;
}

interface ColumnBase {
  /** Rows. */
  readonly length: number;
  /**
   * Null bitmap: bit `i & 7` of byte `i >> 3`, least significant first, is 1 where row `i` has a value. Absent when no row is null.
   * Nulls live here only: a NaN is a value.
   */
  readonly validity?: Uint8Array | undefined;
}

export type NumericColumn = {
  [Type in NumericType]: ColumnBase & {
    readonly type: Type;
    /** At least `length` elements; those of null rows hold anything. */
    readonly values: NumericArrays[Type];
  };
}[NumericType];

export interface BoolColumn extends ColumnBase {
  readonly type: "bool";
  /** Bitmap in the order of `validity`. */
  readonly values: Uint8Array;
}

export interface BytesColumn extends ColumnBase {
  readonly type: "utf8" | "binary";
  /** All rows' bytes one after another. */
  readonly values: Uint8Array;
  /** `length + 1` positions in `values`: row `i` is `values[offsets[i] .. offsets[i + 1])`. */
  readonly offsets: Int32Array;
}

export interface DictionaryColumn extends ColumnBase {
  readonly type: "dictionary";
  /** Row → position in `dictionary`. */
  readonly values: Int32Array;
  /** Distinct strings; none is null. */
  readonly dictionary: BytesColumn;
}

export interface ListColumn extends ColumnBase {
  readonly type: "list";
  /** All rows' items one after another. */
  readonly values: Column;
  /** `length + 1` positions in `values`. */
  readonly offsets: Int32Array;
}

export type Column = NumericColumn | BoolColumn | BytesColumn | DictionaryColumn | ListColumn;

/** A named column's type, as it stands in a schema. */
export interface Field {
  readonly name: string;
  readonly type: ColumnType;
  /** The type of the items; present exactly when `type` is `"list"`. */
  readonly items?: ColumnType | undefined;
  /** Whether rows may be null. Default: true. */
  readonly nullable?: boolean | undefined;
}

/** Fields in column order; names are unique. */
export type Schema = readonly Field[];

/** Named columns of equal length. The order of columns is that of the schema it came with, else of the keys. */
export interface Batch {
  /** Rows. */
  readonly length: number;
  readonly columns: Readonly<Record<string, Column>>;
}
