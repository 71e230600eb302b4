import { archiveInvalid } from "../trust-errors.ts";

/** Bytes that come in pieces, taken in the lengths that a format has. */
export interface ByteReader {
  /** Exactly so many bytes, or `undefined` at the end. Throws `MODEL_ARCHIVE_INVALID` where it ends within them. */
  take(length: number): Promise<Buffer | undefined>;
  /** The next `length` bytes, piece by piece. Throws `MODEL_ARCHIVE_INVALID` where it ends before. */
  pieces(length: number): AsyncGenerator<Buffer>;
}

export function createByteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  const refill = async (): Promise<boolean> => {
    for (;;) {
      const { value, done } = await iterator.next();
      if (done === true) return false;
      if (value.length === 0) continue;
      const chunk = Buffer.from(value.buffer, value.byteOffset, value.length);
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      return true;
    }
  };
  return {
    async take(length) {
      while (held.length < length)
        if (!(await refill())) {
          if (held.length === 0) return undefined;
          throw archiveInvalid("it ends in the middle of an entry");
        }
      const taken = held.subarray(0, length);
      held = held.subarray(length);
      return taken;
    },
    async *pieces(length) {
      for (let left = length; left > 0;) {
        if (held.length === 0 && !(await refill())) throw archiveInvalid("it ends in the middle of an entry");
        const piece = held.subarray(0, left);
        held = held.subarray(piece.length);
        left -= piece.length;
        yield piece;
      }
    },
  };
}
