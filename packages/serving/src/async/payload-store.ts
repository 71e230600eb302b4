import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { CallOptions } from "@millwright/contracts";
import { asyncInputMissing, asyncStoreFailed } from "./async-errors.ts";

/** Where inputs are read from and results are put, by location. What is written is seen whole or not at all. */
export interface PayloadStore {
  /** Where the object of a name is, or will be: `file:///var/out/late/1.out`, `s3://bucket/late/1.out`. */
  locationOf(name: string): string;
  /** Streams an object. Throws `SERVING_ASYNC_INPUT_MISSING` for what is not there, or not of this store. */
  open(location: string, options?: CallOptions): AsyncIterable<Uint8Array>;
  /** Puts an object in its place when all its bytes are there. @returns how many. Throws `SERVING_ASYNC_STORE_FAILED`, and what the bytes throw. */
  write(location: string, bytes: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<number>;
  /** Gives an object its place, whatever was there before. Doing it again after it was done does nothing. */
  move(from: string, to: string, options?: CallOptions): Promise<void>;
  /** What is not there is gone already. */
  delete(location: string, options?: CallOptions): Promise<void>;
}

/** Keeps payloads as files below a folder; locations are `file:` URLs, and nothing outside of the folder is read. */
export function createDirectoryPayloads(directory: string): PayloadStore {
  const root = resolve(directory);
  const pathOf = (location: string): string => {
    let path = "";
    try {
      path = resolve(location.startsWith("file:") ? fileURLToPath(location) : join(root, location));
    } catch (error) {
      throw asyncInputMissing(location, error);
    }
    if (!path.startsWith(root + sep)) throw asyncInputMissing(location);
    return path;
  };
  return {
    locationOf: (name) => pathToFileURL(join(root, name)).href,
    async *open(location, { signal } = {}) {
      signal?.throwIfAborted();
      const source = createReadStream(pathOf(location), { signal });
      try {
        yield* source as AsyncIterable<Uint8Array>;
      } catch (error) {
        throw signal?.aborted === true ? signal.reason : asyncInputMissing(location, error);
      }
    },
    write: (location, bytes, { signal } = {}) => writeFileWhole(location, pathOf(location), { bytes, signal }),
    async move(from, to, { signal } = {}) {
      signal?.throwIfAborted();
      const [source, target] = [pathOf(from), pathOf(to)];
      try {
        await rename(source, target);
        await flushDirectory(dirname(target));
      } catch (error) {
        // Whoever was here before has done it.
        if (isMissing(error) && (await stat(target).catch(() => undefined)) !== undefined) return;
        throw asyncStoreFailed(to, error);
      }
    },
    async delete(location, { signal } = {}) {
      signal?.throwIfAborted();
      await rm(pathOf(location), { force: true });
    },
  };
}

async function writeFileWhole(
  location: string,
  path: string,
  { bytes, signal }: { readonly bytes: AsyncIterable<Uint8Array>; readonly signal: AbortSignal | undefined },
): Promise<number> {
  signal?.throwIfAborted();
  const attempt = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw asyncStoreFailed(location, error);
    }
  };
  const partial = `${path}.partial`;
  const handle = await attempt(async () => {
    await mkdir(dirname(path), { recursive: true });
    return open(partial, "w");
  });
  let size = 0;
  try {
    for await (const piece of bytes) {
      signal?.throwIfAborted();
      await attempt(async () => {
        for (let at = 0; at < piece.length;) at += (await handle.write(piece, at, piece.length - at)).bytesWritten;
      });
      size += piece.length;
    }
    await attempt(() => handle.sync());
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
  await attempt(async () => {
    await handle.close();
    await rename(partial, path);
    await flushDirectory(dirname(path));
  });
  return size;
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");

/** Makes a rename survive a power failure. Windows has no such call for directories. */
async function flushDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
