import type { Field, Schema } from "@millwright/contracts";
import { asFloat64, toArray } from "@millwright/data";
import type { Connections } from "./connections.ts";
import { list, whereOf } from "./file-sql.ts";
import { stream } from "./statements.ts";

/** How the columns of Parquet files are read for a profile. */
export interface ProfilePasses {
  /** Columns of few different values, each counted by DuckDB: it sees a value of a dictionary once for a page. */
  readonly counted: readonly Field[];
  /** The others: those of each part are visited together. */
  readonly visited: readonly Schema[];
}

export interface ParquetFiles {
  readonly paths: readonly string[];
  readonly rows: number;
}

/** Most bytes of the columns of a row group that are read together: pages lie in memory compressed and not, and many columns at once fill no cache. */
const PASS_BYTES = 4 * 2 ** 20;
/** A dictionary of at most so many bytes, as it is stored, has a few thousand values at most. */
const DICTIONARY_BYTES = 32 * 2 ** 10;
/** Below so many rows a file, opening it once more costs more than counting saves. */
const ROWS_A_FILE = 32_768;
/** Files of one dataset are alike: a few of them tell what the columns are. */
const FILES_LOOKED_AT = 16;

/** Types of which there are at most 256 values. */
const isNarrow = ({ type }: Field): boolean => type === "bool" || type === "int8" || type === "uint8";
const isCountable = ({ type }: Field): boolean => type !== "list" && type !== "binary";

/** Plans by what the files' footers say; a wrong guess costs time, and no more. */
export async function planPasses(
  connections: Connections,
  { paths, rows }: ParquetFiles,
  schema: Schema,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<ProfilePasses> {
  if (paths.length === 0 || rows === 0) return { counted: [], visited: [schema] };
  const stored = await storedColumns(connections, sampled(paths), signal);
  const counts = rows / paths.length >= ROWS_A_FILE;
  const isCounted = (field: Field): boolean =>
    counts && isCountable(field) && (isNarrow(field) || stored.get(field.name)?.hasSmallDictionary === true);
  return {
    counted: schema.filter(isCounted),
    visited: partsOf(
      schema.filter((field) => !isCounted(field)),
      ({ name }) => stored.get(name)?.bytes ?? PASS_BYTES,
    ),
  };
}

function sampled(paths: readonly string[]): readonly string[] {
  const step = Math.ceil(paths.length / FILES_LOOKED_AT);
  return paths.filter((_, at) => at % step === 0);
}

interface StoredColumn {
  /** In every row group that has a value. */
  readonly hasSmallDictionary: boolean;
  /** Of the largest row group, uncompressed. */
  readonly bytes: number;
}

async function storedColumns(
  connections: Connections,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, StoredColumn>> {
  const dictionary = `data_page_offset - dictionary_page_offset BETWEEN 1 AND ${DICTIONARY_BYTES}`;
  const sql = `
    SELECT path_in_schema AS name, max(total_uncompressed_size) AS bytes,
      bool_and(coalesce(${dictionary}, stats_null_count = num_values, false)) AS small
    FROM parquet_metadata(${list(paths)}) GROUP BY 1`;
  const columns = new Map<string, StoredColumn>();
  for await (const batch of stream(connections, sql, { signal, where: whereOf(paths) })) {
    const [names, small] = [toArray(batch.columns["name"]!), toArray(batch.columns["small"]!)];
    const bytes = asFloat64(batch.columns["bytes"]!);
    names.forEach((name, row) =>
      columns.set(String(name), { hasSmallDictionary: small[row] === true, bytes: bytes[row]! }),
    );
  }
  return columns;
}

/** Neighbours together while they have room; none is left out for its size. */
function partsOf(schema: Schema, bytesOf: (field: Field) => number): readonly Schema[] {
  const parts: Field[][] = [];
  let room = 0;
  for (const field of schema) {
    const bytes = bytesOf(field);
    if (bytes > room) {
      parts.push([]);
      room = PASS_BYTES;
    }
    room -= bytes;
    parts.at(-1)!.push(field);
  }
  return parts;
}
