import { valueInvalid } from "./errors.ts";
import type { JsonValue } from "./json.ts";

/** What `encodeNumbers` takes beside JSON: 64-bit integers, undefined properties (left out). */
export type NumericValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly NumericValue[]
  | { readonly [key: string]: NumericValue | undefined };

/** The one key of an object that stands for a number JSON has no text for. */
const mark = "$number";

/**
 * Makes a value that JSON carries exactly: NaN, infinities, −0 and bigints become `{ "$number": "NaN" | "Infinity" | "-Infinity" | "-0" | "12n" }`.
 * Objects of the caller's own with a key `$number` survive: they are wrapped as `{ "$number": "object", "value": … }`.
 */
export function encodeNumbers(value: NumericValue): JsonValue {
  if (typeof value === "bigint") return { [mark]: `${value}n` };
  if (typeof value === "number") {
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { [mark]: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (value === null || typeof value !== "object") return value;
  if (isArray(value)) return value.map(encodeNumbers);
  const encoded = mapMembers(value, encodeNumbers);
  return Object.hasOwn(encoded, mark) ? { [mark]: "object", value: encoded } : encoded;
}

/** The inverse of `encodeNumbers`. Throws `CONTRACTS_VALUE_INVALID` for a mark it does not know. */
export function decodeNumbers(value: JsonValue): NumericValue {
  return decode(value, "$");
}

function decode(value: JsonValue, path: string): NumericValue {
  if (value === null || typeof value !== "object") return value;
  if (isArray(value)) return value.map((item, index) => decode(item, `${path}[${index}]`));
  if (!Object.hasOwn(value, mark)) return mapMembers(value, (member, key) => decode(member, `${path}.${key}`));
  const code = value[mark];
  const wrapped = value["value"];
  if (code === "object" && wrapped !== null && typeof wrapped === "object" && !isArray(wrapped)) {
    return mapMembers(wrapped, (member, key) => decode(member, `${path}.${key}`));
  }
  if (typeof code === "string") {
    if (/^-?\d+n$/.test(code)) return BigInt(code.slice(0, -1));
    if (["NaN", "Infinity", "-Infinity", "-0"].includes(code)) return Number(code);
  }
  throw valueInvalid("number", `${path}.${mark}`, code, "expected NaN, Infinity, -Infinity, -0 or an integer with n");
}

/** `Array.isArray` that also narrows read-only arrays. */
const isArray = <Item>(value: readonly Item[] | object): value is readonly Item[] => Array.isArray(value);

function mapMembers<From, To>(
  members: { readonly [key: string]: From | undefined },
  map: (member: From, key: string) => To,
): { readonly [key: string]: To } {
  // `fromEntries` defines a key `__proto__` as a property, where an assignment would set the prototype.
  return Object.fromEntries(
    Object.entries(members).flatMap(([key, member]) =>
      member === undefined ? [] : [[key, map(member, key)] as const],
    ),
  );
}
