import { type ColumnType, parseDate, parseEventTime } from "@millwright/contracts";
import type { ValueInput } from "@millwright/data";

/** Takes one value from JSON to what `column` builds of. */
export interface ValueReader {
  /** @returns undefined where the value does not fit. Null is not asked about: it is null in every column. */
  read(value: unknown): ValueInput | undefined;
  /** What fits, for a message. */
  readonly wanted: string;
}

export type ValueReaders = Readonly<Partial<Record<ColumnType, ValueReader>>>;

const integer = (low: bigint, high: bigint): ValueReader => ({
  read: (value) => {
    const fits = Number.isSafeInteger(value) || (typeof value === "string" && /^-?\d{1,20}$/.test(value));
    const whole = fits ? BigInt(value as number | string) : undefined;
    return whole === undefined || whole < low || whole > high ? undefined : whole;
  },
  wanted: `an integer from ${low} to ${high}, beyond 2^53 as text`,
});

const notFinite = new Set<unknown>(["NaN", "Infinity", "-Infinity", "-0"]);

/** JSON reads 1e999 as infinite, and a single float 1e39: what is infinite must say so. */
const float = (single: (value: number) => number): ValueReader => ({
  read: (value) => {
    if (typeof value === "number") return Number.isFinite(single(value)) ? value : undefined;
    return notFinite.has(value) ? Number(value) : undefined;
  },
  wanted: 'a number within the range of the type, or "NaN", "Infinity", "-Infinity" or "-0"',
});

/** What `parse` makes of a text, or undefined where it throws. */
function attempt<Value>(parse: (text: string) => Value, value: unknown): Value | undefined {
  if (typeof value !== "string") return undefined;
  try {
    return parse(value);
  } catch {
    return undefined;
  }
}

/** The house's JSON: 64-bit integers, NaN, infinities and −0 as text, timestamps and dates as UTC text, the rest as JSON has it. */
export const valueReaders: ValueReaders = {
  int8: integer(-128n, 127n),
  int16: integer(-32_768n, 32_767n),
  int32: integer(-(2n ** 31n), 2n ** 31n - 1n),
  int64: integer(-(2n ** 63n), 2n ** 63n - 1n),
  uint8: integer(0n, 255n),
  uint16: integer(0n, 65_535n),
  uint32: integer(0n, 2n ** 32n - 1n),
  uint64: integer(0n, 2n ** 64n - 1n),
  float32: float(Math.fround),
  float64: float(Number),
  bool: { read: (value) => (typeof value === "boolean" ? value : undefined), wanted: "true or false" },
  utf8: { read: (value) => (typeof value === "string" ? value : undefined), wanted: "text" },
  timestamp: {
    read: (value) => attempt(parseEventTime, value),
    wanted: 'UTC time as text, such as "2024-05-01T12:00:00Z", with up to six decimals',
  },
  date: { read: (value) => attempt(parseDate, value), wanted: 'a date as text, such as "2024-05-01"' },
};

/** A time as Python writes it: `T` or a space between, any offset or none (then UTC), seconds and their decimals optional. */
const pythonTime =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|[+-]\d{2}(?::?\d{2})?)?$/i;

/**
 * A time as clients of Feast send it, in microseconds since 1970; text without an offset is UTC, nanoseconds are cut, numbers are seconds.
 * @returns undefined where it is no time.
 */
export function parsePythonTime(value: unknown): bigint | undefined {
  if (typeof value === "number") {
    return Number.isFinite(value) && Math.abs(value) < 1e12 ? inYears(BigInt(Math.round(value * 1e6))) : undefined;
  }
  const match = typeof value === "string" ? pythonTime.exec(value.trim()) : null;
  if (match === null) return undefined;
  const [, day, hour = "00", minute = "00", second = "00", fraction = "", zone = "Z"] = match;
  const text = `${day}T${hour}:${minute}:${second}${fraction === "" ? "" : `.${fraction.slice(0, 6)}`}Z`;
  const local = attempt(parseEventTime, text);
  return local === undefined ? undefined : inYears(local - offsetUs(zone));
}

const offsetUs = (zone: string): bigint => {
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone);
  if (match === null) return 0n;
  const minutes = BigInt(match[2] ?? 0) * 60n + BigInt(match[3] ?? 0);
  return (match[1] === "-" ? -1n : 1n) * minutes * 60_000_000n;
};

/** The time, where it is within the years 0000 to 9999. */
const inYears = (us: bigint): bigint | undefined => (us >= firstTimeUs && us <= lastTimeUs ? us : undefined);

/** The first and the last microsecond of the years 0000 to 9999, since 1970: what UTC text can say. */
export const firstTimeUs = -62_167_219_200_000_000n;
export const lastTimeUs = 253_402_300_799_999_999n;

const integers = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] as const;

/** Feast's JSON: as the house's, and what pandas would take beside: times in any ISO 8601 form or in seconds, numbers as text, whole floats as integers. */
export const feastValueReaders: ValueReaders = {
  ...valueReaders,
  ...Object.fromEntries(integers.map((type) => [type, lenientInteger(valueReaders[type])])),
  float32: lenientFloat(valueReaders.float32),
  float64: lenientFloat(valueReaders.float64),
  bool: {
    read: (value) => (typeof value === "boolean" ? value : value === 0 || value === 1 ? value === 1 : undefined),
    wanted: "true or false",
  },
  timestamp: { read: parsePythonTime, wanted: "a time as ISO 8601 text, or seconds since 1970" },
};

function lenientInteger(strict: ValueReader | undefined): ValueReader {
  return {
    wanted: strict?.wanted ?? "an integer",
    read: (value) => strict?.read(typeof value === "string" ? value.trim().replace(/\.0+$/, "") : value),
  };
}

function lenientFloat(strict: ValueReader | undefined): ValueReader {
  const number = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
  return {
    wanted: strict?.wanted ?? "a number",
    read: (value) =>
      strict?.read(typeof value === "string" && number.test(value.trim()) ? finite(Number(value)) : value),
  };
}

/** The sign of −0 is text, as it is in the house's JSON. */
const finite = (value: number): number | string => (Object.is(value, -0) ? "-0" : value);
