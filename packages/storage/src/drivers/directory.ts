import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type ArtifactInfo,
  type ArtifactStore,
  artifactCorrupt,
  artifactMissing,
  type CallOptions,
  type Clock,
  createDigestBuilder,
  createIdSource,
  type Digest,
  type IdSource,
  systemClock,
} from "@millwright/contracts";
import { errorOfFile } from "../file-failure.ts";
import { flushDirectory } from "../flush-directory.ts";

export interface DirectoryArtifactStoreOptions extends CallOptions {
  /** Tells how old an abandoned temporary file is. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Names temporary files. Default: UUID version 7 by `clock`. */
  readonly ids?: IdSource | undefined;
}

const digestForm = /^sha256:([0-9a-f]{2})([0-9a-f]{62})$/;
const chunkBytes = 1 << 18;
const abandonedAfterMs = 24 * 60 * 60 * 1000;

/**
 * Artifacts as files `sha256/ab/cdef…` in a directory, which is made if it is not there. Several processes may use one.
 * A put writes a temporary file, flushes it, renames it and flushes the directory: at any crash an artifact is there whole or not at all.
 * Temporary files older than a day, left by crashes, are deleted here.
 */
export async function openDirectoryArtifactStore(
  path: string,
  { clock = systemClock, ids = createIdSource(clock), signal }: DirectoryArtifactStoreOptions = {},
): Promise<ArtifactStore> {
  signal?.throwIfAborted();
  const temporary = join(path, "temporary");
  try {
    await mkdir(join(path, "sha256"), { recursive: true });
    await mkdir(temporary, { recursive: true });
    await flushDirectory(path);
    await deleteAbandoned(temporary, clock.nowMs());
  } catch (error) {
    throw errorOfFile(path, error);
  }
  return {
    async put(bytes, options = {}) {
      options.signal?.throwIfAborted();
      return putArtifact(path, join(temporary, ids.next()), bytes, options.signal);
    },
    open: (digest, options = {}) => readArtifact(path, digest, options.signal),
    async has(digest, options = {}) {
      options.signal?.throwIfAborted();
      return (await sizeOf(pathOf(path, digest).file)) !== undefined;
    },
    async delete(digest, options = {}) {
      options.signal?.throwIfAborted();
      const { directory, file } = pathOf(path, digest);
      try {
        await rm(file, { force: true });
        await flushDirectory(directory);
      } catch (error) {
        if (!isMissing(error)) throw errorOfFile(file, error);
      }
    },
    list: (options = {}) => listArtifacts(path, options.signal),
  };
}

function pathOf(root: string, digest: Digest): { readonly directory: string; readonly file: string } {
  const match = digestForm.exec(digest);
  if (match === null) throw new RangeError(`"${digest}" is no digest: sha256: and 64 lower-case hexadecimal digits.`);
  const directory = join(root, "sha256", match[1] as string);
  return { directory, file: join(directory, match[2] as string) };
}

async function putArtifact(
  root: string,
  temporary: string,
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<ArtifactInfo> {
  let failureOfSource: { readonly error: unknown } | undefined;
  try {
    const handle = await open(temporary, "wx");
    let info: ArtifactInfo;
    try {
      const source = watched(bytes, signal, (error) => (failureOfSource = { error }));
      info = await writeAll(handle, source);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const { directory, file } = pathOf(root, info.digest);
    if (await holds(file, info)) await rm(temporary);
    else await moveInto(temporary, directory, file, info, join(root, "sha256"));
    // Also where it was there already: whoever put it may not have come to this line.
    await flushDirectory(directory);
    return info;
  } catch (error) {
    await rm(temporary, { force: true });
    if (failureOfSource !== undefined) throw failureOfSource.error;
    throw errorOfFile(root, error);
  }
}

/** Passes the bytes on, and remembers a failure that is the caller's and not the disk's. */
async function* watched(
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  onFailure: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let given = false;
  try {
    if (bytes instanceof Uint8Array) {
      given = true;
      yield bytes;
      return;
    }
    for await (const chunk of bytes) {
      signal?.throwIfAborted();
      given = true;
      yield chunk;
      given = false;
    }
    signal?.throwIfAborted();
  } catch (error) {
    if (!given || signal?.aborted === true) onFailure(error);
    throw error;
  }
}

async function writeAll(handle: FileHandle, source: AsyncIterable<Uint8Array>): Promise<ArtifactInfo> {
  const hash = createDigestBuilder();
  let sizeBytes = 0;
  for await (const chunk of source) {
    // A copy: the caller may use its buffer again while the disk is busy with it.
    const own = new Uint8Array(chunk);
    hash.update(own);
    for (let written = 0; written < own.length;) {
      const { bytesWritten } = await handle.write(own, written, own.length - written);
      written += bytesWritten;
    }
    sizeBytes += own.length;
  }
  return { digest: hash.digest(), sizeBytes };
}

async function moveInto(
  temporary: string,
  directory: string,
  file: string,
  info: ArtifactInfo,
  parent: string,
): Promise<void> {
  if ((await mkdir(directory, { recursive: true })) !== undefined) await flushDirectory(parent);
  try {
    await rename(temporary, file);
  } catch (error) {
    // Windows refuses to replace a file that is open: whoever put it meanwhile put these bytes, or there is damage.
    if (!(await holds(file, info))) throw error;
    await rm(temporary, { force: true });
  }
}

async function* readArtifact(
  root: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted();
  const { file } = pathOf(root, digest);
  const stream = createReadStream(file, { highWaterMark: chunkBytes });
  const hash = createDigestBuilder();
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      signal?.throwIfAborted();
      hash.update(chunk);
      yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
  } catch (error) {
    if (isMissing(error)) throw artifactMissing(digest);
    throw signal?.aborted === true ? signal.reason : errorOfFile(file, error);
  } finally {
    stream.destroy();
  }
  const actual = hash.digest();
  if (actual !== digest) throw artifactCorrupt(digest, actual);
}

async function* listArtifacts(
  root: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ArtifactInfo, void, undefined> {
  signal?.throwIfAborted();
  const top = join(root, "sha256");
  for (const shard of await readdir(top)) {
    const names = await readdir(join(top, shard)).catch(() => []);
    for (const name of names) {
      signal?.throwIfAborted();
      const digest = `sha256:${shard}${name}` as Digest;
      if (!digestForm.test(digest)) continue;
      const sizeBytes = await sizeOf(join(top, shard, name));
      // Deleted while the list was read.
      if (sizeBytes !== undefined) yield { digest, sizeBytes };
    }
  }
}

/** Whether the file has the artifact's bytes: a disk that lost some may leave the size as it was, so they are read. */
async function holds(file: string, { digest, sizeBytes }: ArtifactInfo): Promise<boolean> {
  if ((await sizeOf(file)) !== sizeBytes) return false;
  const hash = createDigestBuilder();
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes })) hash.update(chunk as Uint8Array);
  } catch {
    // Deleted meanwhile, or no longer readable: then these bytes take its place.
    return false;
  }
  return hash.digest() === digest;
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw errorOfFile(file, error);
  }
}

async function deleteAbandoned(temporary: string, nowMs: number): Promise<void> {
  for (const name of await readdir(temporary)) {
    const file = join(temporary, name);
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && nowMs - found.mtimeMs > abandonedAfterMs) await rm(file, { force: true });
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
