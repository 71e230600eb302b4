import { createHash } from "node:crypto";
import { closeSync, fstatSync, open, read } from "node:fs";
import type { CallOptions, Digest } from "@millwright/contracts";
import { type RandomBytes, type ReadableFile, bytesInMemory, bytesOfFile } from "./random-bytes.ts";

/** A file whose bytes went by once. */
export interface OpenedFile {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The bytes themselves: in memory where they are few, else in the file that is still open. */
  readonly bytes: RandomBytes;
  /** All of it, where it is no larger than 1 MiB. */
  readonly held: Buffer | undefined;
}

/** Smaller files are held in memory. */
const mostHeldBytes = 1 << 20;

/** So much is hashed at once, a quarter of a millisecond or less: what else this thread has to do stands between. */
const sliceBytes = 1 << 17;

/** Opens a file, reads it through, and hands it to `look` with its digest, before it is closed: what is looked at is what was hashed. Throws what the file system throws. */
export async function readOnce<Result>(
  path: string,
  { signal }: CallOptions,
  look: (file: OpenedFile) => Promise<Result> | Result,
): Promise<Result> {
  signal?.throwIfAborted();
  const descriptor = await openToRead(path);
  try {
    const file = readable(descriptor);
    const { size } = await file.stat();
    const held = size <= mostHeldBytes ? Buffer.allocUnsafe(size) : undefined;
    const hash = createHash("sha256");
    const sizeBytes = await readThrough(file, held, (bytes) => hash.update(bytes), signal);
    const whole = held?.subarray(0, sizeBytes);
    const digest = `sha256:${hash.digest("hex")}` as Digest;
    const bytes = whole === undefined ? await bytesOfFile(file) : bytesInMemory(whole);
    return await look({ digest, sizeBytes, bytes, held: whole });
  } finally {
    closeSync(descriptor);
  }
}

const openToRead = (path: string): Promise<number> =>
  new Promise((resolve, reject) => {
    open(path, "r", (error, descriptor) => (error === null ? resolve(descriptor) : reject(error)));
  });

/** What may have to wait for the disk is done in the pool; what only asks the kernel for what it has costs less at once than the way to the pool and back. */
const readable = (descriptor: number): ReadableFile => ({
  stat: () => Promise.resolve(fstatSync(descriptor)),
  read: (buffer, offset, length, position) =>
    new Promise((resolve, reject) => {
      read(descriptor, buffer, offset, length, position, (error, bytesRead) =>
        error === null ? resolve({ bytesRead }) : reject(error),
      );
    }),
});

/** Into `held`, as far as it goes, or else to the end of the file. @returns how many bytes there were. */
async function readThrough(
  file: ReadableFile,
  held: Buffer | undefined,
  take: (bytes: Buffer) => void,
  signal: AbortSignal | undefined,
): Promise<number> {
  const slice = held === undefined ? Buffer.allocUnsafe(sliceBytes) : undefined;
  let at = 0;
  while (held === undefined || at < held.length) {
    const into = slice ?? (held as Buffer).subarray(at, at + sliceBytes);
    const { bytesRead } = await file.read(into, 0, into.length, at);
    signal?.throwIfAborted();
    if (bytesRead === 0) return at;
    take(into.subarray(0, bytesRead));
    at += bytesRead;
  }
  return at;
}
