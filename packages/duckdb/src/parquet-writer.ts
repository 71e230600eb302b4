import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { CallOptions, DatasetPart } from "@millwright/contracts";
import { asFloat64, columnOf, toArray } from "@millwright/data";
import type { Connections } from "./connections.ts";
import { fileExists, fromDuckDb } from "./errors.ts";
import { identifier, literal } from "./sql.ts";
import type { Query } from "./sql-dataset.ts";
import { execute, stream } from "./statements.ts";

export interface WriteParquetOptions extends CallOptions {
  /** Default: zstd. */
  readonly compression?: "zstd" | "snappy" | "gzip" | "uncompressed" | undefined;
  /** Rows a row group; a whole number from 1. Default: 122,880. */
  readonly rowGroupRows?: number | undefined;
  /** Columns whose values become directories, `ds=2024-01-31/`; then `path` is a directory that must not exist yet. Default: none, one file. */
  readonly partitionBy?: readonly string[] | undefined;
}

let counter = 0;

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
  const { compression = "zstd", rowGroupRows = 122_880, partitionBy = [], signal } = options;
  checkSettings(options);
  const target = resolve(path);
  const temporary = `${target}.${process.pid}-${++counter}.tmp`;
  if (partitionBy.length > 0 && (await exists(target))) throw fileExists(target);
  const settings = [`FORMAT parquet`, `COMPRESSION ${compression}`, `ROW_GROUP_SIZE ${rowGroupRows}`];
  if (partitionBy.length > 0) settings.push(`PARTITION_BY (${partitionBy.map(identifier).join(", ")})`);
  try {
    await mkdir(dirname(target), { recursive: true });
    const sql = `COPY (${query.sql}\n) TO ${literal(temporary)} (${settings.join(", ")})`;
    await execute(connections, sql, { params: query.params, signal, where: query.where });
    const written = partitionBy.length > 0 ? await filesBelow(temporary) : [temporary];
    // A few at a time: a disk does many flushes for the price of one, but every open file is a handle.
    for (let at = 0; at < written.length; at += 16) await Promise.all(written.slice(at, at + 16).map(flush));
    await rename(temporary, target);
    await flushDirectory(dirname(target));
    const files = written.map((file) => target + file.slice(temporary.length)).sort();
    return await partsOf(connections, files);
  } catch (error) {
    // What could not be written is the failure to tell of, not what could not be cleared away after it.
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw error instanceof Error && "syscall" in error ? fromDuckDb(error, target) : error;
  }
}

const compressions: readonly unknown[] = ["zstd", "snappy", "gzip", "uncompressed"];

/** Both go into the statement as they are, so nothing else may. */
function checkSettings({ compression = "zstd", rowGroupRows = 1 }: WriteParquetOptions): void {
  if (!compressions.includes(compression))
    throw new RangeError(`compression must be one of ${compressions.join(", ")}.`);
  if (!Number.isSafeInteger(rowGroupRows) || rowGroupRows < 1)
    throw new RangeError(`rowGroupRows must be a whole number from 1, not ${String(rowGroupRows)}.`);
}

async function partsOf(connections: Connections, files: readonly string[]): Promise<DatasetPart[]> {
  if (files.length === 0) return [];
  const sql = `SELECT file_name, num_rows FROM parquet_file_metadata([${files.map(literal).join(", ")}])`;
  const rows = new Map<string, number>();
  for await (const batch of stream(connections, sql)) {
    const counts = asFloat64(columnOf(batch, "num_rows"));
    toArray(columnOf(batch, "file_name")).forEach((file, row) => rows.set(String(file), counts[row]!));
  }
  return await Promise.all(
    files.map(async (path): Promise<DatasetPart> => {
      const { size } = await stat(path);
      return { path, format: "parquet", sizeBytes: size, rows: rows.get(path) ?? 0 };
    }),
  );
}

async function filesBelow(directory: string): Promise<string[]> {
  const found: string[] = [];
  // An empty result writes no partition at all, and so not even the directory.
  await mkdir(directory, { recursive: true });
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) found.push(join(entry.parentPath, entry.name));
  }
  return found.sort();
}

async function flush(file: string): Promise<void> {
  const handle = await open(file, "r+");
  try {
    await handle.sync();
  } catch (error) {
    throw fromDuckDb(error, file);
  } finally {
    await handle.close();
  }
}

/** Makes a rename last. Windows has no such thing, and needs none. */
async function flushDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
