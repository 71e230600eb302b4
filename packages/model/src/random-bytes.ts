import { archiveInvalid } from "./trust-errors.ts";

/** Bytes that are read at any place. */
export interface RandomBytes {
  readonly sizeBytes: number;
  /** Exactly so many bytes. Throws `MODEL_ARCHIVE_INVALID` where there are fewer. */
  at(offset: number, length: number): Promise<Buffer>;
  /** From `start` up to, and without, `end`. */
  stream(start: number, end: number): AsyncGenerator<Buffer>;
}

/** What is called of an open file; `FileHandle` is one. */
export interface ReadableFile {
  stat(): Promise<{ readonly size: number }>;
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
}

const blockBytes = 1 << 18;
const pieceBytes = 1 << 18;

/** Small pieces come from one block that is kept: formats are walked in many small steps. */
export async function bytesOfFile(file: ReadableFile): Promise<RandomBytes> {
  const { size } = await file.stat();
  const direct = randomBytesOf(size, async (offset, length) => {
    const buffer = Buffer.allocUnsafe(length);
    for (let filled = 0; filled < length;) {
      const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
      if (bytesRead === 0) throw archiveInvalid("it became shorter while it was read");
      filled += bytesRead;
    }
    return buffer;
  });
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

/** Pieces are views of `bytes`. */
export function bytesInMemory(bytes: Uint8Array): RandomBytes {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return randomBytesOf(bytes.length, (offset, length) => whole.subarray(offset, offset + length));
}

function randomBytesOf(
  sizeBytes: number,
  read: (offset: number, length: number) => Buffer | Promise<Buffer>,
): RandomBytes {
  const at = async (offset: number, length: number): Promise<Buffer> => {
    if (offset < 0 || length < 0 || offset + length > sizeBytes)
      throw archiveInvalid("it ends before what it says it holds");
    return read(offset, length);
  };
  return {
    sizeBytes,
    at,
    async *stream(start, end) {
      for (let from = start; from < end; from += pieceBytes) yield await at(from, Math.min(pieceBytes, end - from));
    },
  };
}
