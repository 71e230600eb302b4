import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { CallOptions, DatasetPart } from "@millwright/contracts";
import { asFloat64, columnOf, toArray } from "@millwright/data";
import { type DuckDb, literal } from "@millwright/duckdb";
import { writeFailure } from "../errors.ts";
import { incomingFolder, partName } from "./history-leftovers.ts";
import { flushDirectory, type HistoryDraft, type HistoryLog, type HistoryPart } from "./history-log.ts";

/** Files at their places that no entry names yet. Disposing forgets them, which is for after the commit: what is discarded after it would be lost. */
export interface WrittenParts extends AsyncDisposable {
  readonly parts: readonly HistoryPart[];
  /** Puts a file of its own beside the days: the rows that a gate put aside. */
  addAside(sql: string): Promise<HistoryPart | undefined>;
  /** Deletes the files: nobody will name them. */
  discard(): Promise<void>;
}

export interface PartsOptions extends CallOptions {
  readonly number: number;
  /** How many rows each day has, by `ds`, where that is known. Default: as the files say. */
  readonly rowsByDay?: ReadonlyMap<string, number> | undefined;
}

export const QUARANTINE_FOLDER = "_quarantine";

/**
 * Writes a query's rows as a batch's files: one a day, by the column `ds`, which goes into the folders' names.
 * Until they are disposed of, a folder says that they are on their way, so that those of a process that dies are found.
 */
export async function writeHistoryParts(
  { duckdb, log }: { readonly duckdb: DuckDb; readonly log: HistoryLog },
  sql: string,
  { number, rowsByDay, signal }: PartsOptions,
): Promise<WrittenParts> {
  const { directory } = log;
  const incoming = incomingFolder(directory, number);
  const placed: string[] = [];
  const discard = async (): Promise<void> => {
    for (const path of placed) await rm(join(directory, path), { force: true });
  };
  const finish = () => rm(incoming, { recursive: true, force: true });
  const place = async (from: string, folder: string): Promise<string> => {
    const path = `${folder}/${partName(number, basename(from))}`;
    await mkdir(join(directory, folder), { recursive: true });
    placed.push(path);
    await rename(from, join(directory, path));
    return path;
  };
  const write = async (): Promise<HistoryPart[]> => {
    const parts: HistoryPart[] = [];
    const settings = { partitionBy: ["ds"], countRows: rowsByDay === undefined, signal };
    const files = await duckdb.writeParquet(sql, join(incoming, "rows"), settings);
    const counts = await rowsOf(duckdb, files, rowsByDay);
    for (const { path, sizeBytes } of files) {
      const folder = basename(dirname(path));
      const rows = counts.get(path) ?? 0;
      parts.push({ path: await place(path, folder), ds: folder.slice("ds=".length), rows, sizeBytes });
    }
    const folders = [...new Set(parts.map((part) => dirname(part.path)))].map((folder) => join(directory, folder));
    await Promise.all([...folders, directory].map(flushDirectory));
    return parts;
  };
  try {
    await mkdir(incoming, { recursive: true });
    const parts = await write();
    return {
      parts,
      discard,
      async addAside(query) {
        const [file] = await duckdb.writeParquet(query, join(incoming, "aside.parquet"), { signal });
        if (file === undefined || file.rows === 0) return undefined;
        const path = await place(file.path, QUARANTINE_FOLDER);
        await flushDirectory(join(directory, QUARANTINE_FOLDER));
        return { path, ds: "", rows: file.rows ?? 0, sizeBytes: file.sizeBytes };
      },
      [Symbol.asyncDispose]: finish,
    };
  } catch (error) {
    await discard();
    await finish();
    throw writeFailure(directory, error);
  }
}

/** Rows by file: by day where that is known and each day has one file, and else by what the files say. */
async function rowsOf(
  duckdb: DuckDb,
  files: readonly DatasetPart[],
  rowsByDay: ReadonlyMap<string, number> | undefined,
): Promise<ReadonlyMap<string, number>> {
  const dayOf = ({ path }: DatasetPart): string => basename(dirname(path)).slice("ds=".length);
  if (rowsByDay !== undefined && rowsByDay.size === files.length && files.every((file) => rowsByDay.has(dayOf(file)))) {
    return new Map(files.map((file) => [file.path, rowsByDay.get(dayOf(file))!]));
  }
  const found = new Map(files.flatMap(({ path, rows }) => (rows === undefined ? [] : [[path, rows] as const])));
  if (found.size === files.length) return found;
  const list = files.map(({ path }) => literal(path)).join(", ");
  for await (const batch of duckdb.query(`SELECT file_name, num_rows FROM parquet_file_metadata([${list}])`)) {
    const rows = asFloat64(columnOf(batch, "num_rows"));
    toArray(columnOf(batch, "file_name")).forEach((name, row) => found.set(String(name), rows[row]!));
  }
  return found;
}

/** Commits a batch whose files are at their places, or deletes them. Where it fails, nothing is left behind, unless the entry came to be all the same. */
export async function commitOrDiscard(log: HistoryLog, draft: HistoryDraft, written: WrittenParts): Promise<boolean> {
  let isCommitted = false;
  try {
    isCommitted = await log.commit(draft);
    if (!isCommitted) await written.discard();
  } catch (error) {
    const found = await log.find(draft.id);
    if (found?.number !== draft.number) await written.discard();
    throw error;
  }
  return isCommitted;
}
