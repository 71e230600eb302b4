/** A stream of random numbers, injected; the same seed gives the same stream on every machine. Not for secrets. */
export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  next(): number;
  /** Uniform integer in [0, bound). `bound` from 1 to 2^32. */
  integer(bound: number): number;
  /** Standard normal, by the polar method of Marsaglia and Bray (1964). */
  normal(): number;
  /** A stream of its own for `label`: the same label always gives the same stream, whatever was drawn before. */
  fork(label: string | number): Random;
  /** The state, JSON-safe; `restoreRandom` goes on from it. */
  state(): RandomState;
}

export interface RandomState {
  readonly algorithm: "xoshiro128**";
  /** The seed that `fork` derives from. */
  readonly seed: number;
  readonly words: readonly [number, number, number, number];
  /** The second normal of the last pair, if it was not handed out yet. */
  readonly spareNormal?: number | undefined;
}

/** 32-bit hash of a string (MurmurHash3's mixing over UTF-16 units): seeds for `fork`, never for content. */
export function hashSeed(text: string, seed = 0): number {
  let hash = seed | 0;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ Math.imul(text.charCodeAt(index), 0xcc9e2d51), 0x1b873593);
    hash = ((hash << 13) | (hash >>> 19)) * 5 + 0x6b64e654;
    hash |= 0;
  }
  hash ^= text.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/**
 * Blackman and Vigna's xoshiro128** 1.1 (https://prng.di.unimi.it/xoshiro128starstar.c), its state filled by SplitMix32 from `seed`.
 * @param seed Any number; its 32 low bits count.
 */
export function createRandom(seed: number): Random {
  const words: [number, number, number, number] = [0, 0, 0, 0];
  let mix = seed >>> 0;
  for (let index = 0; index < 4; index += 1) {
    mix = (mix + 0x9e3779b9) | 0;
    let word = Math.imul(mix ^ (mix >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    words[index] = (word ^ (word >>> 16)) >>> 0;
  }
  return restoreRandom({ algorithm: "xoshiro128**", seed: seed >>> 0, words });
}

/** Goes on exactly where `state` was taken. */
export function restoreRandom(state: RandomState): Random {
  let [a, b, c, d] = state.words;
  let spareNormal = state.spareNormal;
  const next32 = (): number => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  const next = (): number => ((next32() >>> 5) * 0x4000000 + (next32() >>> 6)) / 0x20000000000000;
  const integer = (bound: number): number => {
    if (!Number.isInteger(bound) || bound < 1 || bound > 0x100000000) {
      throw new RangeError(`The bound must be an integer from 1 to 2^32, not ${bound}.`);
    }
    // Rejection keeps every value equally likely.
    const limit = 0x100000000 - (0x100000000 % bound);
    for (;;) {
      const drawn = next32();
      if (drawn < limit) return drawn % bound;
    }
  };
  const normal = (): number => {
    if (spareNormal !== undefined) {
      const spare = spareNormal;
      spareNormal = undefined;
      return spare;
    }
    for (;;) {
      const u = 2 * next() - 1;
      const v = 2 * next() - 1;
      const square = u * u + v * v;
      if (square >= 1 || square === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(square)) / square);
      spareNormal = v * scale;
      return u * scale;
    }
  };
  return {
    next,
    integer,
    normal,
    fork: (label) => createRandom(hashSeed(String(label), state.seed)),
    state: () => ({
      algorithm: "xoshiro128**",
      seed: state.seed,
      words: [a >>> 0, b >>> 0, c >>> 0, d >>> 0],
      ...(spareNormal === undefined ? {} : { spareNormal }),
    }),
  };
}
