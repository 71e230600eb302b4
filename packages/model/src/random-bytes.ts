import type { FileHandle } from "node:fs/promises";
import { archiveInvalid } from "./trust-errors.ts";

/** Bytes that are read at any place. */
export interface RandomBytes {
  readonly sizeBytes: number;
  /** Exactly so many bytes. Throws `MODEL_ARCHIVE_INVALID` where there are fewer. */
  at(offset: number, length: number): Promise<Buffer>;
  /** From `start` up to, and without, `end`. */
  stream(start: number, end: number): AsyncGenerator<Buffer>;
}

const blockBytes = 1 << 18;

/** Small pieces come from one block that is kept: formats are walked in many small steps. */
export async function bytesOfFile(file: FileHandle): Promise<RandomBytes> {
  const { size } = await file.stat();
  const direct = randomBytesOf(
    size,
    async (buffer, offset) => (await file.read(buffer, 0, buffer.length, offset)).bytesRead,
  );
  let block: { readonly start: number; readonly bytes: Buffer } = { start: 0, bytes: Buffer.alloc(0) };
  return {
    ...direct,
    async at(offset, length) {
      if (length > blockBytes / 2 || offset < 0 || length < 0 || offset + length > size)
        return direct.at(offset, length);
      if (offset < block.start || offset + length > block.start + block.bytes.length)
        block = { start: offset, bytes: await direct.at(offset, Math.min(blockBytes, size - offset)) };
      return block.bytes.subarray(offset - block.start, offset - block.start + length);
    },
  };
}

export const bytesInMemory = (bytes: Uint8Array): RandomBytes =>
  randomBytesOf(bytes.length, (buffer, offset) => {
    const part = bytes.subarray(offset, offset + buffer.length);
    buffer.set(part);
    return Promise.resolve(part.length);
  });

function randomBytesOf(sizeBytes: number, read: (buffer: Buffer, offset: number) => Promise<number>): RandomBytes {
  const at = async (offset: number, length: number): Promise<Buffer> => {
    if (offset < 0 || length < 0 || offset + length > sizeBytes)
      throw archiveInvalid("it ends before what it says it holds");
    const buffer = Buffer.alloc(length);
    for (let filled = 0; filled < length;) {
      const count = await read(buffer.subarray(filled), offset + filled);
      if (count === 0) throw archiveInvalid("it became shorter while it was read");
      filled += count;
    }
    return buffer;
  };
  return {
    sizeBytes,
    at,
    async *stream(start, end) {
      for (let from = start; from < end; from += 1 << 18) yield await at(from, Math.min(1 << 18, end - from));
    },
  };
}
