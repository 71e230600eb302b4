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
      const time = lastMs.toString(16).padStart(12, "0");
      const variant = (0x8000 | (randomBits(random) & 0x3fff)).toString(16);
      const tail = hex8(randomBits(random)) + hex8(randomBits(random)).slice(0, 4);
      return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, "0")}-${variant}-${tail}`;
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

const hex8 = (bits: number): string => bits.toString(16).padStart(8, "0");
