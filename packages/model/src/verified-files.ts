import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CallOptions, ModelManifest } from "@millwright/contracts";

/** Bytes of small files by their path, from when a package is verified until it is loaded: what is loaded is what was verified, and is not read again. */
const verified = new WeakMap<ModelManifest, Map<string, Buffer>>();

/** More of a package is not held: it may never be loaded. */
const mostHeldBytes = 4 << 20;

/** Keeps the bytes of files that were found to be what the manifest says, as far as they are few. */
export function holdVerified(manifest: ModelManifest, files: ReadonlyMap<string, Buffer>): void {
  let bytes = 0;
  for (const each of files.values()) bytes += each.length;
  if (bytes <= mostHeldBytes) verified.set(manifest, new Map(files));
}

/** Lets go of what was not taken. */
export function releaseVerified(manifest: ModelManifest): void {
  verified.delete(manifest);
}

/** A file of a package: its bytes as they were verified, where they are still held, once; else as it lies in the directory. Throws what the file system throws. */
export async function readModelFile(
  directory: string,
  manifest: ModelManifest,
  path: string,
  { signal }: CallOptions = {},
): Promise<Buffer> {
  signal?.throwIfAborted();
  const held = verified.get(manifest);
  const bytes = held?.get(path);
  if (bytes === undefined) return readFile(join(directory, ...path.split("/")), { signal });
  held?.delete(path);
  return bytes;
}
