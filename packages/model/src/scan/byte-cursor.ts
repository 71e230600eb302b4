import type { RandomBytes } from "../random-bytes.ts";

/** Reads forward through bytes of which only a window is in memory. */
export interface ByteCursor {
  /** Where the next byte is. */
  readonly position: number;
  /** The next `length` bytes, or `undefined` where there are fewer. Valid until the next call. */
  take(length: number): Promise<Uint8Array | undefined>;
  /** The next byte, or `undefined` at the end. */
  byte(): Promise<number | undefined>;
  /** Text up to a newline, which is passed over; `undefined` where there is none within `most` bytes. */
  line(most: number): Promise<string | undefined>;
  /** False where it ends before. */
  skip(length: number): boolean;
}

const windowBytes = 1 << 16;

export function createByteCursor(bytes: RandomBytes, start = 0, end: number = bytes.sizeBytes): ByteCursor {
  let position = start;
  let window: Buffer = Buffer.alloc(0);
  let windowStart = start;
  const see = async (length: number): Promise<Buffer | undefined> => {
    if (position + length > end) return undefined;
    if (position < windowStart || position + length > windowStart + window.length) {
      windowStart = position;
      window = await bytes.at(position, Math.min(Math.max(windowBytes, length), end - position));
    }
    return window.subarray(position - windowStart, position - windowStart + length);
  };
  return {
    get position() {
      return position;
    },
    async take(length) {
      const taken = await see(length);
      if (taken !== undefined) position += length;
      return taken;
    },
    async byte() {
      // Most bytes are in the window: no copy of it for each.
      const at = position - windowStart;
      const value = at >= 0 && position < end ? window[at] : undefined;
      const found = value ?? (await see(1))?.[0];
      if (found !== undefined) position += 1;
      return found;
    },
    async line(most) {
      const seen = await see(Math.min(most, end - position));
      const length = seen?.indexOf(0x0a) ?? -1;
      if (seen === undefined || length === -1) return undefined;
      position += length + 1;
      return seen.toString("latin1", 0, length);
    },
    skip(length) {
      if (!(length >= 0) || position + length > end) return false;
      position += length;
      return true;
    },
  };
}
