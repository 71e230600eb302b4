import { utf8Bytes } from "./bytes.ts";

const turnedLeft = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

/** MurmurHash3_x86_32 of the UTF-8 bytes of a text, as the transforms of @millwright/data hash it. */
export function murmurOfText(text: string, seed: number): number {
  const bytes = utf8Bytes(text);
  const end = bytes.length;
  let hash = seed | 0;
  let at = 0;
  for (; at < (end & ~3); at += 4) {
    const block =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    hash = Math.imul(turnedLeft(hash ^ scrambled(block), 13), 5) + 0xe6546b64;
  }
  let tail = 0;
  for (let index = end - 1; index >= at; index -= 1) tail = (tail << 8) | (bytes[index] as number);
  if (end > at) hash ^= scrambled(tail);
  hash ^= end;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const scrambled = (block: number): number => Math.imul(turnedLeft(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
