import { stat } from "node:fs/promises";
import { fileReplaced, fromDuckDb } from "./errors.ts";

/** Files that must be what they were, as far as the file system tells: by inode, size, and time of the last write. */
export interface FileWatch {
  /** Throws `DUCKDB_FILE_CHANGED` for a file that was written or replaced since it was first looked at, `DUCKDB_FILE_MISSING` for one that is gone. */
  check(): Promise<void>;
}

/** A watch of some files, each of which may be checked without the others. */
export interface FilesWatch extends FileWatch {
  of(paths: readonly string[]): FileWatch;
}

/** @param known What was found of files that were looked at already. Default: each is looked at when it is first checked. */
export function watchFiles(paths: readonly string[], known: ReadonlyMap<string, FileIdentity> = new Map()): FilesWatch {
  const identities = new Map(known);
  const check = async (path: string): Promise<void> => {
    const found = await identityOf(path);
    const first = identities.get(path);
    if (first === undefined) identities.set(path, found);
    else if (found.mark !== first.mark) throw fileReplaced(path);
  };
  const of = (some: readonly string[]): FileWatch => ({
    async check() {
      await Promise.all(some.map(check));
    },
  });
  return { ...of([...new Set(paths)]), of };
}

/** Both watches as one; undefined where there is neither. */
export function watchBoth(one: FileWatch | undefined, other: FileWatch | undefined): FileWatch | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return {
    async check() {
      await Promise.all([one.check(), other.check()]);
    },
  };
}

export interface FileIdentity {
  readonly mark: string;
  readonly sizeBytes: number;
}

/** Throws `DUCKDB_FILE_MISSING`, and what else the file system says. */
export async function identityOf(path: string): Promise<FileIdentity> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return { mark: `${dev}/${ino} ${size} ${mtimeNs}`, sizeBytes: Number(size) };
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw fromDuckDb(isMissing ? `IO Error: No files found that match the pattern "${path}"` : error, path);
  }
}
