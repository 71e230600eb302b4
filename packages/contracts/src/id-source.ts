import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** Makes ids that are unique across processes and sort by the time they were made. */
export interface IdSource {
  next(): string;
}

/**
 * UUID version 7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits. Ids from one source strictly increase: within one millisecond the
 * 12 bits after the version count up (method 1 of §6.2).
 * @param random Default: the platform's cryptographic source; pass a seeded one for repeatable ids.
 */
export function createIdSource(clock: Clock, random?: Random): IdSource {
  let lastMs = -1;
  let counter = 0;
  let timeMs = -1;
  let time = "";
  return {
    next() {
      const now = clock.nowMs();
      if (now > lastMs) {
        lastMs = now;
        counter = randomBits(random) & 0x7ff;
      } else {
        counter += 1;
        if (counter > 0xfff) {
          lastMs += 1;
          counter = randomBits(random) & 0x7ff;
        }
      }
      if (timeMs !== lastMs) {
        timeMs = lastMs;
        const digits = lastMs.toString(16).padStart(12, "0");
        time = `${digits.slice(0, 8)}-${digits.slice(8)}-`;
      }
      const variant = hex4(0x8000 | (randomBits(random) & 0x3fff));
      const first = randomBits(random);
      const second = randomBits(random);
      return `${time}${hex4(0x7000 | counter)}-${variant}-${hex4(first >>> 16)}${hex4(first & 0xffff)}${hex4(second >>> 16)}`;
    },
  };
}

/** Words of the platform's source, drawn many at once: a draw of each costs more than all else about an id. */
const pool = new Uint32Array(256);
let used = pool.length;

function randomBits(random: Random | undefined): number {
  if (random !== undefined) return random.integer(0x100000000);
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const word = pool[used] as number;
  used += 1;
  return word;
}

/** Two digits for each byte: ids are made for every request, and `toString(16)` with its padding took half of their time. */
const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const hex4 = (bits: number): string => `${bytes[bits >>> 8]}${bytes[bits & 0xff]}`;
