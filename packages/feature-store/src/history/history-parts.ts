import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { CallOptions } from "@millwright/contracts";
import type { DuckDb } from "@millwright/duckdb";
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

export const QUARANTINE_FOLDER = "_quarantine";

/**
 * Writes a query's rows as a batch's files: one a day, by the column `ds`, which goes into the folders' names.
 * Until they are disposed of, a folder says that they are on their way, so that those of a process that dies are found.
 */
export async function writeHistoryParts(
  { duckdb, log }: { readonly duckdb: DuckDb; readonly log: HistoryLog },
  sql: string,
  { number, signal }: CallOptions & { readonly number: number },
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
    for (const each of await duckdb.writeParquet(sql, join(incoming, "rows"), { partitionBy: ["ds"], signal })) {
      const folder = basename(dirname(each.path));
      const { rows = 0, sizeBytes } = each;
      parts.push({ path: await place(each.path, folder), ds: folder.slice("ds=".length), rows, sizeBytes });
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
