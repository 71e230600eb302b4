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

/** A statement's parameter. A number is DOUBLE, a bigint BIGINT, a string VARCHAR, a Date TIMESTAMP (UTC), bytes BLOB. */
export type SqlParameter = null | boolean | number | bigint | string | Uint8Array | Date;

/** Quotes a name for SQL, whatever it holds: `a"b` becomes `"a""b"`. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes text for SQL where a parameter cannot stand, as in COPY. DuckDB strings have no escapes but the doubled quote. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** DuckDB guesses parameter types from values and guesses differently for 1 and 1.5, so each is given its type. */
export function bindings(params: readonly SqlParameter[]): {
  readonly values: DuckDBValue[];
  readonly types: DuckDBType[];
} {
  const values: DuckDBValue[] = [];
  const types: DuckDBType[] = [];
  for (const value of params) {
    if (value instanceof Date) {
      values.push(new DuckDBTimestampValue(BigInt(value.getTime()) * 1000n));
      types.push(TIMESTAMP);
    } else if (value instanceof Uint8Array) {
      values.push(new DuckDBBlobValue(value));
      types.push(BLOB);
    } else {
      values.push(value);
      types.push(parameterType(value));
    }
  }
  return { values, types };
}

function parameterType(value: null | boolean | number | bigint | string): DuckDBType {
  switch (typeof value) {
    case "boolean":
      return BOOLEAN;
    case "number":
      return DOUBLE;
    case "bigint":
      return BIGINT;
    default:
      return VARCHAR;
  }
}
