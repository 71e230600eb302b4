import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { CallOptions, Digest, ModelFile } from "@millwright/contracts";
import { directoryOccupied, folderUnreadable, writeFailure } from "./errors.ts";

/** The manifest's own name in a package directory. */
export const manifestName = "manifest.json";

/** The file beside the manifest that holds its signatures, one DSSE envelope a line; no part of the package's digest. */
export const signaturesName = "manifest.intoto.jsonl";

/** The bytes of a file of a package: in memory, or those of a file on disk, which is copied. */
export type ModelFileSource = Uint8Array | string | { readonly path: string };

/** What is wrong with a path of a package, on any of the systems a package may be unpacked on; `undefined` when nothing is. */
export function pathProblem(path: string): string | undefined {
  if (path.toLowerCase() === manifestName) return "that is the manifest's own name";
  if (path.toLowerCase() === signaturesName) return "that is where its signatures are";
  return portablePathProblem(path);
}

/** Names that Windows keeps for devices, with any ending. */
const deviceName = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)/i;

/** What keeps a relative path from being written, as the same file, on any system; `undefined` when nothing does. */
export function portablePathProblem(path: string): string | undefined {
  if (path === "") return "its name is empty";
  if (path.length > 1024) return "its name is longer than 1,024 characters";
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
  if (/[\\:*?"<>|\u0000-\u001f\u007f-\u009f]/.test(path))
    return 'it has a character that not every system allows (\\ : * ? " < > | or a control character)';
  if (/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(path))
    return "it has characters that turn the direction of writing around";
  if (/\p{Surrogate}/u.test(path)) return "it is no well-formed text";
  const segments = path.split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return "it is absolute, or has an empty, . or .. segment";
  }
  if (segments.some((segment) => /[. ]$/.test(segment))) return "a segment ends with a dot or a space";
  if (segments.some((segment) => Buffer.byteLength(segment) > 255)) return "a segment is longer than 255 bytes";
  if (segments.some((segment) => deviceName.test(segment))) return "a segment is the name of a device on Windows";
  return undefined;
}

/** Equal for paths that some file system takes for the same: case and Unicode forms are folded. */
export const foldedPath = (path: string): string =>
  path.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");

/** All files below `directory` by their path relative to it, as sources for `packModel`. Links and special files are passed over. */
export async function filesIn(
  directory: string,
  options: CallOptions = {},
): Promise<Record<string, { readonly path: string }>> {
  const files: Record<string, { readonly path: string }> = {};
  const { files: paths } = await walk(directory, options).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    throw folderUnreadable(directory, error);
  });
  for (const path of paths) files[path] = { path: join(directory, ...path.split("/")) };
  return files;
}

/** Relative paths with `/`, sorted by code units: regular files, and whatever else is there but directories. */
export async function walk(
  directory: string,
  { signal }: CallOptions = {},
): Promise<{ readonly files: string[]; readonly others: string[] }> {
  const found: { readonly files: string[]; readonly others: string[] } = { files: [], others: [] };
  const visit = async (folder: string, prefix: string): Promise<void> => {
    signal?.throwIfAborted();
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = `${prefix}${entry.name}`;
      if (entry.isDirectory()) await visit(join(folder, entry.name), `${path}/`);
      else (entry.isFile() ? found.files : found.others).push(path);
    }
  };
  await visit(directory, "");
  found.files.sort();
  found.others.sort();
  return found;
}

/** Writes one file of the package and waits until it is on disk. */
export async function writeFileDurably(
  directory: string,
  path: string,
  source: ModelFileSource,
  { signal }: CallOptions = {},
): Promise<ModelFile> {
  const target = join(directory, ...path.split("/"));
  await mkdir(dirname(target), { recursive: true });
  const file = await open(target, "wx");
  try {
    const written = await writeThrough(file, source, signal);
    await file.sync();
    return { path, ...written };
  } finally {
    await file.close();
  }
}

async function writeThrough(
  file: FileHandle,
  source: ModelFileSource,
  signal: AbortSignal | undefined,
): Promise<{ digest: Digest; sizeBytes: number }> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const inMemory = typeof source === "string" ? Buffer.from(source, "utf8") : source;
  const chunks =
    inMemory instanceof Uint8Array ? [inMemory] : createReadStream(inMemory.path, { highWaterMark: 1 << 20 });
  for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
    signal?.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.length;
    await file.writeFile(chunk);
  }
  return { digest: `sha256:${hash.digest("hex")}` as Digest, sizeBytes };
}

/**
 * Fills a directory beside `directory` and puts it in its place in one step, so that it is there whole or not at all, also after a crash.
 * Throws `MODEL_DIRECTORY_OCCUPIED` unless `directory` is absent or empty, and `MODEL_WRITE_FAILED` where the disk is full or refuses.
 */
export async function replaceAtomically(
  directory: string,
  fill: (partial: string) => Promise<void>,
  mode = 0o777,
): Promise<void> {
  const target = resolve(directory);
  if ((await readdir(target).catch(() => [])).length > 0) throw directoryOccupied(directory);
  const partial = `${target}.partial-${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(dirname(target), { recursive: true });
    await mkdir(partial, { mode });
    await fill(partial);
    await moveAtomically(partial, directory);
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    throw writeFailure(directory, error);
  }
}

/** Puts a folder that is whole, on the same file system, in the place of an absent or empty one. Throws as `replaceAtomically` does. */
export async function moveAtomically(from: string, directory: string): Promise<void> {
  const target = resolve(directory);
  try {
    await syncFolders(from);
    await rename(from, target).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "ENOTEMPTY" || error.code === "EEXIST" ? directoryOccupied(directory) : error;
    });
    await syncFolder(dirname(target));
  } catch (error) {
    throw writeFailure(directory, error);
  }
}

async function syncFolders(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncFolders(join(directory, entry.name));
  }
  await syncFolder(directory);
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no such thing, and needs none.
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
