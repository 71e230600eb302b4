import type { Field, Schema } from "@millwright/contracts";
import { duckTypeOf } from "./column-types.ts";
import { identifier, literal } from "./sql.ts";

export const list = (paths: readonly string[]): string => `[${paths.map(literal).join(", ")}]`;

/** A query of the schema without a row. */
export function emptySql(schema: Schema): string {
  const columns = schema.map((field) => `CAST(NULL AS ${duckTypeOf(field).toString()}) AS ${identifier(field.name)}`);
  return `SELECT ${columns.join(", ")} WHERE false`;
}

/** What is read, for error messages. */
export function whereOf(paths: readonly string[]): string {
  return paths.length === 1 ? paths[0]! : `one of ${paths.length} files from ${paths[0] ?? "nowhere"}`;
}

export function castField(field: Field): string {
  const type = duckTypeOf(field);
  return `CAST(${identifier(field.name)} AS ${type.toString()}) AS ${identifier(field.name)}`;
}
