import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { CallOptions, DatasetPart } from "@millwright/contracts";
import { asFloat64, columnOf, toArray } from "@millwright/data";
import type { Connections } from "./connections.ts";
import { writeDurably } from "./durable-files.ts";
import { fileExists } from "./errors.ts";
import { identifier, literal } from "./sql.ts";
import type { Query } from "./query.ts";
import { execute, stream } from "./statements.ts";

export interface WriteParquetOptions extends CallOptions {
  /** Default: zstd. */
  readonly compression?: "zstd" | "snappy" | "gzip" | "uncompressed" | undefined;
  /** Rows a row group; a whole number from 1. Default: 122,880. */
  readonly rowGroupRows?: number | undefined;
  /** Columns whose values become directories, `ds=2024-01-31/`; then `path` is a directory that must not exist yet. Default: none, one file. */
  readonly partitionBy?: readonly string[] | undefined;
  /**
   * What becomes of a file that is there when the new one is whole: `replace`, or `keep` where its name says what is in it, so that nobody who reads it finds it
   * changed. Default: `replace`.
   */
  readonly existing?: "replace" | "keep" | undefined;
  /** Whether each file's rows are counted, which reads its footer. Default: true. */
  readonly countRows?: boolean | undefined;
}

/**
 * Writes a query's rows as Parquet. The file appears whole or not at all: it is written beside its place, flushed to disk, then renamed.
 * @returns the files, ordered by path.
 */
export async function writeQuery(
  connections: Connections,
  query: Query,
  path: string,
  options: WriteParquetOptions = {},
): Promise<readonly DatasetPart[]> {
  const {
    compression = "zstd",
    rowGroupRows = 122_880,
    partitionBy = [],
    countRows = true,
    existing,
    signal,
  } = options;
  checkSettings(options);
  const target = resolve(path);
  if (partitionBy.length > 0 && (await exists(target))) throw fileExists(target);
  const settings = [`FORMAT parquet`, `COMPRESSION ${compression}`, `ROW_GROUP_SIZE ${rowGroupRows}`];
  if (partitionBy.length > 0) settings.push(`PARTITION_BY (${partitionBy.map(identifier).join(", ")})`);
  const files = await writeDurably(
    target,
    async (temporary) => {
      const sql = `COPY (${query.sql}\n) TO ${literal(temporary)} (${settings.join(", ")})`;
      await execute(connections, sql, { params: query.params, signal, where: query.where, files: query.files });
    },
    { isDirectory: partitionBy.length > 0, existing },
  );
  return await partsOf(connections, files, countRows);
}

const compressions: readonly unknown[] = ["zstd", "snappy", "gzip", "uncompressed"];

/** Both go into the statement as they are, so nothing else may. */
function checkSettings({ compression = "zstd", rowGroupRows = 1 }: WriteParquetOptions): void {
  if (!compressions.includes(compression))
    throw new RangeError(`compression must be one of ${compressions.join(", ")}.`);
  if (!Number.isSafeInteger(rowGroupRows) || rowGroupRows < 1)
    throw new RangeError(`rowGroupRows must be a whole number from 1, not ${String(rowGroupRows)}.`);
}

async function partsOf(connections: Connections, files: readonly string[], countRows: boolean): Promise<DatasetPart[]> {
  const rows = countRows && files.length > 0 ? await rowsOf(connections, files) : undefined;
  return await Promise.all(
    files.map(async (path): Promise<DatasetPart> => {
      const part = { path, format: "parquet", sizeBytes: (await stat(path)).size } as const;
      return rows === undefined ? part : { ...part, rows: rows.get(path) ?? 0 };
    }),
  );
}

/** Rows by file, from the footers. */
async function rowsOf(connections: Connections, files: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const sql = `SELECT file_name, num_rows FROM parquet_file_metadata([${files.map(literal).join(", ")}])`;
  const rows = new Map<string, number>();
  for await (const batch of stream(connections, sql)) {
    const counts = asFloat64(columnOf(batch, "num_rows"));
    toArray(columnOf(batch, "file_name")).forEach((file, row) => rows.set(String(file), counts[row]!));
  }
  return rows;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
