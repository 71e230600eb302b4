/** The finalizer of MurmurHash3: every input bit changes each output bit with probability near one half. */
export function mix32(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

const rotated = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

/**
 * MurmurHash3_x86_32 (Appleby; https://github.com/aappleby/smhasher) of bytes `start` to `end`, as an unsigned integer.
 * Throws RangeError where they are not within the bytes.
 * The same on every machine and in every release: splits and hashed features rest on it.
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  if (!(start >= 0 && start <= end && end <= bytes.length)) {
    throw new RangeError(`Bytes ${start} to ${end} are not within the ${bytes.length} bytes.`);
  }
  let hash = seed | 0;
  const blocks = start + ((end - start) & ~3);
  let at = start;
  for (; at < blocks; at += 4) {
    const block =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    hash =
      Math.imul(rotated(hash ^ Math.imul(rotated(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593), 13), 5) + 0xe6546b64;
  }
  let tail = 0;
  for (let index = end - 1; index >= at; index -= 1) tail = (tail << 8) | (bytes[index] as number);
  if (end > at) hash ^= Math.imul(rotated(Math.imul(tail, 0xcc9e2d51), 15), 0x1b873593);
  return mix32(hash ^ (end - start)) >>> 0;
}

const encoder = new TextEncoder();
let scratch = new Uint8Array(256);

/** As `hashBytes`, of the UTF-8 bytes of a text. */
export function hashText(text: string, seed = 0): number {
  if (scratch.length < text.length * 3) scratch = new Uint8Array(text.length * 6);
  const { written } = encoder.encodeInto(text, scratch);
  return hashBytes(scratch, 0, written, seed);
}
