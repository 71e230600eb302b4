import { access, link, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fromDuckDb } from "./errors.ts";

interface DurableOptions {
  readonly isDirectory?: boolean | undefined;
  /** What becomes of a file that is there already. Default: `replace`. */
  readonly existing?: "replace" | "keep" | undefined;
}

let counter = 0;

/**
 * Lets `write` write beside the target, flushes what it wrote to disk, and renames it into place: the target appears whole or not at all.
 * @param target An absolute path.
 * @returns the files under their last names, ordered by path: the target itself, or those below it where it is a directory.
 */
export async function writeDurably(
  target: string,
  write: (temporary: string) => Promise<void>,
  { isDirectory = false, existing = "replace" }: DurableOptions = {},
): Promise<readonly string[]> {
  const temporary = `${target}.${process.pid}-${++counter}.tmp`;
  try {
    await mkdir(dirname(target), { recursive: true });
    await write(temporary);
    const written = isDirectory ? await filesBelow(temporary) : [temporary];
    // A few at a time: a disk does many flushes for the price of one, but every open file is a handle.
    for (let at = 0; at < written.length; at += 16) await Promise.all(written.slice(at, at + 16).map(flush));
    if (existing === "keep" && !isDirectory) await placeWhereNone(temporary, target);
    else await rename(temporary, target);
    await flushDirectory(dirname(target));
    return written.map((file) => target + file.slice(temporary.length)).sort();
  } catch (error) {
    // What could not be written is the failure to tell of, not what could not be cleared away after it.
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw error instanceof Error && "syscall" in error ? fromDuckDb(error, target) : error;
  }
}

/** Of several who come at one time the first places its file. */
async function placeWhereNone(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target);
  } catch (error) {
    const isThere = await access(target).then(
      () => true,
      () => false,
    );
    // Not every file system has links.
    if (!isThere && (error as NodeJS.ErrnoException).code !== "EEXIST") return await rename(temporary, target);
  }
  await rm(temporary);
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
