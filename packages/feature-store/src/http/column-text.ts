import { type Column, type ColumnType, formatEventTime } from "@millwright/contracts";
import { sliceColumn, toArray } from "@millwright/data";
import { JsonBytes } from "./json-bytes.ts";
import { NUMBER_BYTES, writeAscii, writeNumber } from "./number-text.ts";

/** Writes a column as a list of JSON. */
export type ColumnWriter = (column: Column, to: JsonBytes) => void;

/** Writes one value, of at most `NUMBER_BYTES`. @returns where its bytes end. */
type ValueWriter<Value> = (bytes: Uint8Array, at: number, value: Value) => number;

/** How values stand in JSON where it has no text of its own for them. */
interface Dialect {
  readonly float: ValueWriter<number>;
  readonly timestamp: ValueWriter<bigint>;
  readonly wide: ValueWriter<bigint>;
}

const house: Dialect = {
  float: (bytes, at, value) => {
    if (Number.isFinite(value) && !(value === 0 && Object.is(value, -0))) return writeNumber(bytes, at, value);
    return writeAscii(bytes, at, value === 0 ? '"-0"' : `"${String(value)}"`);
  },
  timestamp: (bytes, at, us) => writeAscii(bytes, at, `"${timeText(us)}"`),
  wide: (bytes, at, value) => writeAscii(bytes, at, `"${value}"`),
};

const feast: Dialect = {
  // Python takes a number without a point for an integer.
  float: (bytes, at, value) => {
    if (Number.isInteger(value) && Math.abs(value) < 1e21) {
      const start = value === 0 && Object.is(value, -0) ? writeAscii(bytes, at, "-") : at;
      return writeAscii(bytes, writeNumber(bytes, start, value), ".0");
    }
    return Number.isFinite(value) ? writeNumber(bytes, at, value) : writeAscii(bytes, at, `"${String(value)}"`);
  },
  // Whole seconds, rounded down: all that Feast's type holds.
  timestamp: (bytes, at, us) =>
    writeAscii(bytes, at, String((us - (((us % 1_000_000n) + 1_000_000n) % 1_000_000n)) / 1_000_000n)),
  wide: (bytes, at, value) => writeAscii(bytes, at, String(value)),
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

const NULL = "null";
const [OPEN, COMMA, CLOSE] = [91, 44, 93];

/** @returns a writer of lists of values, each written by `write`. */
function each<Value>(write: ValueWriter<Value>): ColumnWriter {
  return ({ values: given, length, validity }, to) => {
    const values = given as unknown as ArrayLike<Value>;
    to.reserve(length * (NUMBER_BYTES + 1) + 2);
    const { bytes } = to;
    let at = to.length;
    bytes[at++] = OPEN;
    for (let row = 0; row < length; row++) {
      if (row > 0) bytes[at++] = COMMA;
      const isThere = validity === undefined || ((validity[row >> 3]! >> (row & 7)) & 1) === 1;
      at = isThere ? write(bytes, at, values[row]!) : writeAscii(bytes, at, NULL);
    }
    bytes[at++] = CLOSE;
    to.length = at;
  };
}

const writeDate: ValueWriter<number> = (bytes, at, days) =>
  writeAscii(bytes, at, `"${new Date(days * 86_400_000).toISOString().slice(0, 10)}"`);

function writersOf({ float, timestamp, wide }: Dialect): (type: ColumnType) => ColumnWriter {
  const [plain, wides, floats] = [each(writeNumber), each(wide), each(float)];
  const writers: Readonly<Partial<Record<ColumnType, ColumnWriter>>> = {
    int8: plain,
    int16: plain,
    int32: plain,
    int64: wides,
    uint8: plain,
    uint16: plain,
    uint32: plain,
    uint64: wides,
    float32: floats,
    float64: floats,
    date: each(writeDate),
    timestamp: each(timestamp),
  };
  const writerOf = (type: ColumnType): ColumnWriter => writers[type] ?? (type === "list" ? lists : plainJson);
  /** Items as columns of their type are written. */
  const lists: ColumnWriter = (column, to) => {
    if (column.type !== "list") return plainJson(column, to);
    const { values, offsets, length, validity } = column;
    const write = writerOf(values.type);
    to.text("[");
    for (let row = 0; row < length; row++) {
      if (row > 0) to.text(",");
      const isThere = validity === undefined || ((validity[row >> 3]! >> (row & 7)) & 1) === 1;
      if (isThere) write(sliceColumn(values, offsets[row]!, offsets[row + 1]!), to);
      else to.text(NULL);
    }
    to.text("]");
  };
  return writerOf;
}

const plainJson: ColumnWriter = (column, to) => to.text(JSON.stringify(toArray(column)));

/** The house's JSON: 64-bit integers, NaN, infinities and −0 as text, timestamps and dates as UTC text. */
export const columnWriter: (type: ColumnType) => ColumnWriter = writersOf(house);

/** Feast's JSON: every digit of an integer, a point in every float, NaN and infinities as text, timestamps in whole seconds. */
export const feastColumnWriter: (type: ColumnType) => ColumnWriter = writersOf(feast);

/** What a writer writes of a column, as text. */
export function columnText(write: ColumnWriter, column: Column): string {
  const to = new JsonBytes(256);
  write(column, to);
  return new TextDecoder().decode(to.done());
}
