import { createHash } from "node:crypto";

/** Cuts bytes into chunks at places that their content chooses. */
export interface ContentChunker {
  /** The chunks that end within these bytes, which may be used again afterwards. */
  push(bytes: Uint8Array): Generator<Uint8Array, void, undefined>;
  /** What is left. */
  end(): Uint8Array | undefined;
}

const smallestAverageBytes = 1 << 10;
const largestAverageBytes = 1 << 26;

/** A number for each byte, the same on every machine and in every version: the first 4 bytes of SHA-256 of its name. */
const gear: Int32Array = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash("sha256").update(`millwright gear ${byte}`).digest().readInt32BE(0),
);

/**
 * FastCDC (Xia et al., USENIX ATC 2016): a hash that rolls over the last 32 bytes (gear hash, §3.2; 32 bits, so that it needs no big integers) ends a
 * chunk where its high bits are zero. No chunk ends before a quarter of the average (§4.3) nor later than four times it; up to the average two bits
 * more must be zero than the average asks for, after it two fewer, which brings sizes near the average (normalized chunking, §4.4, level 2).
 * Equal content far enough from a change is cut alike, wherever it stands: that is what lets versions share chunks.
 * @param averageBytes A power of two from 1 KiB to 64 MiB.
 */
export function createContentChunker(averageBytes: number): ContentChunker {
  const bits = Math.log2(averageBytes);
  if (!(Number.isInteger(bits) && averageBytes >= smallestAverageBytes && averageBytes <= largestAverageBytes))
    throw new RangeError(`averageBytes must be a power of two from 1,024 to 67,108,864, not ${averageBytes}.`);
  const least = averageBytes / 4;
  const most = averageBytes * 4;
  const strict = -1 << (32 - (bits + 2));
  const loose = -1 << (32 - (bits - 2));
  let parts: Uint8Array[] = [];
  let length = 0;
  let hash = 0;
  const take = (bytes: Uint8Array): void => {
    if (bytes.length > 0) parts.push(bytes);
    length += bytes.length;
  };
  const cut = (): Uint8Array => {
    const chunk = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    [parts, length, hash] = [[], 0, 0];
    return chunk;
  };
  /** Where in the bytes the chunk ends; -1 where it does not yet. Rolls the hash over what it passes. */
  const endIn = (bytes: Uint8Array, from: number): number => {
    let at = from + Math.max(0, least - length);
    for (const [limit, mask] of [
      [averageBytes, strict],
      [most, loose],
    ] as const) {
      const end = Math.min(bytes.length, from + limit - length);
      let rolled = hash;
      for (; at < end; at += 1) {
        rolled = ((rolled << 1) + (gear[bytes[at] as number] as number)) | 0;
        if ((rolled & mask) === 0) return at + 1;
      }
      hash = rolled;
    }
    return from + most - length <= bytes.length ? from + most - length : -1;
  };
  return {
    *push(bytes) {
      const own = new Uint8Array(bytes);
      let from = 0;
      while (from < own.length) {
        const end = endIn(own, from);
        take(own.subarray(from, end < 0 ? own.length : end));
        if (end < 0) return;
        from = end;
        yield cut();
      }
    },
    end: () => (length === 0 ? undefined : cut()),
  };
}
