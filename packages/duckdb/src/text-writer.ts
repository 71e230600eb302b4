import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { type CallOptions, type DatasetPart, type Field, type Schema, unsupported } from "@millwright/contracts";
import type { Connections } from "./connections.ts";
import { writeDurably } from "./durable-files.ts";
import { noJsonNumber } from "./errors.ts";
import { identifier, literal } from "./sql.ts";
import type { Query } from "./query.ts";
import { describe, execute } from "./statements.ts";

export type TextCompression = "gzip" | "zstd" | "none";

export interface WriteNdjsonOptions extends CallOptions {
  /** Default: by the ending of the path: `.gz`, `.zst`, otherwise none. */
  readonly compression?: TextCompression | undefined;
}

export interface WriteCsvOptions extends WriteNdjsonOptions {
  /** The character between values. Default: a tab where the path ends in `.tsv`, otherwise a comma. */
  readonly delimiter?: string | undefined;
  /** Whether the first line names the columns. Default: true. */
  readonly header?: boolean | undefined;
  /** Text that stands for null; a value of this very text is written within quotes. Default: the empty string. */
  readonly nullText?: string | undefined;
}

/** Writes a query's rows as CSV (RFC 4180, lines ended by a line feed): whole or not at all. Throws `PORT_UNSUPPORTED` for lists. */
export async function writeCsvQuery(
  connections: Connections,
  query: Query,
  path: string,
  options: WriteCsvOptions = {},
): Promise<DatasetPart> {
  const { header = true, nullText = "", delimiter = /\.tsv(\.gz|\.zst)?$/i.test(path) ? "\t" : "," } = options;
  const refused = (await schemaOf(connections, query, options)).find(({ type }) => type === "list");
  if (refused !== undefined) throw notInText(refused, "CSV", "Write Parquet or NDJSON, or drop the column.");
  const settings = [
    "FORMAT csv",
    `HEADER ${header}`,
    `DELIMITER ${literal(delimiter)}`,
    `QUOTE '"'`,
    `ESCAPE '"'`,
    `NULLSTR ${literal(nullText)}`,
  ];
  return writeText(connections, query, path, { format: "csv", settings, options });
}

/**
 * Writes a query's rows as NDJSON, one object a line: whole or not at all. Throws `DUCKDB_CONVERSION_FAILED` for NaN and infinities, which JSON
 * cannot write, and `PORT_UNSUPPORTED` for binary columns.
 */
export async function writeNdjsonQuery(
  connections: Connections,
  query: Query,
  path: string,
  options: WriteNdjsonOptions = {},
): Promise<DatasetPart> {
  const schema = await schemaOf(connections, query, options);
  const refused = schema.find(({ type }) => type === "binary");
  if (refused !== undefined) throw notInText(refused, "NDJSON", "Write Parquet, or encode it in SQL: base64(column).");
  const sql = `SELECT ${schema.map(jsonColumn).join(", ")} FROM (${query.sql}\n) AS written`;
  return writeText(connections, { ...query, sql }, path, { format: "ndjson", settings: ["FORMAT json"], options });
}

const schemaOf = (connections: Connections, { sql, params, where }: Query, { signal }: CallOptions): Promise<Schema> =>
  describe(connections, sql, { params, where, signal });

const notInText = ({ name, type }: Field, format: string, mend: string): Error =>
  unsupported(`Writing the column "${name}" of the type ${type} as ${format}`, mend);

const isFloat = (type: string | undefined): boolean => type === "float32" || type === "float64";

/** DuckDB would write `NaN`, which no JSON parser takes. */
function jsonColumn({ name, type, items }: Field): string {
  const column = identifier(name);
  const failure = `error(${literal(noJsonNumber(name))})`;
  if (isFloat(type)) return `CASE WHEN isfinite(${column}) IS false THEN ${failure} ELSE ${column} END AS ${column}`;
  if (isFloat(items)) {
    const bad = `len(list_filter(${column}, lambda item: NOT isfinite(item))) > 0`;
    return `CASE WHEN ${bad} THEN ${failure} ELSE ${column} END AS ${column}`;
  }
  return column;
}

interface TextFile {
  readonly format: "csv" | "ndjson";
  readonly settings: readonly string[];
  readonly options: WriteNdjsonOptions;
}

async function writeText(
  connections: Connections,
  query: Query,
  path: string,
  { format, settings, options }: TextFile,
): Promise<DatasetPart> {
  const { signal, compression = /\.gz$/i.test(path) ? "gzip" : /\.zst$/i.test(path) ? "zstd" : "none" } = options;
  let rows = 0;
  const [file = path] = await writeDurably(resolve(path), async (temporary) => {
    const all = [...settings, `COMPRESSION ${compression}`].join(", ");
    const sql = `COPY (${query.sql}\n) TO ${literal(temporary)} (${all})`;
    rows = await execute(connections, sql, { params: query.params, signal, where: query.where, files: query.files });
  });
  return { path: file, format, sizeBytes: (await stat(file)).size, rows };
}
