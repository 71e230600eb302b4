import { type Column, type ColumnType, formatEventTime } from "@millwright/contracts";
import { sliceColumn, toArray } from "@millwright/data";

/** Writes a column as the JSON text of a list. */
export type ColumnWriter = (column: Column) => string;

/** How values stand in JSON where it has no text of its own for them. */
interface Dialect {
  float(value: number): string;
  timestamp(us: bigint): string;
  /** What stands before and after each 64-bit integer. */
  readonly quote: "" | '"';
}

const house: Dialect = {
  float: (value) => (Number.isFinite(value) ? (Object.is(value, -0) ? '"-0"' : String(value)) : `"${String(value)}"`),
  timestamp: (us) => `"${timeText(us)}"`,
  quote: '"',
};

const feast: Dialect = {
  // Python takes a number without a point for an integer.
  float: (value) => {
    if (!Number.isFinite(value)) return `"${String(value)}"`;
    if (Object.is(value, -0)) return "-0.0";
    return Number.isInteger(value) && Math.abs(value) < 1e21 ? `${value}.0` : String(value);
  },
  // Whole seconds, rounded down: all that Feast's type holds.
  timestamp: (us) => String((us - (((us % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n),
  quote: "",
};

/** As `formatEventTime`, without its bigints where numbers are exact. */
function timeText(us: bigint): string {
  const number = Number(us);
  if (!(Math.abs(number) <= Number.MAX_SAFE_INTEGER)) return formatEventTime(us);
  const seconds = Math.floor(number / 1e6);
  const rest = number - seconds * 1e6;
  const text = new Date(seconds * 1000).toISOString();
  if (rest === 0) return `${text.slice(0, 19)}Z`;
  const digits = String(rest).padStart(6, "0");
  return `${text.slice(0, 19)}.${digits.endsWith("000") ? digits.slice(0, 3) : digits}Z`;
}

const dateText = (days: number): string => `"${new Date(days * 86_400_000).toISOString().slice(0, 10)}"`;

/** @returns a writer of lists of values, each written by `text`. */
function each<Value>(text: (value: Value) => string | number | bigint): ColumnWriter {
  return ({ values: given, length, validity }) => {
    const values = given as unknown as ArrayLike<Value>;
    const texts = new Array<string | number | bigint>(length);
    for (let row = 0; row < length; row++) {
      const isThere = validity === undefined || ((validity[row >> 3]! >> (row & 7)) & 1) === 1;
      texts[row] = isThere ? text(values[row]!) : "null";
    }
    return `[${texts.join(",")}]`;
  };
}

function writersOf({ float, timestamp, quote }: Dialect): (type: ColumnType) => ColumnWriter {
  const plain = each<number>((value) => value);
  const wide = quote === "" ? each<bigint>((value) => value) : each<bigint>((value) => quote + value + quote);
  const floats = each(float);
  const writers: Readonly<Partial<Record<ColumnType, ColumnWriter>>> = {
    int8: plain,
    int16: plain,
    int32: plain,
    int64: wide,
    uint8: plain,
    uint16: plain,
    uint32: plain,
    uint64: wide,
    float32: floats,
    float64: floats,
    date: each(dateText),
    timestamp: each(timestamp),
  };
  const writerOf = (type: ColumnType): ColumnWriter => writers[type] ?? (type === "list" ? lists : plainJson);
  /** Items as columns of their type are written. */
  const lists: ColumnWriter = (column) => {
    if (column.type !== "list") return plainJson(column);
    const { values, offsets, length, validity } = column;
    const write = writerOf(values.type);
    const texts = Array.from({ length }, (_, row) => {
      const isThere = validity === undefined || ((validity[row >> 3]! >> (row & 7)) & 1) === 1;
      return isThere ? write(sliceColumn(values, offsets[row]!, offsets[row + 1]!)) : "null";
    });
    return `[${texts.join(",")}]`;
  };
  return writerOf;
}

const plainJson: ColumnWriter = (column) => JSON.stringify(toArray(column));

/** The house's JSON: 64-bit integers, NaN, infinities and −0 as text, timestamps and dates as UTC text. */
export const columnWriter: (type: ColumnType) => ColumnWriter = writersOf(house);

/** Feast's JSON: every digit of an integer, a point in every float, NaN and infinities as text, timestamps in whole seconds. */
export const feastColumnWriter: (type: ColumnType) => ColumnWriter = writersOf(feast);
