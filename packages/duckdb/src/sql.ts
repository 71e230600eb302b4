import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DOUBLE,
  DuckDBBlobValue,
  DuckDBTimestampValue,
  TIMESTAMP,
  VARCHAR,
  type DuckDBType,
  type DuckDBValue,
} from "@duckdb/node-api";
import { paramsInvalid } from "./errors.ts";

/** A statement's parameter. A number is DOUBLE, a bigint BIGINT, a string VARCHAR, a Date TIMESTAMP (UTC), bytes BLOB. */
export type SqlParameter = null | boolean | number | bigint | string | Uint8Array | Date;

/** Parameters of a statement: a list for `?` and `$1`, in order, or an object for `$name`. */
export type SqlParameters = readonly SqlParameter[] | Readonly<Record<string, SqlParameter>>;

/** Quotes a name for SQL, whatever it holds: `a"b` becomes `"a""b"`. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes text for SQL where a parameter cannot stand, as in COPY. DuckDB strings have no escapes but the doubled quote. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A parameter as DuckDB binds it. */
export interface Binding {
  /** From 1, or the name after `$`. */
  readonly at: number | string;
  readonly value: DuckDBValue;
  readonly type: DuckDBType;
}

/** Throws `DUCKDB_PARAMS_INVALID`. */
export function bindings(params: SqlParameters): readonly Binding[] {
  if (Array.isArray(params)) return Array.from(params as readonly unknown[], (value, at) => bind(at + 1, value));
  if (!isPlainObject(params)) throw paramsInvalid(`they are ${shown(params)}`);
  return Object.entries(params).map(([name, value]) => bind(name, value));
}

/** DuckDB guesses parameter types from values and guesses differently for 1 and 1.5, so each is given its type. */
function bind(at: number | string, value: unknown): Binding {
  if (value === null) return { at, value, type: VARCHAR };
  if (value instanceof Date && Number.isFinite(value.getTime()))
    return { at, value: new DuckDBTimestampValue(BigInt(value.getTime()) * 1000n), type: TIMESTAMP };
  if (value instanceof Uint8Array) return { at, value: new DuckDBBlobValue(value), type: BLOB };
  switch (typeof value) {
    case "boolean":
      return { at, value, type: BOOLEAN };
    case "number":
      return { at, value, type: DOUBLE };
    case "bigint":
      return { at, value, type: BIGINT };
    case "string":
      return { at, value, type: VARCHAR };
    default:
      throw paramsInvalid(`$${at} is ${shown(value)}`);
  }
}

function isPlainObject(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const shown = (value: unknown): string =>
  value === null || typeof value !== "object" ? String(value) : `an object of the class ${value.constructor?.name}`;
