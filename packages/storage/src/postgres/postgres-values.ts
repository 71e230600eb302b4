import { valueUnsupported } from "../errors.ts";
import { problemOfValue } from "../storable-value.ts";

/** Values as `pg` takes them, refused where SQLite refuses them. */
export function boundValues(sql: string, values: readonly unknown[]): unknown[] {
  return values.map((value, position) => {
    if (typeof value === "function" || typeof value === "symbol") {
      throw new TypeError("A value of this statement cannot be sent to the database.");
    }
    const problem = problemOfValue(value);
    if (problem !== undefined) throw valueUnsupported(sql, position, problem);
    return typeof value === "boolean" ? Number(value) : value;
  });
}

/** Bytes that the values of a row take, roughly. */
export function sizeOfValues(values: readonly unknown[]): number {
  let bytes = 0;
  for (const value of values) {
    if (typeof value === "string") bytes += value.length;
    else if (ArrayBuffer.isView(value)) bytes += value.byteLength;
    else bytes += 8;
  }
  return bytes;
}

/** Object identifiers of types: src/include/catalog/pg_type.dat of PostgreSQL. */
const [bool, bytea, int8, int2, int4, oid, float4, float8, numeric] = [16, 17, 20, 21, 23, 26, 700, 701, 1700];

const parsers = new Map<number, (text: string) => unknown>([
  // SQLite has no booleans.
  [bool, (text) => (text === "t" ? 1 : 0)],
  [bytea, bytesOf],
  [int8, integerOf],
  [int2, Number],
  [int4, Number],
  [oid, Number],
  [float4, Number],
  [float8, Number],
  // Sums of integers are numeric.
  [numeric, (text) => (/^-?\d+$/.test(text) ? integerOf(text) : Number(text))],
]);

const asText = (text: string): string => text;

/** How values come back, whatever the parsers that the process has set for `pg`. Types without one come back as their text. */
export const valueTypes: { getTypeParser(type: number, format?: string): (text: string) => unknown } = {
  getTypeParser: (type) => parsers.get(type) ?? asText,
};

function integerOf(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length - 2) / 2);
  Buffer.from(bytes.buffer).write(text.slice(2), "hex");
  return bytes;
}
