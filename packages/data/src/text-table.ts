import { hashBytes } from "./hash.ts";

/** Texts by number, found by their bytes: no string is made on the way. */
export interface TextTable {
  /** @returns the text's number, −1 where it is unknown. */
  find(bytes: Uint8Array, start: number, end: number): number;
  /** @returns the text's number, given out from 0 where it is new. */
  intern(bytes: Uint8Array, start: number, end: number): number;
  /** The texts by number. */
  texts(): string[];
  /** Their bytes by number. */
  entries(): Uint8Array[];
}

export function createTextTable(known: readonly string[] = []): TextTable {
  let slots = new Int32Array(64);
  let arena = new Uint8Array(1024);
  const offsets: number[] = [0];
  const hashes: number[] = [];
  const slotOf = (bytes: Uint8Array, start: number, end: number, hash: number): number => {
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = (slots[slot] as number) - 1;
      if (entry < 0) return slot;
      if (
        hashes[entry] === hash &&
        isAt(arena, offsets[entry] as number, offsets[entry + 1] as number, bytes, start, end)
      )
        return slot;
    }
  };
  const append = (bytes: Uint8Array, start: number, end: number, hash: number): void => {
    const at = offsets.at(-1) as number;
    if (at + end - start > arena.length) {
      const grown = new Uint8Array(Math.max(at + end - start, arena.length * 2));
      grown.set(arena);
      arena = grown;
    }
    arena.set(bytes.subarray(start, end), at);
    offsets.push(at + end - start);
    hashes.push(hash);
    if (hashes.length * 2 > slots.length) {
      slots = new Int32Array(slots.length * 2);
      for (const [entry, each] of hashes.entries()) {
        let slot = each & (slots.length - 1);
        while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
        slots[slot] = entry + 1;
      }
    }
  };
  const intern: TextTable["intern"] = (bytes, start, end) => {
    const hash = hashBytes(bytes, start, end);
    const slot = slotOf(bytes, start, end, hash);
    const entry = (slots[slot] as number) - 1;
    if (entry >= 0) return entry;
    slots[slot] = hashes.length + 1;
    append(bytes, start, end, hash);
    return hashes.length - 1;
  };
  const encoder = new TextEncoder();
  for (const text of known) {
    const bytes = encoder.encode(text);
    intern(bytes, 0, bytes.length);
  }
  return {
    find: (bytes, start, end) => (slots[slotOf(bytes, start, end, hashBytes(bytes, start, end))] as number) - 1,
    intern,
    texts: () => {
      const bytes = Buffer.from(arena.buffer);
      return hashes.map((_, entry) => bytes.toString("utf8", offsets[entry], offsets[entry + 1]));
    },
    entries: () => hashes.map((_, entry) => arena.subarray(offsets[entry], offsets[entry + 1])),
  };
}

function isAt(arena: Uint8Array, from: number, to: number, bytes: Uint8Array, start: number, end: number): boolean {
  if (to - from !== end - start) return false;
  for (let index = start, at = from; index < end; index += 1, at += 1) if (arena[at] !== bytes[index]) return false;
  return true;
}
