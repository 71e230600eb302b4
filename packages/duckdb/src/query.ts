import type { Schema } from "@millwright/contracts";
import type { FileWatch } from "./file-watch.ts";
import { identifier, type SqlParameters } from "./sql.ts";

/** A query as it stands behind a dataset. */
export interface Query {
  readonly sql: string;
  readonly params: SqlParameters;
  /** What it reads, for error messages. */
  readonly where?: string | undefined;
  /** The files it reads, where it reads files that must stay as they are. */
  readonly files?: FileWatch | undefined;
}

/** The query with only these columns, which DuckDB carries down into the files. */
export function projection(sql: string, columns: readonly string[] | undefined): string {
  return columns === undefined ? sql : `SELECT ${columns.map(identifier).join(", ")} FROM (${sql}\n) AS q`;
}

/** The fields of these columns; of all by default. */
export function selectFields(schema: Schema, columns: readonly string[] | undefined): Schema {
  if (columns === undefined) return schema;
  return columns.map((name) => {
    const field = schema.find((candidate) => candidate.name === name);
    if (field === undefined) {
      throw new RangeError(`No column is named "${name}". Columns: ${schema.map((each) => each.name).join(", ")}.`);
    }
    return field;
  });
}
