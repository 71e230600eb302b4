import { type FileHandle, mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type ArtifactInfo,
  type CallOptions,
  type Clock,
  createDigestBuilder,
  createIdSource,
  createRandom,
  hashSeed,
  type IdSource,
  systemClock,
} from "@millwright/contracts";
import { errorOfFile } from "../file-failure.ts";
import { createFileMutex } from "../file-lock.ts";
import { flushDirectory } from "../flush-directory.ts";
import type { ResumableArtifactStore } from "./artifact-upload.ts";
import type { SweepOptions, SweepReport } from "./collectable-store.ts";
import {
  type ArtifactFiles,
  findFile,
  isMissing,
  keepFile,
  listArtifacts,
  placeOf,
  readArtifact,
  touchArtifact,
} from "./directory-files.ts";
import { openDirectoryUpload, sweepUploads } from "./directory-upload.ts";

export interface DirectoryArtifactStoreOptions extends CallOptions {
  /** Tells when an artifact is put, and how old an abandoned temporary file is. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Names temporary files. Default: UUID version 7 by `clock`. */
  readonly ids?: IdSource | undefined;
}

const abandonedAfterMs = 24 * 60 * 60 * 1000;

/**
 * Artifacts as files `sha256/ab/cdef…` in a directory, which is made if it is not there. Several processes may use one.
 * A put writes a temporary file, flushes it, renames it and flushes the directory: at any crash an artifact is there whole or not at all. A file's
 * time of change is when it was last put. Temporary files older than a day, left by crashes, are deleted here.
 */
export async function openDirectoryArtifactStore(
  path: string,
  { clock = systemClock, ids = createIdSource(clock), signal }: DirectoryArtifactStoreOptions = {},
): Promise<ResumableArtifactStore> {
  signal?.throwIfAborted();
  const temporary = join(path, "temporary");
  const random = createRandom(hashSeed(ids.next()));
  const files: ArtifactFiles = { root: path, clock, mutex: createFileMutex(join(path, "lock"), { clock, random }) };
  try {
    await mkdir(join(path, "sha256"), { recursive: true });
    await mkdir(temporary, { recursive: true });
    await flushDirectory(path);
    await sweepTemporary(temporary, { beforeMs: clock.nowMs() - abandonedAfterMs, dryRun: false, signal });
  } catch (error) {
    throw errorOfFile(path, error);
  }
  return {
    async put(bytes, options = {}) {
      options.signal?.throwIfAborted();
      return putArtifact(files, join(temporary, ids.next()), bytes, options.signal);
    },
    open: (digest, options = {}) => readArtifact(path, digest, options.signal),
    async has(digest, options = {}) {
      options.signal?.throwIfAborted();
      return (await findFile(placeOf(path, digest).file)) !== undefined;
    },
    async delete(digest, options = {}) {
      options.signal?.throwIfAborted();
      const { directory, file } = placeOf(path, digest);
      await removed(directory, file, () => rm(file, { force: true }));
    },
    async *list(options = {}) {
      for await (const { digest, sizeBytes } of listArtifacts(path, options.signal)) yield { digest, sizeBytes };
    },
    ages: (options = {}) => listArtifacts(path, options.signal),
    async touch(digest, options = {}) {
      options.signal?.throwIfAborted();
      return touchArtifact(files, digest, options.signal);
    },
    async deleteOlder(digest, beforeMs, options = {}) {
      options.signal?.throwIfAborted();
      const { directory, file } = placeOf(path, digest);
      let deleted = false;
      await files.mutex.hold(async () => {
        const found = await findFile(file);
        if (found === undefined || found.changedMs >= beforeMs) return;
        await removed(directory, file, () => rm(file, { force: true }));
        deleted = true;
      }, options.signal);
      return deleted;
    },
    beginUpload: (options = {}) => openDirectoryUpload(files, ids, options),
    async sweep(options) {
      // A put whose source is slow is still under way after a short grace period.
      const older = { ...options, beforeMs: Math.min(options.beforeMs, clock.nowMs() - abandonedAfterMs) };
      const swept = [await sweepTemporary(temporary, older), await sweepUploads(path, older)] as const;
      return { objects: swept[0].objects + swept[1].objects, bytes: swept[0].bytes + swept[1].bytes };
    },
  };
}

async function putArtifact(
  files: ArtifactFiles,
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
    await keepFile(files, temporary, info, signal);
    return info;
  } catch (error) {
    await rm(temporary, { force: true });
    if (failureOfSource !== undefined) throw failureOfSource.error;
    throw errorOfFile(files.root, error);
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

async function removed(directory: string, file: string, remove: () => Promise<void>): Promise<void> {
  try {
    await remove();
    await flushDirectory(directory);
  } catch (error) {
    if (!isMissing(error)) throw errorOfFile(file, error);
  }
}

/** What puts left that did not come to their end. */
async function sweepTemporary(temporary: string, { beforeMs, dryRun, signal }: SweepOptions): Promise<SweepReport> {
  const swept = { objects: 0, bytes: 0 };
  for (const name of await readdir(temporary)) {
    signal?.throwIfAborted();
    const file = join(temporary, name);
    const found = await findFile(file).catch(() => undefined);
    if (found === undefined || found.changedMs >= beforeMs) continue;
    if (!dryRun) await rm(file, { recursive: true, force: true });
    swept.objects += 1;
    swept.bytes += found.sizeBytes;
  }
  return swept;
}
