import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { CallOptions, Dataset, DatasetPart, DatasetRef, Field, Schema } from "@millwright/contracts";
import { asFloat64, valueAt } from "@millwright/data";
import { duckTypeOf } from "./column-types.ts";
import { assertWhole } from "./compressed-file.ts";
import type { Connections } from "./connections.ts";
import { formatUnknown, fromDuckDb, schemaMismatch } from "./errors.ts";
import { identifier, literal } from "./sql.ts";
import { castField, list, emptySql, whereOf } from "./file-sql.ts";
import { type FileIdentity, identityOf, watchFiles } from "./file-watch.ts";
import { sliceOf } from "./row-range.ts";
import { createSqlDataset } from "./sql-dataset.ts";
import { describe, stream } from "./statements.ts";

export type FileFormat = "parquet" | "csv" | "ndjson";

export interface ScanOptions extends CallOptions {
  /** Default: by the ending of the first path: `.parquet`, `.csv`, `.tsv`, `.ndjson`, `.jsonl`, each also with `.gz` or `.zst`. */
  readonly format?: FileFormat | undefined;
  /** The columns with their types, in file order. Default: Parquet's own; for CSV and NDJSON, guessed from the first rows. */
  readonly schema?: Schema | undefined;
  /** Whether files are matched by column names, columns that one lacks being null, rather than by position. Default: false. */
  readonly unionByName?: boolean | undefined;
  /** CSV only: the character between values. Default: a tab where the first path ends in `.tsv`, otherwise a comma. */
  readonly delimiter?: string | undefined;
  /** CSV only: the character around values that hold the delimiter or a line end, doubled within; none: `""`. Default: `"`. */
  readonly quote?: string | undefined;
  /** CSV only: whether the first line names the columns. Default: true. */
  readonly header?: boolean | undefined;
  /** CSV only: text that stands for null. Default: the empty string. */
  readonly nullText?: string | undefined;
  /** CSV only: whether the text that stands for null is null within quotes too. Default: true; `writeCsv` tells the two apart. */
  readonly quotedNull?: boolean | undefined;
}

/** A quarter of DuckDB's own: it holds several for each thread, beside which a memory limit left room for little else. */
const BUFFER_BYTES = 8_000_000;

const ENDINGS: readonly (readonly [RegExp, FileFormat])[] = [
  [/\.parquet$/i, "parquet"],
  [/\.(csv|tsv)(\.gz|\.zst)?$/i, "csv"],
  [/\.(ndjson|jsonl)(\.gz|\.zst)?$/i, "ndjson"],
];

/** Opens files as one dataset: the rows of each in the order of the paths, those of a pattern by name. */
export async function scanFiles(
  connections: Connections,
  source: string | readonly string[],
  options: ScanOptions = {},
): Promise<Dataset> {
  const given = typeof source === "string" ? [source] : source;
  // Holes are met too. A typed array would take the promises below for numbers.
  if (!Array.isArray(given) || !Array.from(given as readonly unknown[]).every((path) => typeof path === "string"))
    throw new TypeError("The source of a scan must be a path or pattern, or a list of them.");
  const format = options.format ?? formatOf(given[0] ?? "");
  const paths = (await Promise.all(given.map((path) => expand(connections, path, options)))).flat();
  if (format !== "parquet") for (const path of paths) await assertWhole(path, options.signal);
  const identities = new Map(await Promise.all(paths.map(identified)));
  const files = watchFiles(paths, identities);
  const parts = paths.map((path): DatasetPart => ({ path, format, sizeBytes: identities.get(path)!.sizeBytes }));
  const counts = format === "parquet" ? await parquetRows(connections, paths, options) : undefined;
  const withRows = parts.map((part, index) => ({ ...part, ...(counts === undefined ? {} : { rows: counts[index]! }) }));
  const query = { sql: readerSql(paths, format, options), params: [], where: whereOf(paths), files };
  const schema = await describe(connections, query.sql, { where: query.where, signal: options.signal });
  const rows = counts?.reduce((sum, count) => sum + count, 0);
  const slice = options.unionByName === true ? undefined : sliceOf(withRows, schema, files);
  return createSqlDataset(connections, { query, schema, rows, parts: withRows, slice });
}

/** Opens what another process wrote. `digest()` reads the rows and throws `DUCKDB_REF_CHANGED` where they are not those of the reference. */
export function openRefDataset(connections: Connections, ref: DatasetRef): Dataset {
  const { schema, rows, parts } = ref;
  const format = parts[0]?.format ?? "parquet";
  if (format === "arrow" || parts.some((part) => part.format !== format)) {
    throw schemaMismatch(`the parts are of the formats ${[...new Set(parts.map((part) => part.format))].join(", ")}`);
  }
  const paths = parts.map((part) => part.path);
  const sql =
    paths.length === 0
      ? emptySql(schema)
      : `SELECT ${schema.map((field) => identifier(field.name)).join(", ")} FROM (${readerSql(paths, format, format === "parquet" ? {} : { schema })}) AS files`;
  const files = watchFiles(paths);
  const query = { sql, params: [], where: whereOf(paths), files };
  return createSqlDataset(connections, {
    query,
    schema,
    rows,
    parts,
    expected: ref.digest,
    slice: sliceOf(parts, schema, files),
  });
}

export function formatOf(path: string): FileFormat {
  const format = ENDINGS.find(([ending]) => ending.test(path))?.[1];
  if (format === undefined) throw formatUnknown(path);
  return format;
}

/** The files of a pattern in order of their names; a plain path stays as it is, even one with brackets that exists. */
async function expand(connections: Connections, path: string, { signal }: CallOptions): Promise<string[]> {
  const absolute = resolve(path);
  const found: string[] = [];
  if (/[*?[{]/.test(path) && !(await exists(absolute))) {
    const sql = "SELECT file FROM glob(?) ORDER BY file";
    for await (const batch of stream(connections, sql, { params: [absolute], signal })) {
      for (let row = 0; row < batch.length; row++) found.push(String(valueAt(batch.columns["file"]!, row)));
    }
  } else if (await exists(absolute)) found.push(absolute);
  if (found.length === 0) throw fromDuckDb(`IO Error: No files found that match the pattern "${absolute}"`);
  return found;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function identified(path: string): Promise<readonly [string, FileIdentity]> {
  return [path, await identityOf(path)];
}

/** Rows of each Parquet file, from the footers. A footer that cannot be read is reported with its file's name. */
async function parquetRows(
  connections: Connections,
  paths: readonly string[],
  { signal }: CallOptions,
): Promise<number[]> {
  const rowsIn = async (files: readonly string[]): Promise<number[]> => {
    const sql = `SELECT file_name, num_rows FROM parquet_file_metadata(${list(files)})`;
    const counts = new Map<string, number>();
    for await (const batch of stream(connections, sql, { signal, where: whereOf(files) })) {
      const rows = asFloat64(batch.columns["num_rows"]!);
      for (let row = 0; row < batch.length; row++)
        counts.set(String(valueAt(batch.columns["file_name"]!, row)), rows[row]!);
    }
    return files.map((file) => counts.get(file) ?? 0);
  };
  try {
    return await rowsIn(paths);
  } catch (error) {
    signal?.throwIfAborted();
    // DuckDB does not always say which file it was: one by one, the broken one tells.
    for (const path of paths) await rowsIn([path]);
    throw error;
  }
}

/** The FROM part that reads the files. */
function readerSql(paths: readonly string[], format: FileFormat, options: ScanOptions): string {
  const { schema, unionByName, nullText, quotedNull = true } = options;
  const settings: string[] = [list(paths)];
  if (unionByName === true) settings.push("union_by_name = true");
  if (format === "parquet") {
    const sql = `SELECT * FROM read_parquet(${settings.join(", ")})`;
    return schema === undefined ? sql : `SELECT ${schema.map(castField).join(", ")} FROM (${sql}) AS files`;
  }
  if (schema !== undefined) settings.push(`columns = {${schema.map(columnSetting).join(", ")}}`);
  if (format === "ndjson") return `SELECT * FROM read_ndjson(${settings.join(", ")})`;
  settings.push(...dialectOf(paths, options));
  if (nullText !== undefined) settings.push(`nullstr = ${literal(nullText)}`);
  settings.push(`allow_quoted_nulls = ${quotedNull}`);
  return `SELECT * FROM read_csv(${settings.join(", ")})`;
}

/**
 * How CSV is written (RFC 4180). All of it is said: what DuckDB may guess, it guesses so that any file fits,
 * and a row of too few or too many values is then taken for a preamble or for text of one column.
 */
function dialectOf(paths: readonly string[], { delimiter, quote = '"', header = true }: ScanOptions): string[] {
  const separator = delimiter ?? (/\.tsv(\.gz|\.zst)?$/i.test(paths[0] ?? "") ? "\t" : ",");
  return [
    `delim = ${literal(separator)}`,
    `quote = ${literal(quote)}`,
    `escape = ${literal(quote)}`,
    `header = ${header}`,
    "comment = ''",
    "skip = 0",
    "strict_mode = true",
    "null_padding = false",
    "ignore_errors = false",
    `buffer_size = ${BUFFER_BYTES}`,
  ];
}

function columnSetting(field: Field): string {
  return `${literal(field.name)}: ${literal(duckTypeOf(field).toString())}`;
}
