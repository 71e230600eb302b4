import type { ColumnType } from "./column.ts";
import { parseDate, parseEventTime } from "./event-time.ts";
import type { AnyDeclaration } from "./field-declaration.ts";

/** The value as it is in memory, or what was expected instead. */
export type ReadValue =
  | { readonly value: unknown; readonly problem?: undefined }
  | { readonly problem: string; readonly value?: undefined };

/** Least and greatest value of each integer type. */
export const integerRanges: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  uint8: [0, 255],
  uint16: [0, 65_535],
  uint32: [0, 4_294_967_295],
  date: [-719_528, 2_932_896],
};

export const longRanges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  timestamp: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** The greatest double that rounds to a finite float32. */
export const float32Limit = 3.4028235677973366e38;

/** Reads one value of a field, as it may be given, into what it is in memory. */
export function readValue(declaration: AnyDeclaration, given: unknown): ReadValue {
  if (given === null || given === undefined) {
    return declaration.nullable ? { value: null } : { problem: `expected a value of type ${declaration.type}` };
  }
  if (declaration.type !== "list") return readItem(declaration.type, declaration, given);
  if (!Array.isArray(given)) return { problem: "expected a list" };
  const values: unknown[] = [];
  for (const item of given) {
    const read = readItem(declaration.items ?? "utf8", {}, item);
    if (read.problem !== undefined) return { problem: `items: ${read.problem}` };
    values.push(read.value);
  }
  return { value: values };
}

type Limits = Pick<AnyDeclaration, "minimum" | "maximum" | "values">;

function readItem(type: ColumnType, limits: Limits, given: unknown): ReadValue {
  switch (type) {
    case "bool":
      return typeof given === "boolean" ? { value: given } : { problem: "expected true or false" };
    case "utf8":
      return typeof given === "string" ? { value: given } : { problem: "expected text" };
    case "dictionary":
      return readWord(limits.values, given);
    case "binary":
      return readBytes(given);
    case "float32":
    case "float64":
      return readFloat(type, limits, given);
    case "int64":
    case "uint64":
      return readLong(type, given);
    case "timestamp":
      return typeof given === "string" ? attempt(() => parseEventTime(given), "a time in UTC") : readTime(given);
    case "date":
      return typeof given === "string" ? attempt(() => parseDate(given), "a date") : readInteger(type, limits, given);
    case "list":
      return { problem: "expected no list within a list" };
    default:
      return readInteger(type, limits, given);
  }
}

function readWord(values: readonly string[] | undefined, given: unknown): ReadValue {
  if (typeof given !== "string") return { problem: "expected text" };
  if (values === undefined || values.includes(given)) return { value: given };
  return { problem: `expected one of ${values.join(", ")}` };
}

function attempt(read: () => unknown, what: string): ReadValue {
  try {
    return { value: read() };
  } catch {
    return { problem: `expected ${what}` };
  }
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function readBytes(given: unknown): ReadValue {
  if (given instanceof Uint8Array) return { value: given };
  if (typeof given === "string" && base64.test(given)) return { value: Uint8Array.from(Buffer.from(given, "base64")) };
  return { problem: "expected bytes, or base64" };
}

const inRange = (value: number, { minimum = -Infinity, maximum = Infinity }: Limits): boolean =>
  Number.isNaN(value) || (value >= minimum && value <= maximum);

const rangeText = ({ minimum, maximum }: Limits): string =>
  `${minimum === undefined ? "" : ` of at least ${minimum}`}${maximum === undefined ? "" : ` of at most ${maximum}`}`;

function readFloat(type: "float32" | "float64", limits: Limits, given: unknown): ReadValue {
  const text = typeof given === "string" && ["NaN", "Infinity", "-Infinity", "-0"].includes(given);
  const value = text ? Number(given) : given;
  if (typeof value !== "number" || !inRange(value, limits)) return { problem: `expected a number${rangeText(limits)}` };
  if (type === "float32" && Number.isFinite(value) && Math.abs(value) >= float32Limit) {
    return { problem: "expected a number that float32 can hold" };
  }
  return { value };
}

function readInteger(type: ColumnType, limits: Limits, given: unknown): ReadValue {
  const [least, greatest] = integerRanges[type] ?? [0, 0];
  if (!Number.isInteger(given) || !inRange(given as number, limits)) {
    return { problem: `expected an integer${rangeText(limits)}` };
  }
  const value = given as number;
  if (value < least || value > greatest) return { problem: `expected an integer from ${least} to ${greatest}` };
  return { value: value + 0 };
}

function readLong(type: ColumnType, given: unknown): ReadValue {
  const exact = typeof given === "bigint" || (typeof given === "number" && Number.isSafeInteger(given));
  const text = typeof given === "string" && /^-?(0|[1-9]\d{0,19})$/.test(given);
  if (!exact && !text) return { problem: "expected an integer (as text beyond 2^53 - 1)" };
  const value = BigInt(given as bigint | number | string);
  const [least, greatest] = longRanges[type] ?? [0n, 0n];
  return value < least || value > greatest
    ? { problem: `expected an integer from ${least} to ${greatest}` }
    : { value };
}

const readTime = (given: unknown): ReadValue =>
  typeof given === "bigint" ? readLong("timestamp", given) : { problem: "expected a time in UTC" };
