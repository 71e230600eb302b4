import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, chmod, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type CallOptions, type Digest, type ResolvedModel, hasCode, modelCorrupt } from "@millwright/contracts";
import { writeFailure } from "../errors.ts";
import { manifestName, signaturesName } from "../package-files.ts";
import { stagingExposed } from "../trust-errors.ts";
import { type VerifyModelOptions, checkedPaths, readManifest, verifyModel } from "../verify-model.ts";

export type StageModelOptions = VerifyModelOptions;

/**
 * Copies a package into a folder that only this process's user may write to, and verifies the copy there, signatures included: what is loaded from it is what was
 * verified, whatever happens to the original meanwhile. Each file is opened once, and not through a link. A copy that is there already is verified anew.
 * @returns the package at `<staging>/sha256-…`.
 * Throws as `verifyModel` does, `MODEL_STAGING_EXPOSED` where others may write to the folder, and `MODEL_WRITE_FAILED`.
 */
export async function stageModel(
  directory: string,
  staging: string,
  options: StageModelOptions = {},
): Promise<ResolvedModel> {
  const { signal } = options;
  signal?.throwIfAborted();
  const root = resolve(directory);
  const home = resolve(staging);
  await openStaging(home, { signal });
  const partial = join(home, `partial-${randomBytes(8).toString("hex")}`);
  try {
    await mkdir(partial, { mode: 0o700 });
    await copyPackage(root, partial, signal);
    // The copy's own manifest, read anew: what is verified is what lies here, and a rename within the folder changes nothing of it.
    const copy = await verifyModel(partial, options);
    return await moveInto(copy, join(home, folderOf(copy.digest)), options);
  } catch (error) {
    throw writeFailure(home, error);
  } finally {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
  }
}

const mostManifestBytes = 1 << 28;

const folderOf = (digest: Digest): string => digest.replace(":", "-");

/**
 * Makes a folder that only this process's user may read and write, or sees that nobody else may write to the one that is there.
 * Throws `MODEL_STAGING_EXPOSED`, `MODEL_WRITE_FAILED`.
 */
export async function openStaging(directory: string, { signal }: CallOptions = {}): Promise<void> {
  signal?.throwIfAborted();
  await mkdir(dirname(directory), { recursive: true });
  await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw writeFailure(directory, error);
  });
  const stat = await lstat(directory);
  if (!stat.isDirectory()) throw stagingExposed(directory, "it is no folder, or a link to one");
  // Windows has no such rights; a user's folders are that user's there.
  if (process.platform === "win32") return;
  const user = process.getuid?.();
  if (user !== undefined && stat.uid !== user)
    throw stagingExposed(directory, `it belongs to the user ${stat.uid}, and this is ${user}`);
  if ((stat.mode & 0o022) !== 0)
    throw stagingExposed(directory, `its mode ${(stat.mode & 0o777).toString(8)} lets others write to it`);
  if ((stat.mode & 0o077) !== 0) await chmod(directory, 0o700);
}

async function copyPackage(root: string, partial: string, signal: AbortSignal | undefined): Promise<void> {
  const manifest = checkedPaths(root, await readManifest(root));
  await copyFile(root, partial, manifestName, mostManifestBytes, signal);
  for (const { path, sizeBytes } of manifest.files) await copyFile(root, partial, path, sizeBytes, signal);
  await copyFile(root, partial, signaturesName, mostManifestBytes, signal).catch((error: unknown) => {
    if (!hasCode(error, "PORT_MODEL_CORRUPT")) throw error;
  });
}

/** @param sizeBytes No more than that is copied: a file that grows without end does not fill the disk. */
async function copyFile(
  root: string,
  partial: string,
  path: string,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const target = join(partial, ...path.split("/"));
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const from = await openOriginal(root, path);
  try {
    const to = await open(target, "wx", 0o400);
    try {
      await pump(from, to, sizeBytes, signal);
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

async function openOriginal(root: string, path: string): Promise<FileHandle> {
  // O_NONBLOCK: a pipe put in a file's place must not hold us.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  let file: FileHandle;
  try {
    file = await open(join(root, ...path.split("/")), flags);
  } catch (error) {
    throw modelCorrupt(root, `the file "${path}" cannot be opened: ${(error as Error).message}`, error);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw modelCorrupt(root, `"${path}" is no file`);
}

async function pump(
  from: FileHandle,
  to: FileHandle,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (let left = sizeBytes + 1; left > 0;) {
    signal?.throwIfAborted();
    const { bytesRead } = await from.read(buffer, 0, Math.min(buffer.length, left));
    if (bytesRead === 0) return;
    await to.writeFile(buffer.subarray(0, bytesRead));
    left -= bytesRead;
  }
}

/** A whole package that is there stays, for others may be reading it; a damaged one gives way. */
async function moveInto(copy: ResolvedModel, target: string, options: StageModelOptions): Promise<ResolvedModel> {
  const moved = { ...copy, directory: target };
  if (await movedInto(copy.directory, target)) return moved;
  // New signatures come with the new copy, for they are no part of the digest.
  const present = await verifyModel(target, options).catch(() => undefined);
  options.signal?.throwIfAborted();
  if (present?.digest === copy.digest) return present;
  await rm(target, { recursive: true, force: true });
  if (await movedInto(copy.directory, target)) return moved;
  throw modelCorrupt(target, "another process changes it");
}

async function movedInto(partial: string, target: string): Promise<boolean> {
  try {
    await rename(partial, target);
    return true;
  } catch (error) {
    const occupied = ["ENOTEMPTY", "EEXIST", "EPERM", "EACCES"];
    if (occupied.includes(String((error as NodeJS.ErrnoException).code))) return false;
    throw error;
  }
}
