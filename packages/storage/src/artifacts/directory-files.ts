import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import {
  type ArtifactInfo,
  artifactCorrupt,
  artifactMissing,
  type Clock,
  createDigestBuilder,
  type Digest,
} from "@millwright/contracts";
import { errorOfFile } from "../file-failure.ts";
import type { FileMutex } from "../file-lock.ts";
import { flushDirectory } from "../flush-directory.ts";
import { hexOf, isDigest } from "./artifact-digest.ts";
import type { ArtifactAge } from "./collectable-store.ts";

/** Files `sha256/ab/cdef…` below a root. */
export interface ArtifactFiles {
  readonly root: string;
  readonly clock: Clock;
  /** Held while a file comes, goes or is made young: never for long. */
  readonly mutex: FileMutex;
}

const chunkBytes = 1 << 18;

export function placeOf(root: string, digest: Digest): { readonly directory: string; readonly file: string } {
  const hex = hexOf(digest);
  const directory = join(root, "sha256", hex.slice(0, 2));
  return { directory, file: join(directory, hex.slice(2)) };
}

export interface FoundFile {
  readonly sizeBytes: number;
  /** Whole milliseconds. */
  readonly changedMs: number;
  readonly inode: bigint;
}

/** Undefined where there is none. */
export async function findFile(file: string): Promise<FoundFile | undefined> {
  try {
    const { size, mtimeNs, ino } = await stat(file, { bigint: true });
    // A time is set as a fraction of seconds, which may fall a little short of the millisecond.
    return { sizeBytes: Number(size), changedMs: Number((mtimeNs + 500_000n) / 1_000_000n), inode: ino };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw errorOfFile(file, error);
  }
}

export async function digestOfFile(file: string, signal?: AbortSignal): Promise<ArtifactInfo> {
  const hash = createDigestBuilder();
  let sizeBytes = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: chunkBytes }) as AsyncIterable<Uint8Array>) {
    signal?.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { digest: hash.digest(), sizeBytes };
}

/** Puts a flushed file in the place of an artifact, or makes the one young that is there whole; the file is gone then. */
export async function keepFile(
  { root, clock, mutex }: ArtifactFiles,
  temporary: string,
  info: ArtifactInfo,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { directory, file } = placeOf(root, info.digest);
  const sound = await soundFile(file, info);
  await mutex.hold(async () => {
    const seconds = clock.nowMs() / 1000;
    // What was read outside may have been deleted, or replaced, since.
    if (sound !== undefined && (await findFile(file))?.inode === sound.inode) {
      await utimes(file, seconds, seconds);
      await rm(temporary);
    } else {
      await utimes(temporary, seconds, seconds);
      await moveInto(temporary, directory, file, info, join(root, "sha256"));
    }
  }, signal);
  // Also where it was there already: whoever put it may not have come to this line.
  await flushDirectory(directory);
}

/** @returns false where it is not there. */
export async function touchArtifact(
  { root, clock, mutex }: ArtifactFiles,
  digest: Digest,
  signal?: AbortSignal,
): Promise<boolean> {
  const { file } = placeOf(root, digest);
  return await mutex.hold(async () => {
    const seconds = clock.nowMs() / 1000;
    try {
      await utimes(file, seconds, seconds);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw errorOfFile(file, error);
    }
  }, signal);
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
    if ((await soundFile(file, info)) === undefined) throw error;
    await rm(temporary, { force: true });
  }
}

/** The file, where it has the artifact's bytes: a disk that lost some may leave the size as it was, so they are read. */
async function soundFile(file: string, { digest, sizeBytes }: ArtifactInfo): Promise<FoundFile | undefined> {
  const found = await findFile(file);
  if (found?.sizeBytes !== sizeBytes) return undefined;
  try {
    return (await digestOfFile(file)).digest === digest ? found : undefined;
  } catch {
    // Deleted meanwhile, or no longer readable: then these bytes take its place.
    return undefined;
  }
}

export async function* readArtifact(
  root: string,
  digest: Digest,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted();
  const { file } = placeOf(root, digest);
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

export async function* listArtifacts(
  root: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ArtifactAge, void, undefined> {
  signal?.throwIfAborted();
  const top = join(root, "sha256");
  for (const shard of await readdir(top)) {
    const names = await readdir(join(top, shard)).catch(() => []);
    for (const name of names) {
      signal?.throwIfAborted();
      const digest = `sha256:${shard}${name}`;
      if (!isDigest(digest)) continue;
      const found = await findFile(join(top, shard, name));
      // Deleted while the list was read.
      if (found !== undefined) yield { digest, sizeBytes: found.sizeBytes, putMs: found.changedMs };
    }
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";
